/** The JSON that the original prints: today's keys, in their order, zero values included. */
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Image } from "../gen/p2prc/client/v1/node_info_pb.js";
import type { Gpu, Node, Specs } from "../gen/p2prc/client/v1/node_pb.js";

/** The IP table, as `--ls` prints it. An empty one is a list all the same: scripts iterate over it. */
export function toOriginalTable(nodes: readonly Node[]): unknown {
  return { ip_address: nodes.map(toOriginalRow) };
}

function toOriginalRow(node: Node): unknown {
  const isNamed = node.ipv4 === "" && node.ipv6 === "";
  return {
    Name: node.machineName,
    MachineUsername: node.machineUsername,
    // The format has no place for a DNS name; the table file keeps it here as well.
    IPV4: isNamed ? hostOf(node.name) : node.ipv4,
    IPV6: node.ipv6,
    Latency: nanoseconds(node.measurement?.latency),
    // Mbit/s; every version writes 0 for "not measured".
    Download: node.measurement?.downloadMegabitsPerSecond ?? 0,
    Upload: node.measurement?.uploadMegabitsPerSecond ?? 0,
    ServerPort: String(node.serverPort),
    UDPServerPort: portText(node.udpServerPort),
    BareMetalSSHPort: portText(node.bareMetalSshPort),
    NAT: node.nat,
    EscapeImplementation: node.escapeImplementation,
    ProxyServer: node.proxyServer,
    UnSafeMode: node.unsafeMode,
    PublicKey: node.publicKey,
    CustomInformation: node.customInformation,
  };
}

/** Hardware and platform, as `--specs` prints them. RAM and Disk are in MiB. */
export function toOriginalSpecs(specs: Specs): unknown {
  const [gpu] = specs.gpus;
  return {
    Hostname: specs.hostname,
    Platform: specs.platform,
    CPU: specs.cpuModel,
    RAM: Number(specs.memoryMib),
    Disk: Number(specs.diskMib),
    GPU: gpu === undefined ? null : toOriginalGpu(gpu),
  };
}

function toOriginalGpu(gpu: Gpu): unknown {
  return {
    DriveVersion: gpu.driverVersion,
    Gpu: {
      GpuName: gpu.model,
      BiosVersion: gpu.biosVersion,
      FanSpeed: withUnit(gpu.fanSpeedPercent, "%"),
      Utilization: {
        GpuUsage: withUnit(gpu.utilizationPercent, "%"),
        MemoryUsage: withUnit(gpu.memoryUtilizationPercent, "%"),
      },
      Temperature: { GpuTemp: withUnit(gpu.temperatureCelsius, "C") },
      Clock: { GpuClock: withUnit(gpu.clockMhz, "MHz"), GpuMemClock: withUnit(gpu.memoryClockMhz, "MHz") },
    },
  };
}

/** The images a node builds, as `--vi` prints them: null for none, which is what nodes send. */
export function toOriginalImages(images: readonly Image[]): unknown {
  const list = images.map(({ name, description }) => ({
    DockerContainerName: name,
    ContainerDescription: description,
  }));
  return { DockerContainer: list.length === 0 ? null : list };
}

function nanoseconds(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1e9 + duration.nanos;
}

/** `nodes/host:8088` -> `host`. */
const hostOf = (name: string): string => name.replace(/^nodes\//, "").replace(/:[0-9]+$/, "");
const portText = (port: number): string => (port === 0 ? "" : String(port));
const withUnit = (value: number | undefined, unit: string): string =>
  value === undefined ? "" : `${value} ${unit}`;

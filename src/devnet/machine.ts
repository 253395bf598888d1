/** What a made-up machine says about itself: its name, hardware, GPU and images. */

import type { Random } from "./random.js";
import { goJson } from "./go-json.js";
import type { Dialect } from "./dialects.js";

export interface Machine {
  readonly name: string;
  readonly platform: string;
  readonly cpu: string;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly gpu: string | null;
  readonly images: readonly (readonly [name: string, description: string])[];
}

const names = ["render", "forge", "kiln", "loom", "anvil", "quarry", "beacon", "lathe"];
const platforms = ["ubuntu", "debian", "arch", "nixos", "darwin"];
const cpus = [
  "AMD EPYC 7543P 32-Core Processor",
  "AMD Ryzen 9 7950X 16-Core Processor",
  "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
  "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz",
];
const gpus = ["NVIDIA RTX A4000", "NVIDIA GeForce RTX 3090", "Tesla T4"];
const images = [
  ["docker-ubuntu-sshd", "Plain Ubuntu with an SSH server\n"],
  ["horovod-cpu", "CPU training image\n"],
  ["blender-gpu", "Blender & its render farm add-on\n"],
] as const;

/** Draws a machine. One in three has a GPU; one in five has no images, which is a null list on the wire. */
export function drawMachine(position: number, random: Random): Machine {
  const imageCount = random.next() < 0.2 ? 0 : 1 + random.below(images.length);
  return {
    name: `${random.pick(names)}-${String(position + 1).padStart(3, "0")}`,
    platform: random.pick(platforms),
    cpu: random.pick(cpus),
    memoryMib: 8 * 1024 * 2 ** random.below(5) - random.below(1400),
    diskMib: 120_000 + random.below(1_900_000),
    gpu: random.next() < 1 / 3 ? random.pick(gpus) : null,
    images: images.slice(0, imageCount),
  };
}

/** The answer of /server_info. Source: shared protocol notes, "Structs: SysInfo". */
export function encodeSpecs(machine: Machine, dialect: Dialect): string {
  const common = {
    Hostname: machine.name,
    Platform: machine.platform,
    CPU: machine.cpu,
    RAM: machine.memoryMib,
    Disk: machine.diskMib,
  };
  if (dialect.tellsGpu === false) return goJson(common);
  return goJson({ ...common, GPU: machine.gpu === null ? null : gpuReport(machine.gpu) });
}

/** The answer of /ShowImages. Source: shared protocol notes, "Route details". */
export function encodeImages(machine: Machine): string {
  const list = machine.images.map(([name, description]) => ({
    DockerContainerName: name,
    ContainerDescription: description,
  }));
  return goJson({ DockerContainer: list.length === 0 ? null : list });
}

/** nvidia-smi's report as upstream passes it on: text with units throughout. */
const gpuReport = (model: string): unknown => ({
  DriveVersion: "535.183.01",
  Gpu: {
    GpuName: model,
    BiosVersion: "94.04.57.00.05",
    FanSpeed: "41 %",
    Utilization: { GpuUsage: "7 %", MemoryUsage: "3 %" },
    Temperature: { GpuTemp: "38 C" },
    Clock: { GpuClock: "210 MHz", GpuMemClock: "405 MHz" },
  },
});

import {
  boolean,
  decimal,
  duration,
  enumeration,
  integer,
  repeatedInteger,
  repeatedText,
  text,
  timestamp,
  type FieldTable,
} from "../filter/fields.js";
import { bandwidthMeasureTimeMs, type Node } from "./contract.js";

/** 0 where the proto says that it means "none" or "not told". */
const zeroIsUnset = { unsetAt: 0 } as const;

/**
 * What `filter` and `order_by` may name of a node: every field of the proto's `Node`, spelt as there. docs/filters.md
 * lists the same names. Tests compare both with this table, both ways.
 */
export const nodeFields = {
  name: text((node) => node.name),
  machine_name: text((node) => node.row.machineName),
  ipv4: text((node) => node.row.ipv4),
  ipv6: text((node) => node.row.ipv6),
  server_port: integer((node) => node.address.port),
  udp_server_port: integer((node) => node.row.udpServerPort, zeroIsUnset),
  bare_metal_ssh_port: integer((node) => node.row.bareMetalSshPort, zeroIsUnset),
  nat: boolean((node) => node.row.nat),
  escape_implementation: text((node) => node.row.escapeImplementation),
  proxy_server: boolean((node) => node.row.proxyServer),
  unsafe_mode: boolean((node) => node.row.unsafeMode),
  public_key: text((node) => node.row.publicKey),
  custom_information: text((node) => node.row.customInformation),
  machine_username: text((node) => node.row.machineUsername),
  "measurement.latency": duration((node) => node.measurement?.latencyNs),
  "measurement.jitter": duration((node) => node.measurement?.jitterNs),
  "measurement.download_megabits_per_second": decimal((node) => node.measurement?.downloadMbps),
  "measurement.upload_megabits_per_second": decimal((node) => node.measurement?.uploadMbps),
  "measurement.sample_count": integer((node) => node.measurement?.sampleCount),
  "measurement.measure_time": timestamp((node) => node.measurement?.measureTimeMs),
  "measurement.bandwidth_measure_time": timestamp(
    ({ measurement }) => measurement && bandwidthMeasureTimeMs(measurement),
  ),
  "specs.hostname": text((node) => node.specs?.hostname),
  "specs.platform": text((node) => node.specs?.platform),
  "specs.cpu_model": text((node) => node.specs?.cpuModel),
  "specs.memory_mib": integer((node) => node.specs?.memoryMib, zeroIsUnset),
  "specs.disk_mib": integer((node) => node.specs?.diskMib, zeroIsUnset),
  "specs.gpus.model": repeatedText((node) => node.specs?.gpus.map((gpu) => gpu.model)),
  "specs.gpus.driver_version": repeatedText((node) => node.specs?.gpus.map((gpu) => gpu.driverVersion)),
  "specs.gpus.bios_version": repeatedText((node) => node.specs?.gpus.map((gpu) => gpu.biosVersion)),
  "specs.gpus.fan_speed_percent": repeatedInteger((node) =>
    node.specs?.gpus.map((gpu) => gpu.fanSpeedPercent),
  ),
  "specs.gpus.utilization_percent": repeatedInteger((node) =>
    node.specs?.gpus.map((gpu) => gpu.utilizationPercent),
  ),
  "specs.gpus.memory_utilization_percent": repeatedInteger((node) =>
    node.specs?.gpus.map((gpu) => gpu.memoryUtilizationPercent),
  ),
  "specs.gpus.temperature_celsius": repeatedInteger((node) =>
    node.specs?.gpus.map((gpu) => gpu.temperatureCelsius),
  ),
  "specs.gpus.clock_mhz": repeatedInteger((node) => node.specs?.gpus.map((gpu) => gpu.clockMhz)),
  "specs.gpus.memory_clock_mhz": repeatedInteger((node) => node.specs?.gpus.map((gpu) => gpu.memoryClockMhz)),
  "specs.observe_time": timestamp((node) => node.specs?.observeTimeMs),
  "provenance.via_nodes": repeatedText((node) => node.provenance.viaNodes),
  "provenance.hop_count": integer((node) => node.provenance.hopCount),
  "provenance.witness_count": integer((node) => node.provenance.witnessCount),
  "provenance.first_seen_time": timestamp((node) => node.provenance.firstSeenTimeMs),
  state: enumeration("STATE_", ["ACTIVE", "UNREACHABLE", "UNPROBED", "QUARANTINED"], (node) => node.state),
  state_reason: text((node) => node.stateReason),
  self: boolean((node) => node.isSelf),
  observe_time: timestamp((node) => node.observeTimeMs),
  etag: text((node) => node.etag),
} satisfies FieldTable<Node>;

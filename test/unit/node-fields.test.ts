import { describe, expect, it } from "@jest/globals";
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import type { FieldType } from "../../src/filter/fields.js";
import { parseFilter } from "../../src/filter/filter.js";
import { parseOrder } from "../../src/filter/order.js";
import { NodeSchema } from "../../src/gen/p2prc/client/v1/node_pb.js";
import { nodeFields } from "../../src/p2p/node-fields.js";
import { newRecord, toNode } from "../../src/p2p/node-record.js";
import type { Node } from "../../src/p2p/contract.js";
import { aRow, someSpecs } from "../support/peers.js";

/** Which type of the filter grammar a field of the proto has. */
const typeOf: Readonly<Record<string, FieldType>> = {
  [ScalarType.STRING]: "text",
  [ScalarType.INT32]: "integer",
  [ScalarType.INT64]: "integer",
  [ScalarType.DOUBLE]: "decimal",
  [ScalarType.BOOL]: "boolean",
  enum: "enumeration",
  "google.protobuf.Duration": "duration",
  "google.protobuf.Timestamp": "timestamp",
};

/** Every field without fields of its own, with its path and type; `repeated` as soon as one on the path is. */
function leaves(message: DescMessage, prefix = "", isRepeated = false): [string, string][] {
  return message.fields.flatMap((field) => {
    const path = prefix + field.name;
    const many = isRepeated || field.fieldKind === "list";
    const within = field.message;
    if (within !== undefined && typeOf[within.typeName] === undefined)
      return leaves(within, `${path}.`, many);
    const type = typeOf[kindOf(field)] ?? `unknown kind ${kindOf(field)}`;
    return [[path, many ? `repeated ${type}` : type]];
  });
}

function kindOf(field: DescField): string {
  if (field.fieldKind === "map") return "map";
  return String(field.message?.typeName ?? (field.enum === undefined ? field.scalar : "enum"));
}

const aNode = (overrides: Partial<Node> = {}): Node => ({
  ...toNode(newRecord(aRow(), "peer"), false),
  etag: "",
  ...overrides,
});

describe("the fields of a node", () => {
  it("are those of the proto, each with its type, and no others", () => {
    const inTable = Object.entries(nodeFields).map(([name, { type }]) => [name, type]);
    expect(inTable.toSorted()).toEqual(leaves(NodeSchema).toSorted());
  });

  it("take every state of the proto, with and without its prefix", () => {
    const states = NodeSchema.fields.find(({ name }) => name === "state")?.enum?.values ?? [];
    const names = states.map(({ name }) => name).filter((name) => name !== "STATE_UNSPECIFIED");
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) {
      const node = aNode({ state: name.replace("STATE_", "") as Node["state"] });
      expect(parseFilter(`state = ${name} state = ${name.replace("STATE_", "")}`, nodeFields)(node)).toBe(
        true,
      );
    }
    expect(() => parseFilter("state = IDLE", nodeFields)).toThrow(
      `one of ${names.map((name) => name.replace("STATE_", "")).join(", ")}`,
    );
  });

  it("answer the filter and the order that the contract gives as examples", () => {
    const gpu = { model: "NVIDIA RTX A4000", driverVersion: "", biosVersion: "", temperatureCelsius: 38 };
    const near = aNode({
      name: "nodes/203.0.113.7:8088",
      measurement: { latencyNs: 20_000_000, sampleCount: 3 },
      specs: { ...someSpecs, gpus: [gpu], observeTimeMs: 1 },
    });
    const far = aNode({ measurement: { latencyNs: 80_000_000, sampleCount: 3 } });
    const unknown = aNode();
    const passes = parseFilter(`measurement.latency < 0.05s AND specs.gpus.model:"RTX"`, nodeFields);
    expect([near, far, unknown].map(passes)).toEqual([true, false, false]);
    const order = parseOrder("measurement.latency, specs.memory_mib desc", nodeFields);
    expect([unknown, far, near].toSorted(order)).toEqual([near, far, unknown]);
    expect(
      parseFilter("name = nodes/203.0.113.* specs.gpus.temperature_celsius < 40", nodeFields)(near),
    ).toBe(true);
  });

  it("read the value that their path names", () => {
    const [time, etag] = [Date.UTC(2026, 0, 1), '"e"'];
    const row = aRow({
      machineName: "machine",
      ipv4: "v4",
      ipv6: "v6",
      udpServerPort: 1,
      bareMetalSshPort: 2,
      nat: true,
      escapeImplementation: "FRP",
      proxyServer: true,
      unsafeMode: true,
      publicKey: "key",
      customInformation: "custom",
      machineUsername: "user",
    });
    const gpu = {
      model: "model",
      driverVersion: "driver",
      biosVersion: "bios",
      fanSpeedPercent: 3,
      utilizationPercent: 4,
      memoryUtilizationPercent: 5,
      temperatureCelsius: 6,
      clockMhz: 7,
      memoryClockMhz: 8,
    };
    const node: Node = {
      name: "nodes/x",
      address: { host: "x", port: 9 },
      row,
      state: "QUARANTINED",
      stateReason: "DEAD_ROWS",
      isSelf: true,
      etag,
      observeTimeMs: time,
      measurement: {
        latencyNs: 10,
        jitterNs: 11,
        downloadMbps: 17.5,
        uploadMbps: 18.25,
        sampleCount: 12,
        measureTimeMs: time + 1,
        downloadMeasureTimeMs: time + 9,
        uploadMeasureTimeMs: time + 4,
      },
      specs: {
        hostname: "host",
        platform: "os",
        cpuModel: "cpu",
        memoryMib: 13,
        diskMib: 14,
        gpus: [gpu],
        observeTimeMs: time + 2,
      },
      provenance: { viaNodes: ["nodes/via"], hopCount: 15, witnessCount: 16, firstSeenTimeMs: time + 3 },
    };
    const values: Record<keyof typeof nodeFields, string> = {
      name: "nodes/x",
      machine_name: "machine",
      ipv4: "v4",
      ipv6: "v6",
      server_port: "9",
      udp_server_port: "1",
      bare_metal_ssh_port: "2",
      nat: "true",
      escape_implementation: "FRP",
      proxy_server: "true",
      unsafe_mode: "true",
      public_key: "key",
      custom_information: "custom",
      machine_username: "user",
      "measurement.latency": "0.00000001s",
      "measurement.jitter": "0.000000011s",
      "measurement.download_megabits_per_second": "17.5",
      "measurement.upload_megabits_per_second": "18.25",
      "measurement.sample_count": "12",
      "measurement.measure_time": "2026-01-01T00:00:00.001Z",
      "measurement.bandwidth_measure_time": "2026-01-01T00:00:00.004Z",
      "specs.hostname": "host",
      "specs.platform": "os",
      "specs.cpu_model": "cpu",
      "specs.memory_mib": "13",
      "specs.disk_mib": "14",
      "specs.gpus.model": "model",
      "specs.gpus.driver_version": "driver",
      "specs.gpus.bios_version": "bios",
      "specs.gpus.fan_speed_percent": "3",
      "specs.gpus.utilization_percent": "4",
      "specs.gpus.memory_utilization_percent": "5",
      "specs.gpus.temperature_celsius": "6",
      "specs.gpus.clock_mhz": "7",
      "specs.gpus.memory_clock_mhz": "8",
      "specs.observe_time": "2026-01-01T00:00:00.002Z",
      "provenance.via_nodes": "nodes/via",
      "provenance.hop_count": "15",
      "provenance.witness_count": "16",
      "provenance.first_seen_time": "2026-01-01T00:00:00.003Z",
      state: "QUARANTINED",
      state_reason: "DEAD_ROWS",
      self: "true",
      observe_time: "2026-01-01T00:00:00Z",
      etag: `'"e"'`,
    };
    const misread = Object.entries(values).filter(
      ([name, value]) => !parseFilter(`${name} = ${value}`, nodeFields)(node),
    );
    expect(misread).toEqual([]);
  });
});

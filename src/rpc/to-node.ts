import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  Node_State,
  NodeSchema,
  SpecsSchema,
  type Node as WireNode,
  type Specs,
} from "../gen/p2prc/client/v1/node_pb.js";
import { bandwidthMeasureTimeMs, type Measurement, type Node, type NodeState } from "../p2p/contract.js";

const stateOf = {
  ACTIVE: Node_State.ACTIVE,
  UNREACHABLE: Node_State.UNREACHABLE,
  UNPROBED: Node_State.UNPROBED,
  QUARANTINED: Node_State.QUARANTINED,
} as const satisfies Record<NodeState, Node_State>;

/** Converts a node to its message. */
export function toNode(node: Node): WireNode {
  const { row, provenance, measurement, specs, observeTimeMs } = node;
  return create(NodeSchema, {
    name: node.name,
    machineName: row.machineName,
    ipv4: row.ipv4,
    ipv6: row.ipv6,
    serverPort: node.address.port,
    udpServerPort: row.udpServerPort,
    bareMetalSshPort: row.bareMetalSshPort,
    nat: row.nat,
    escapeImplementation: row.escapeImplementation,
    proxyServer: row.proxyServer,
    unsafeMode: row.unsafeMode,
    publicKey: row.publicKey,
    customInformation: row.customInformation,
    machineUsername: row.machineUsername,
    ...(measurement === undefined ? {} : { measurement: toMeasurement(measurement) }),
    ...(specs === undefined ? {} : { specs: toSpecs(specs) }),
    provenance: {
      viaNodes: [...provenance.viaNodes],
      hopCount: provenance.hopCount,
      witnessCount: provenance.witnessCount,
      ...time("firstSeenTime", provenance.firstSeenTimeMs),
    },
    state: stateOf[node.state],
    stateReason: node.stateReason,
    self: node.isSelf,
    ...time("observeTime", observeTimeMs),
    etag: node.etag,
  });
}

/** Converts specs to their message. */
export function toSpecs(specs: NonNullable<Node["specs"]>): Specs {
  const { observeTimeMs, gpus, memoryMib, diskMib, ...text } = specs;
  return create(SpecsSchema, {
    ...text,
    memoryMib: BigInt(memoryMib),
    diskMib: BigInt(diskMib),
    gpus: gpus.map((gpu) => ({ ...gpu })),
    observeTime: toTimestamp(observeTimeMs),
  });
}

/** Converts milliseconds, whole or not. */
export const toDuration = (milliseconds: number): Duration =>
  nanosecondsToDuration(Math.round(milliseconds * 1e6));

/** Converts milliseconds since 1970. */
export function toTimestamp(timeMs: number): Timestamp {
  const seconds = Math.floor(timeMs / 1_000);
  return create(TimestampSchema, {
    seconds: BigInt(seconds),
    nanos: Math.round((timeMs - seconds * 1_000) * 1e6),
  });
}

function toMeasurement(measurement: Measurement): MessageInitShape<typeof NodeSchema>["measurement"] {
  const { latencyNs, jitterNs, sampleCount, measureTimeMs, downloadMbps, uploadMbps } = measurement;
  return {
    latency: nanosecondsToDuration(latencyNs),
    ...(jitterNs === undefined ? {} : { jitter: nanosecondsToDuration(jitterNs) }),
    ...(downloadMbps === undefined ? {} : { downloadMegabitsPerSecond: downloadMbps }),
    ...(uploadMbps === undefined ? {} : { uploadMegabitsPerSecond: uploadMbps }),
    sampleCount,
    ...time("measureTime", measureTimeMs),
    ...time("bandwidthMeasureTime", bandwidthMeasureTimeMs(measurement)),
  };
}

function nanosecondsToDuration(nanoseconds: number): Duration {
  const seconds = Math.floor(nanoseconds / 1e9);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: nanoseconds - seconds * 1e9 });
}

/** A field that is left out when its time is not known. */
export function time<K extends string>(field: K, timeMs: number | undefined): Partial<Record<K, Timestamp>> {
  return timeMs === undefined ? {} : ({ [field]: toTimestamp(timeMs) } as Record<K, Timestamp>);
}

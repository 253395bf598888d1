/** The IP table for people, nearest node first. */
import type { Duration } from "@bufbuild/protobuf/wkt";
import { type Node, Node_State, type Specs } from "../gen/p2prc/client/v1/node_pb.js";
import { type Column, printColumns } from "./columns.js";
import { addressOf } from "./crawl-text.js";
import { formatMbps, formatMs, msOf } from "./measures.js";
import { plainText } from "./plain-text.js";
import type { TextSink } from "./surroundings.js";

const nameOfState = {
  [Node_State.UNSPECIFIED]: "",
  [Node_State.ACTIVE]: "active",
  [Node_State.UNREACHABLE]: "unreachable",
  [Node_State.UNPROBED]: "unprobed",
  [Node_State.QUARANTINED]: "quarantined",
} as const satisfies Record<Node_State, string>;

const columns: readonly Column<Node>[] = [
  { head: "NODE", cell: ({ name }) => addressOf(name) },
  // Nodes of before 2023 have no name in tables; they tell their host name.
  { head: "NAME", cell: ({ machineName, specs }) => plainText(machineName || (specs?.hostname ?? "")) },
  { head: "LATENCY", isNumber: true, cell: ({ measurement }) => durationText(measurement?.latency) },
  { head: "JITTER", isNumber: true, cell: ({ measurement }) => durationText(measurement?.jitter) },
  {
    head: "DOWN",
    isNumber: true,
    cell: ({ measurement }) => formatMbps(measurement?.downloadMegabitsPerSecond),
  },
  { head: "UP", isNumber: true, cell: ({ measurement }) => formatMbps(measurement?.uploadMegabitsPerSecond) },
  {
    head: "STATE",
    cell: ({ state }) => (nameOfState as Partial<Record<number, string>>)[state] ?? `state ${state}`,
  },
  { head: "HOP", isNumber: true, cell: ({ provenance }) => String(provenance?.hopCount ?? 0) },
  { head: "PLATFORM", cell: ({ specs }) => plainText(specs?.platform ?? "") },
];

/** Prints one line for each node. Nodes of unknown latency come last. */
export function printNodes(stdout: TextSink, nodes: readonly Node[]): void {
  printColumns(stdout, columns, sortByLatency(nodes));
}

export function sortByLatency(nodes: readonly Node[]): readonly Node[] {
  const latency = ({ measurement }: Node): number => msOf(measurement?.latency) ?? Number.POSITIVE_INFINITY;
  const compare = (a: Node, b: Node): number =>
    latency(a) < latency(b) ? -1 : latency(a) > latency(b) ? 1 : 0;
  return [...nodes].sort((a, b) => compare(a, b) || (a.name < b.name ? -1 : 1));
}

/** Prints a node's hardware and platform, one fact a line. What it does not tell is left out. */
export function printSpecs(stdout: TextSink, specs: Specs): void {
  const facts: readonly (readonly [string, string])[] = [
    ["hostname", specs.hostname],
    ["platform", specs.platform],
    ["cpu", specs.cpuModel],
    ["memory", specs.memoryMib === 0n ? "" : `${specs.memoryMib} MiB`],
    ["disk", specs.diskMib === 0n ? "" : `${specs.diskMib} MiB`],
    ...specs.gpus.map(
      ({ model, driverVersion }) => ["gpu", [model, driverVersion].join(" ").trim()] as const,
    ),
  ];
  for (const [fact, value] of facts) {
    if (value !== "") stdout.write(`  ${fact.padEnd(9)} ${plainText(value)}\n`);
  }
}

const durationText = (duration: Duration | undefined): string =>
  duration === undefined ? "" : formatMs(msOf(duration));

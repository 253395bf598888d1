/** Completes and checks the options. Where two contradict each other, the message names both. */

import { isIPv4 } from "node:net";
import type { DevnetOptions, Shape } from "./contract.js";
import { dialectNames, portBefore2021July, tellsPort, type DialectName } from "./dialects.js";
import { DevnetError } from "./errors.js";
import { faultNames, type FaultName, type FaultPlan } from "./faults.js";

export const shapes: readonly Shape[] = ["random", "chain", "mesh"];

/** Options with every default in place; one fault per faulty node. */
export interface CheckedOptions {
  readonly nodes: number;
  readonly port: number;
  readonly delayMs: number;
  readonly seed: number;
  readonly faults: readonly FaultName[];
  readonly shape: Shape;
  readonly rowsPerTable: number;
  readonly entryNodes: number;
  readonly dialects: readonly DialectName[];
  readonly ledgerPath: string | undefined;
  readonly firstAddress: string;
  readonly ipv6: boolean;
  readonly slowDelayMs: number;
}

/** Every table of a mesh names every node: more would fill the memory. */
const largestMesh = 500;

/** @throws {DevnetError} an option is out of its range, or two do not go together */
export function checkOptions(options: DevnetOptions): CheckedOptions {
  const nodes = whole("nodes", options.nodes, 1, 10_000);
  const port = whole("port", options.port ?? 0, 0, 65_535);
  const shape = options.shape ?? "random";
  if (!shapes.includes(shape)) throw new DevnetError(`shape ${shape}: none of ${shapes.join(", ")}`);
  if (shape === "mesh" && nodes > largestMesh)
    throw new DevnetError(`a mesh has at most ${largestMesh} nodes, not ${nodes}`);
  const faults = listFaults(options.faults ?? {});
  const firstAddress = options.firstAddress ?? "127.0.1.1";
  if (!isIPv4(firstAddress)) throw new DevnetError(`first address ${firstAddress}: not an IPv4 address`);
  return {
    nodes,
    port,
    shape,
    faults,
    firstAddress,
    entryNodes: countEntryNodes(options, nodes - faults.length, shape),
    delayMs: whole("delayMs", options.delayMs ?? 0, 0, 600_000),
    seed: whole("seed", options.seed ?? 1, 0, 2 ** 32 - 1),
    rowsPerTable: whole("rowsPerTable", options.rowsPerTable ?? 6, 2, 4096),
    dialects: chooseDialects(options.dialects, port),
    ledgerPath: options.ledgerPath,
    ipv6: options.ipv6 ?? false,
    slowDelayMs: whole("slowDelayMs", options.slowDelayMs ?? 5_000, 0, 600_000),
  };
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new DevnetError(`${name} ${value}: not a whole number from ${least} to ${most}`);
}

function listFaults(plan: FaultPlan): readonly FaultName[] {
  const unknown = Object.keys(plan).find((name) => !(faultNames as readonly string[]).includes(name));
  if (unknown !== undefined) throw new DevnetError(`fault ${unknown}: none of ${faultNames.join(", ")}`);
  return faultNames.flatMap((name) => {
    const count = whole(`number of nodes with the fault ${name}`, plan[name] ?? 0, 0, 10_000);
    return Array.from({ length: count }, () => name);
  });
}

function countEntryNodes(options: DevnetOptions, healthy: number, shape: Shape): number {
  if (healthy < 1) {
    throw new DevnetError(
      `${options.nodes - healthy} faulty nodes leave no healthy one in a network of ${options.nodes}`,
    );
  }
  if (shape === "chain") return 1;
  const wanted = whole("entryNodes", options.entryNodes ?? Math.min(2, healthy), 1, 10_000);
  if (wanted > healthy)
    throw new DevnetError(`entryNodes ${wanted}: only ${healthy} of ${options.nodes} nodes are healthy`);
  return wanted;
}

function chooseDialects(chosen: readonly DialectName[] | undefined, port: number): readonly DialectName[] {
  // Rows of before 2021-07-22 name no port: on another port than 8088 they would lead nowhere.
  const canSpeak = (name: DialectName): boolean => port === portBefore2021July || tellsPort(name);
  if (chosen === undefined) return dialectNames.filter(canSpeak);
  if (chosen.length === 0) throw new DevnetError("dialects: at least one is needed");
  for (const name of chosen) {
    if (!dialectNames.includes(name))
      throw new DevnetError(`dialect ${name}: none of ${dialectNames.join(", ")}`);
    if (!canSpeak(name)) {
      throw new DevnetError(
        `dialect ${name} has no port in its rows: its nodes can only be on port ${portBefore2021July}`,
      );
    }
  }
  return chosen;
}

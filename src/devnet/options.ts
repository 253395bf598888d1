/** Completes and checks the options. Where two contradict each other, the message names both. */

import { isIPv4 } from "node:net";
import { hostsOfNet, ipv6Host } from "./addresses.js";
import { type CheckedContainerOptions, checkContainerOptions } from "./container-options.js";
import type { DevnetOptions, Shape, SpeedTestFile } from "./contract.js";
import { type DialectName, dialectNames, portBefore2021July, tellsPort, tellsSeat } from "./dialects.js";
import { DevnetError } from "./errors.js";
import { victimCount } from "./poison.js";
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
  readonly ipv6: number;
  readonly sharedAddress: number;
  /** Dealt to the nodes by position, again and again; undefined = as fast as the machine. */
  readonly bandwidthMbps: readonly (number | undefined)[];
  readonly uploadMbps: readonly (number | undefined)[];
  readonly speedTestFile: SpeedTestFile;
  readonly victimHosts: readonly string[];
  readonly victimPort: number | undefined;
  readonly slowDelayMs: number;
  readonly mapDelayMs: number;
  readonly containers: CheckedContainerOptions;
}

export const speedTestFiles: readonly SpeedTestFile[] = ["present", "missing"];

/** More nodes on one address would run out of ports above the devnet's. */
const mostNodesOfOneAddress = 1_000;

/** Every table of a mesh names every node: more would fill the memory. */
const largestMesh = 500;

/** @throws {DevnetError} an option is out of its range, or two do not go together */
export function checkOptions(options: DevnetOptions): CheckedOptions {
  const nodes = whole("nodes", options.nodes, 1, 10_000);
  const port = whole("port", options.port ?? 0, 0, 65_535);
  const shape = oneOf("shape", options.shape ?? "random", shapes);
  if (shape === "mesh" && nodes > largestMesh)
    throw new DevnetError(`a mesh has at most ${largestMesh} nodes, not ${nodes}`);
  const faults = listFaults(options.faults ?? {});
  const firstAddress = options.firstAddress ?? "127.0.1.1";
  if (!isIPv4(firstAddress)) throw new DevnetError(`first address ${firstAddress}: not an IPv4 address`);
  const crowds = checkCrowds(options, nodes, port);
  return {
    nodes,
    port,
    shape,
    faults,
    firstAddress,
    ...crowds,
    entryNodes: countEntryNodes(options, nodes - faults.length, shape),
    delayMs: whole("delayMs", options.delayMs ?? 0, 0, 600_000),
    seed: whole("seed", options.seed ?? 1, 0, 2 ** 32 - 1),
    rowsPerTable: whole("rowsPerTable", options.rowsPerTable ?? 6, 2, 4096),
    dialects: chooseDialects(options.dialects, { port, ...crowds }),
    ledgerPath: options.ledgerPath,
    containers: checkContainerOptions(options.containers ?? {}),
    slowDelayMs: whole("slowDelayMs", options.slowDelayMs ?? 5_000, 0, 600_000),
    mapDelayMs: whole("mapDelayMs", options.mapDelayMs ?? 0, 0, 600_000),
    bandwidthMbps: rates("bandwidthMbps", options.bandwidthMbps),
    uploadMbps: rates("uploadMbps", options.uploadMbps),
    speedTestFile: oneOf("speedTestFile", options.speedTestFile ?? "present", speedTestFiles),
    victimHosts: hostsOfNet(options.victimNet ?? "127.200.0.0/16", victimCount),
    victimPort:
      options.victimPort === undefined ? undefined : whole("victimPort", options.victimPort, 1, 65_535),
  };
}

function oneOf<Name extends string>(what: string, name: Name, names: readonly Name[]): Name {
  if (!names.includes(name)) throw new DevnetError(`${what} ${name}: none of ${names.join(", ")}`);
  return name;
}

function whole(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new DevnetError(`${name} ${value}: not a whole number from ${least} to ${most}`);
}

function rates(name: string, rate: number | readonly number[] | undefined): readonly (number | undefined)[] {
  const list = rate === undefined || typeof rate === "number" ? [rate] : rate;
  if (list.length === 0) throw new DevnetError(`${name}: at least one rate is needed`);
  const wrong = list.find((each) => each !== undefined && !(each >= 0.001 && each <= 100_000));
  if (wrong !== undefined) throw new DevnetError(`${name} ${wrong}: not a number from 0.001 to 100000`);
  return list;
}

/** Nodes that share an address with others. */
type Crowds = Pick<CheckedOptions, "ipv6" | "sharedAddress">;

function checkCrowds(options: DevnetOptions, nodes: number, port: number): Crowds {
  const ipv6 = whole("ipv6", Number(options.ipv6 ?? 0), 0, mostNodesOfOneAddress);
  const sharedAddress = whole("sharedAddress", options.sharedAddress ?? 0, 0, mostNodesOfOneAddress);
  if (sharedAddress > nodes)
    throw new DevnetError(`sharedAddress ${sharedAddress}: there are only ${nodes} nodes`);
  for (const [name, count] of Object.entries({ ipv6, sharedAddress })) {
    if (port + count - 1 > 65_535)
      throw new DevnetError(`${name} ${count}: so many ports do not follow on port ${port}`);
  }
  return { ipv6, sharedAddress };
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

function chooseDialects(
  chosen: readonly DialectName[] | undefined,
  network: Crowds & { readonly port: number },
): readonly DialectName[] {
  // Rows of before 2021-07-22 name no port: on another port than 8088 they would lead nowhere.
  const needsPort = network.port !== portBefore2021July || network.sharedAddress > 1;
  const canSpeak = (name: DialectName): boolean => !needsPort || tellsPort(name);
  if (chosen === undefined) return dialectNames.filter(canSpeak);
  if (chosen.length === 0) throw new DevnetError("dialects: at least one is needed");
  for (const name of chosen) {
    if (!dialectNames.includes(name))
      throw new DevnetError(`dialect ${name}: none of ${dialectNames.join(", ")}`);
    if (!canSpeak(name)) {
      const about = network.port === portBefore2021July ? ", none of which shares its address" : "";
      throw new DevnetError(
        `dialect ${name} has no port in its rows: its nodes can only be on port ${portBefore2021July}${about}`,
      );
    }
  }
  if (
    network.ipv6 > 0 &&
    !chosen.some((name) => tellsSeat(name, { host: ipv6Host, portOffset: network.ipv6 - 1 }))
  )
    throw new DevnetError(`ipv6 ${network.ipv6}: no row of the dialects ${chosen.join(", ")} can name them`);
  return chosen;
}

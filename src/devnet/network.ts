/** Draws the network: names, dialects, faults, hardware and who knows whom. Everything follows from the seed. */

import { at } from "./at.js";
import { devnetHosts, ipv6Host, type Seat } from "./addresses.js";
import type { CheckedOptions } from "./options.js";
import { dialects, tellsSeat, type Dialect, type DialectName, type PeerRecord } from "./dialects.js";
import type { FaultName } from "./faults.js";
import { drawMachine, type Machine } from "./machine.js";
import { createRandom, type Random } from "./random.js";
import { layOut } from "./topology.js";

export interface PlannedNode extends Seat {
  readonly dialectName: DialectName;
  readonly dialect: Dialect;
  readonly fault: FaultName | undefined;
  readonly depth: number;
  /** Reached through an FRP proxy, whose address it gives as its own. */
  readonly isProxied: boolean;
  readonly machine: Machine;
  /** Positions of the nodes in its table, itself not among them. */
  readonly neighbours: readonly number[];
  /** What a table says about it: all but the latency and the port, which depend on who asks and on the system. */
  readonly traits: Traits;
}

type Traits = Omit<PeerRecord, "latencyNs" | "serverPort">;

export function drawNetwork(options: CheckedOptions): readonly PlannedNode[] {
  const random = createRandom(options.seed);
  const faults = drawFaults(options, random);
  const dealt = dealDialects(options, faults, random);
  const topology = layOut(
    {
      shape: options.shape,
      entryNodes: options.entryNodes,
      rowsPerTable: options.rowsPerTable,
      healthy: [...faults.keys()].filter((position) => faults[position] === undefined),
      faulty: [...faults.keys()].filter((position) => faults[position] !== undefined),
    },
    random,
  );
  const nodes = takeSeats(options).map((seat, position) => {
    const [depth, neighbours] = [topology.depths[position] ?? 0, topology.neighbours[position] ?? []];
    const fault = faults[position];
    const place = { ...seat, position, dialectName: at(dealt, position), fault, depth, neighbours };
    return planNode({ ...place, isProxied: position >= options.nodes - options.sharedAddress }, random);
  });
  return withIpv6Nodes(nodes, options.ipv6, random);
}

/** An address for each node; the last ones share the address behind all others. */
function takeSeats({ firstAddress, nodes, sharedAddress }: CheckedOptions): readonly Seat[] {
  const alone = nodes - sharedAddress;
  const hosts = devnetHosts(firstAddress, Math.min(alone + 1, nodes));
  return Array.from({ length: nodes }, (_, position) => ({
    host: at(hosts, Math.min(position, alone)),
    portOffset: Math.max(0, position - alone),
  }));
}

type Place = Omit<PlannedNode, "dialect" | "machine" | "traits"> & { readonly position: number };

function planNode(place: Place, random: Random): PlannedNode {
  const { position, ...node } = place;
  const { isProxied } = place;
  const machine = drawMachine(position, random);
  const drawnNat = random.next() < 0.1;
  // Who found a proxy says that no NAT is in the way. Source: shared protocol notes, "Own entry, merge, dedup, removal".
  const nat = drawnNat && !isProxied;
  return {
    ...node,
    machine,
    dialect: dialects[node.dialectName],
    traits: {
      name: machine.name,
      machineUsername: random.next() < 0.5 ? "user" : "",
      ipv4: node.host === ipv6Host ? "" : node.host,
      ipv6: node.host === ipv6Host ? node.host : "",
      // Measured until 2021-05 and dragged along since: 0 or stale. Source: shared protocol notes, "Speed test and units".
      ...(random.next() < 0.5
        ? { downloadMbps: 738.25, uploadMbps: 1715.5 }
        : { downloadMbps: 0, uploadMbps: 0 }),
      bareMetalSshPort: random.next() < 0.2 ? String(40_000 + random.below(9_000)) : "",
      nat,
      escapeImplementation: escapeOf(drawnNat, isProxied, random),
      isProxy: random.next() < 0.1 && !isProxied,
      isUnsafe: random.next() < 0.1,
      publicKey:
        random.next() < 0.2
          ? `ssh-rsa AAAAB3NzaC1yc2E${random.below(2 ** 32).toString(36)}+devnet/key==\n`
          : "",
      customInformation:
        random.next() < 0.3 ? random.pick(["role=render", "rack=7&row=2", "owner=<lab>"]) : "",
    },
  };
}

function escapeOf(nat: boolean, isProxied: boolean, random: Random): Traits["escapeImplementation"] {
  // Drawn in any case: a node behind a proxy must not change what the nodes after it are like.
  const drawn = nat ? "FRP" : random.pick(["None", ""] as const);
  return isProxied ? "FRP" : drawn;
}

/** Spreads the faults over all nodes but the entry nodes. */
function drawFaults(options: CheckedOptions, random: Random): readonly (FaultName | undefined)[] {
  const faults: (FaultName | undefined)[] = Array.from({ length: options.nodes }, () => undefined);
  const seats = random.shuffled([...faults.keys()].slice(options.entryNodes));
  for (const [index, fault] of options.faults.entries()) faults[at(seats, index)] = fault;
  return faults;
}

/**
 * Deals the dialects by turns: in a network that is large enough each one is spoken.
 *
 * IPv6 nodes need somebody whose rows can name them. Where nobody healthy was dealt such a dialect, the first entry node
 * speaks one.
 */
function dealDialects(
  options: CheckedOptions,
  faults: readonly (FaultName | undefined)[],
  random: Random,
): readonly DialectName[] {
  const byTurns = Array.from({ length: options.nodes }, (_, position) =>
    at(options.dialects, position % options.dialects.length),
  );
  const dealt = random.shuffled(byTurns);
  const lastSeat = { host: ipv6Host, portOffset: options.ipv6 - 1 };
  const isNamed = dealt.some((name, position) => faults[position] === undefined && tellsSeat(name, lastSeat));
  if (options.ipv6 === 0 || isNamed) return dealt;
  const [, ...others] = dealt;
  return [...options.dialects.filter((name) => tellsSeat(name, lastSeat)).slice(0, 1), ...others];
}

/** Adds the nodes on ::1: each is known to one healthy node whose rows can name it, the nearest such nodes by turns. */
function withIpv6Nodes(nodes: readonly PlannedNode[], count: number, random: Random): readonly PlannedNode[] {
  if (count === 0) return nodes;
  const known = nodes.map(({ neighbours }) => [...neighbours]);
  const nearest = [...nodes.entries()]
    .filter(([, { fault }]) => fault === undefined)
    .sort(([, a], [, b]) => a.depth - b.depth);
  const added = Array.from({ length: count }, (_, portOffset) => {
    const seat = { host: ipv6Host, portOffset };
    const namers = nearest.filter(([, { dialectName }]) => tellsSeat(dialectName, seat));
    const [namerPosition, namer] = at(namers, portOffset % namers.length);
    const position = nodes.length + portOffset;
    known[namerPosition]?.push(position);
    const { dialectName, depth } = namer;
    const place = { ...seat, position, dialectName, fault: undefined, depth: depth + 1, isProxied: false };
    return planNode({ ...place, neighbours: [namerPosition] }, random);
  });
  return [...nodes.map((node, position) => ({ ...node, neighbours: at(known, position) })), ...added];
}

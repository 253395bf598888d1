/** Draws the network: names, dialects, faults, hardware and who knows whom. Everything follows from the seed. */

import { at } from "./at.js";
import { ipv6Host, loopbackHosts } from "./addresses.js";
import type { CheckedOptions } from "./options.js";
import { dialects, tellsIpv6, type Dialect, type DialectName, type PeerRecord } from "./dialects.js";
import type { FaultName } from "./faults.js";
import { drawMachine, type Machine } from "./machine.js";
import { createRandom, type Random } from "./random.js";
import { layOut } from "./topology.js";

export interface PlannedNode {
  readonly host: string;
  readonly dialectName: DialectName;
  readonly dialect: Dialect;
  readonly fault: FaultName | undefined;
  readonly depth: number;
  readonly machine: Machine;
  /** Positions of the nodes in its table, itself not among them. */
  readonly neighbours: readonly number[];
  /** What a table says about it: all but the latency and the port, which depend on who asks and on the system. */
  readonly traits: Traits;
}

type Traits = Omit<PeerRecord, "latencyNs" | "serverPort">;

/** @param withIpv6 whether one more node lives on ::1 */
export function drawNetwork(options: CheckedOptions, withIpv6: boolean): readonly PlannedNode[] {
  const random = createRandom(options.seed);
  const faults = drawFaults(options, random);
  const dealt = dealDialects(options, random);
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
  const nodes = loopbackHosts(options.firstAddress, options.nodes).map((host, position) => {
    const [depth, neighbours] = [topology.depths[position] ?? 0, topology.neighbours[position] ?? []];
    const fault = faults[position];
    return planNode({ host, position, dialectName: at(dealt, position), fault, depth, neighbours }, random);
  });
  return withIpv6 ? withIpv6Node(nodes, random) : nodes;
}

type Seat = Pick<PlannedNode, "host" | "dialectName" | "fault" | "depth" | "neighbours"> & {
  readonly position: number;
};

function planNode(seat: Seat, random: Random): PlannedNode {
  const { position, ...node } = seat;
  const machine = drawMachine(position, random);
  const nat = random.next() < 0.1;
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
      escapeImplementation: nat ? "FRP" : random.pick(["None", ""] as const),
      isProxy: random.next() < 0.1,
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

/** Spreads the faults over all nodes but the entry nodes. */
function drawFaults(options: CheckedOptions, random: Random): readonly (FaultName | undefined)[] {
  const faults: (FaultName | undefined)[] = Array.from({ length: options.nodes }, () => undefined);
  const seats = random.shuffled([...faults.keys()].slice(options.entryNodes));
  for (const [index, fault] of options.faults.entries()) faults[at(seats, index)] = fault;
  return faults;
}

/** Deals the dialects by turns: in a network that is large enough each one is spoken. */
function dealDialects(options: CheckedOptions, random: Random): readonly DialectName[] {
  const dealt = Array.from(
    { length: options.nodes },
    (_, position) => options.dialects[position % options.dialects.length],
  );
  return random.shuffled(dealt as DialectName[]);
}

/** Seats one more node, known to the nearest healthy one whose rows have an IPv6 key; without such a one, none. */
function withIpv6Node(nodes: readonly PlannedNode[], random: Random): readonly PlannedNode[] {
  const canName = (node: PlannedNode): boolean => node.fault === undefined && tellsIpv6(node.dialectName);
  const [namer] = nodes.filter(canName).sort((a, b) => a.depth - b.depth);
  if (namer === undefined) return nodes;
  const position = nodes.length;
  const seat = {
    host: ipv6Host,
    position,
    dialectName: namer.dialectName,
    fault: undefined,
    depth: namer.depth + 1,
  };
  const added = planNode({ ...seat, neighbours: [nodes.indexOf(namer)] }, random);
  return [
    ...nodes.map((node) => (node === namer ? { ...node, neighbours: [...node.neighbours, position] } : node)),
    added,
  ];
}

/** A site is a node ready to answer: its address and its answers, built once. */

import { hostPort } from "./addresses.js";
import { at } from "./at.js";
import type { DevnetNode } from "./contract.js";
import { type Dialect, encodeTable, type PeerRecord } from "./dialects.js";
import type { FaultName } from "./faults.js";
import { lyingTable } from "./lies.js";
import { encodeImages, encodeSpecs } from "./machine.js";
import type { PlannedNode } from "./network.js";
import { createRandom, type Random } from "./random.js";
import { jsonReply, type Reply } from "./replies.js";

export interface Site {
  readonly address: string;
  readonly dialect: Dialect;
  readonly fault: FaultName | undefined;
  readonly specs: Reply;
  readonly table: Reply;
  readonly images: Reply;
  /** The table of a liar; empty for everybody else. */
  readonly lies: Buffer;
  /** Where a redirecting node sends its callers. */
  readonly otherNode: string;
}

/** Builds every answer of the network, now that its port is known. */
export function buildSites(nodes: readonly PlannedNode[], port: number, seed: number): readonly Site[] {
  const random = createRandom(seed ^ 0x51_7e);
  // About whom a liar lies: a few are enough, and the first ones are entry nodes.
  const honest = nodes.filter((node) => node.fault === undefined && node.traits.ipv4 !== "").slice(0, 8);
  const otherNode = hostPort(at(nodes, 0).host, port);
  return nodes.map((node) => ({
    address: hostPort(node.host, port),
    dialect: node.dialect,
    fault: node.fault,
    specs: jsonReply(encodeSpecs(node.machine, node.dialect)),
    table: jsonReply(encodeTable(node.dialect, tableOf(node, nodes, port, random))),
    images: jsonReply(encodeImages(node.machine)),
    lies: Buffer.from(node.fault === "lie" ? lyingTable(honest.map(({ host }) => ({ host, port }))) : ""),
    otherNode,
  }));
}

/** What the devnet tells about its nodes. */
export function describeNodes(nodes: readonly PlannedNode[], port: number): readonly DevnetNode[] {
  return nodes.map((node) => ({
    address: hostPort(node.host, port),
    name: node.machine.name,
    dialect: node.dialectName,
    depth: node.depth,
    ...(node.fault === undefined ? {} : { fault: node.fault }),
  }));
}

/**
 * The rows of a node's table: its peers, then itself.
 *
 * A real node merges what it is sent into this; ours does not, so that a crawl finds the same network each time.
 * Source of the own row: shared protocol notes, "Own entry, merge, dedup, removal".
 */
function tableOf(
  node: PlannedNode,
  nodes: readonly PlannedNode[],
  port: number,
  random: Random,
): readonly PeerRecord[] {
  const peers = node.neighbours.map((position) => {
    const latencyNs = 300_000 + random.below(200_000_000);
    return { ...at(nodes, position).traits, serverPort: port, latencyNs };
  });
  if (node.dialect.listsItself === false) return peers;
  const escapeImplementation = node.traits.nat ? "FRP" : "None";
  const self: PeerRecord = { ...node.traits, serverPort: port, latencyNs: 0, escapeImplementation };
  return [...peers, node.dialect.isTestMode === true ? { ...self, ipv4: "0.0.0.0" } : self];
}

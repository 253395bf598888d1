/**
 * Rows about nodes that are there and healthy, each with something false in it.
 *
 * Well-formed in the liar's own dialect: nothing but a look at the node itself gives them away. Coarser slander is in
 * `lies.ts`.
 */

import { at } from "./at.js";
import { type PeerRecord, tellsSeat } from "./dialects.js";
import type { PlannedNode } from "./network.js";

/** Enough for any reader's rules; three rows each stay below the 4,096 that a reader may be expected to take. */
const mostNodes = 1_000;

const intruderKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIintruder slanderer\n";

/** Lies about healthy nodes no further away than the next level: what the devnet declares as depths stays true. */
export function slanderousRows(
  liar: PlannedNode,
  nodes: readonly PlannedNode[],
  port: number,
): readonly PeerRecord[] {
  const slandered = nodes
    .filter((node) => node.fault === undefined && node.depth <= liar.depth + 1)
    .filter((node) => tellsSeat(liar.dialectName, node))
    .slice(0, mostNodes);
  return slandered.flatMap((node, position) => {
    const other = at(slandered, (position + 1) % slandered.length);
    const truth: PeerRecord = { ...node.traits, serverPort: port + node.portOffset, latencyNs: 40_000_000 };
    return [praise(truth), namesake(truth, other, port), outcast(truth, other)];
  });
}

/** Its address, with measurements too good to pass by, and a key that would let a stranger in. */
const praise = (truth: PeerRecord): PeerRecord => ({
  ...truth,
  latencyNs: 1,
  downloadMbps: 100_000,
  uploadMbps: 100_000,
  isUnsafe: true,
  machineUsername: "root",
  publicKey: intruderKey,
});

/** Its name and key, at the address of another node. */
const namesake = (truth: PeerRecord, other: PlannedNode, port: number): PeerRecord => ({
  ...truth,
  ipv4: other.traits.ipv4,
  ipv6: other.traits.ipv6,
  serverPort: port + other.portOffset,
});

/**
 * Its address, under another's name, as slow and out of reach.
 *
 * Original clients drop rows with NAT and escape "None". Source: shared protocol notes, "Own entry, merge, dedup, removal".
 */
const outcast = (truth: PeerRecord, other: PlannedNode): PeerRecord => ({
  ...truth,
  name: other.traits.name,
  latencyNs: 1_900_000_000,
  downloadMbps: 0.001,
  uploadMbps: 0.001,
  nat: true,
  escapeImplementation: "None",
  customInformation: "role=slandered",
});

/** Which table a node gives whose fault is its table. */

import { encodeTable } from "./dialects.js";
import { hasFalseTable, type TableFaultName } from "./faults.js";
import { lyingTable } from "./lies.js";
import type { PlannedNode } from "./network.js";
import type { CheckedOptions } from "./options.js";
import { tableOfAMillionRows, tableOfManyRows, tableOfVictims } from "./poison.js";
import { slanderousRows } from "./slander.js";

const nothing = Buffer.alloc(0);

/** @returns the false table of a node; empty for a node without such a fault */
export function createFalseTables(
  nodes: readonly PlannedNode[],
  port: number,
  options: CheckedOptions,
): (node: PlannedNode) => Buffer {
  const { victimHosts, victimPort = port } = options;
  // About whom a liar lies: a few are enough, and the first ones are entry nodes.
  const honest = nodes
    .filter((node) => node.fault === undefined && node.traits.ipv4 !== "")
    .slice(0, 8)
    .map(({ host, portOffset }) => ({ host, port: port + portOffset }));
  // Built when first needed, and once where all nodes with the fault give the same: some are megabytes.
  const builders: Record<TableFaultName, (node: PlannedNode) => Buffer> = {
    lie: once(() => lyingTable(honest)),
    "many-rows": once(tableOfManyRows),
    "million-rows": once(tableOfAMillionRows),
    victims: once(() => tableOfVictims(victimHosts, victimPort)),
    slander: (node) => Buffer.from(encodeTable(node.dialect, slanderousRows(node, nodes, port))),
  };
  return (node) => (hasFalseTable(node.fault) ? builders[node.fault](node) : nothing);
}

function once(build: () => string): () => Buffer {
  let built: Buffer | undefined;
  return () => (built ??= Buffer.from(build()));
}

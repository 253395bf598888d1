import { describe, expect, it } from "@jest/globals";
import type { DevnetOptions, Shape } from "../../src/devnet/contract.js";
import { loopbackHosts } from "../../src/devnet/addresses.js";
import { tellsPort } from "../../src/devnet/dialects.js";
import { everyFault, faultNames } from "../../src/devnet/faults.js";
import { drawNetwork, type PlannedNode } from "../../src/devnet/network.js";
import { checkOptions } from "../../src/devnet/options.js";
import { buildSites } from "../../src/devnet/sites.js";

const draw = (options: DevnetOptions, withIpv6 = false): readonly PlannedNode[] =>
  drawNetwork(checkOptions(options), withIpv6);

/** Walks the tables of healthy nodes from the entry nodes. @returns look-ups needed, by position */
function walk(nodes: readonly PlannedNode[], entryNodes: number): Map<number, number> {
  const depths = new Map([...nodes.keys()].slice(0, entryNodes).map((position) => [position, 0]));
  for (const [position, depth] of depths) {
    if (nodes[position]!.fault !== undefined) continue;
    for (const next of nodes[position]!.neighbours) if (!depths.has(next)) depths.set(next, depth + 1);
  }
  return depths;
}

describe("the devnet's network", () => {
  it.each<[Shape, number]>([
    ["random", 2],
    ["chain", 1],
    ["mesh", 2],
  ])("of shape %s leads to every node, faulty ones too, at the depth it declares", (shape, entryNodes) => {
    const nodes = draw({ nodes: 120, shape, seed: 3, faults: everyFault });
    const found = walk(nodes, entryNodes);
    expect([...nodes.keys()].map((position) => found.get(position))).toEqual(nodes.map((node) => node.depth));
  });

  it("needs several hops by default", () => {
    expect(Math.max(...draw({ nodes: 40 }).map((node) => node.depth))).toBe(3);
  });

  it("is one hop per node in a chain", () => {
    expect(draw({ nodes: 11, shape: "chain" }).map((node) => node.depth)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
  });

  it("gives tables as many rows as asked for, the own one included", () => {
    const rows = draw({ nodes: 1000, rowsPerTable: 20 }).map((node) => node.neighbours.length + 1);
    expect(new Set(rows)).toEqual(new Set([20]));
  });

  it("names nobody twice in a table, and never the node itself among its peers", () => {
    for (const [position, node] of draw({ nodes: 200, faults: { hang: 20 } }).entries()) {
      expect(new Set(node.neighbours).size).toBe(node.neighbours.length);
      expect(node.neighbours).not.toContain(position);
    }
  });

  it("is the same for the same seed, answers included, and another one for another seed", () => {
    const bodies = (seed: number): string[] =>
      buildSites(draw({ nodes: 60, seed, faults: everyFault }), 9000, seed).map(
        (site) => `${site.specs.body.toString()}${site.table.body.toString()}`,
      );
    expect(bodies(7)).toEqual(bodies(7));
    expect(bodies(7)).not.toEqual(bodies(8));
  });

  it("has exactly the faults that were asked for, and none at an entry node", () => {
    const nodes = draw({ nodes: 60, faults: { ...everyFault, refuse: 4 }, entryNodes: 3 });
    const faults = nodes.flatMap((node) => node.fault ?? []);
    expect(faults.sort()).toEqual([...faultNames, "refuse", "refuse", "refuse"].sort());
    expect(nodes.slice(0, 3).every((node) => node.fault === undefined)).toBe(true);
  });

  it("speaks every dialect on port 8088, and on another port those whose rows name a port", () => {
    const spoken = (port: number): Set<string> =>
      new Set(draw({ nodes: 40, port }).map((node) => node.dialectName));
    expect(spoken(8088).size).toBe(15);
    expect([...spoken(0)].sort()).toEqual(
      [...spoken(8088)].filter((name) => tellsPort(name as "2021-06")).sort(),
    );
  });

  it("has a healthy neighbour that names the node on ::1", () => {
    const nodes = draw({ nodes: 10 }, true);
    const added = nodes.findIndex((node) => node.host === "::1");
    expect(added).toBe(10);
    expect(walk(nodes, 2).get(added)).toBe(nodes[added]!.depth);
  });

  it("counts addresses upward and leaves out those ending in .0 and .255", () => {
    const hosts = loopbackHosts("127.0.1.253", 4);
    expect(hosts).toEqual(["127.0.1.253", "127.0.1.254", "127.0.2.1", "127.0.2.2"]);
    expect(() => loopbackHosts("127.255.255.254", 2)).toThrow("do not fit");
    expect(() => loopbackHosts("10.0.0.1", 1)).toThrow("not an IPv4 address of loopback");
  });
});

import { describe, expect, it } from "@jest/globals";
import type { DevnetOptions, Shape } from "../../src/devnet/contract.js";
import { devnetHosts, hostsOfNet, loopbackHosts, netOf } from "../../src/devnet/addresses.js";
import { tellsIpv6, tellsPort } from "../../src/devnet/dialects.js";
import { everyFault, faultNames } from "../../src/devnet/faults.js";
import { drawNetwork, type PlannedNode } from "../../src/devnet/network.js";
import { checkOptions } from "../../src/devnet/options.js";
import { buildSites, type Site } from "../../src/devnet/sites.js";

const draw = (options: DevnetOptions): readonly PlannedNode[] => drawNetwork(checkOptions(options));

const sitesOf = (options: DevnetOptions): readonly Site[] =>
  buildSites(draw(options), 9000, { options: checkOptions(options), nowMs: () => 0, shared: undefined });

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
      sitesOf({ nodes: 120, seed, faults: everyFault }).map(
        (site) => `${site.specs.body.toString()}${site.table.body.toString()}`,
      );
    expect(bodies(7)).toEqual(bodies(7));
    expect(bodies(7)).not.toEqual(bodies(8));
  });

  it("has exactly the faults that were asked for, and none at an entry node", () => {
    const nodes = draw({ nodes: 120, faults: { ...everyFault, refuse: 4 }, entryNodes: 3 });
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
    const nodes = draw({ nodes: 10, ipv6: true });
    const added = nodes.findIndex((node) => node.host === "::1");
    expect(added).toBe(10);
    expect(walk(nodes, 2).get(added)).toBe(nodes[added]!.depth);
  });

  it("spreads several nodes on ::1 over the nearest tables that can name them, each with a port of its own", () => {
    const nodes = draw({ nodes: 30, port: 8088, ipv6: 5 });
    const added = nodes.slice(30);
    expect(added.map(({ host, portOffset }) => [host, portOffset])).toEqual(
      [0, 1, 2, 3, 4].map((offset) => ["::1", offset]),
    );
    for (const [count, { depth, traits }] of added.entries()) {
      const namers = nodes.filter(({ neighbours }) => neighbours.includes(30 + count));
      expect(namers.map((namer) => [tellsIpv6(namer.dialectName), namer.depth + 1])).toEqual([[true, depth]]);
      expect(count === 0 || tellsPort(namers[0]!.dialectName)).toBe(true);
      expect(traits).toMatchObject({ ipv4: "", ipv6: "::1" });
    }
  });

  it("lets an entry node speak a dialect that can name the nodes on ::1 where nobody else does", () => {
    for (let seed = 0; seed < 20; seed++) {
      const [entry, added] = draw({ nodes: 1, port: 8088, seed, ipv6: 1 });
      expect(tellsIpv6(entry!.dialectName)).toBe(true);
      expect(added!.host).toBe("::1");
    }
  });

  it("seats its last nodes on one address behind a proxy, each with a port of its own", () => {
    const nodes = draw({ nodes: 20, sharedAddress: 4, faults: { refuse: 6 } });
    expect(nodes.slice(14).map(({ host, portOffset }) => [host, portOffset])).toEqual([
      ["127.0.1.15", 0],
      ["127.0.1.16", 0],
      ["127.0.1.17", 0],
      ["127.0.1.17", 1],
      ["127.0.1.17", 2],
      ["127.0.1.17", 3],
    ]);
    for (const { traits } of nodes.slice(16))
      expect(traits).toMatchObject({ nat: false, escapeImplementation: "FRP", isProxy: false });
    expect(
      new Set(draw({ nodes: 40, port: 8088, sharedAddress: 2 }).map((node) => node.dialectName)).size,
    ).toBe(12);
  });

  it("is the same network but for the addresses when some nodes share one", () => {
    const known = (options: Partial<DevnetOptions>): unknown =>
      draw({ nodes: 40, faults: { hang: 4 }, ...options }).map(
        ({ machine, dialectName, fault, neighbours }) => [machine, dialectName, fault, neighbours],
      );
    expect(known({ sharedAddress: 5 })).toEqual(known({}));
  });

  it("takes victims from a net of loopback that is large enough", () => {
    expect(hostsOfNet("127.200.3.4/30", 2)).toEqual(["127.200.3.4", "127.200.3.5"]);
    expect(() => hostsOfNet("127.200.0.0/24", 255)).toThrow("net 127.200.0.0/24: fewer than 255 hosts");
    expect(() => hostsOfNet("10.0.0.0/8", 1)).toThrow("not an IPv4 address of loopback");
    for (const net of ["127.0.0.0", "127.0.0.0/33", "localhost/8", "::1/128"])
      expect(() => hostsOfNet(net, 1)).toThrow(`net ${net}: not of the form 127.200.0.0/16`);
  });

  it("counts addresses upward and leaves out those ending in .0 and .255", () => {
    const hosts = loopbackHosts("127.0.1.253", 4);
    expect(hosts).toEqual(["127.0.1.253", "127.0.1.254", "127.0.2.1", "127.0.2.2"]);
    expect(() => loopbackHosts("127.255.255.254", 2)).toThrow("do not fit");
    expect(() => loopbackHosts("10.0.0.1", 1)).toThrow("not an IPv4 address of loopback");
  });

  it("may live on private addresses, as networks of containers have them, and never on public ones", () => {
    expect(devnetHosts("127.0.1.1", 1)).toEqual(["127.0.1.1"]);
    expect(devnetHosts("10.1.2.254", 2)).toEqual(["10.1.2.254", "10.1.3.1"]);
    expect(devnetHosts("172.31.255.254", 1)).toEqual(["172.31.255.254"]);
    expect(() => devnetHosts("172.31.255.254", 2)).toThrow("do not fit");
    expect(devnetHosts("192.168.0.9", 1)).toEqual(["192.168.0.9"]);
    for (const address of ["0.0.0.0", "9.255.255.255", "11.0.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1"])
      expect(() => devnetHosts(address, 1)).toThrow("not an IPv4 address of loopback or private");
    expect(["127.0.1.1:8088", "10.1.2.3:8088", "172.20.0.5:1"].map(netOf)).toEqual([
      "127.0.0.0/8",
      "10.0.0.0/8",
      "172.16.0.0/12",
    ]);
  });
});

import { describe, expect, it } from "@jest/globals";
import type { DevnetOptions } from "../../src/devnet/contract.js";
import type { FaultName } from "../../src/devnet/faults.js";
import { drawNetwork } from "../../src/devnet/network.js";
import { checkOptions } from "../../src/devnet/options.js";
import { buildSites, describeNodes, type Site } from "../../src/devnet/sites.js";

type Row = Record<string, unknown>;

function sitesOf(options: DevnetOptions): readonly Site[] {
  const checked = checkOptions(options);
  return buildSites(drawNetwork(checked), 9000, { options: checked, nowMs: () => 0, shared: undefined });
}

/** The table that a node with the fault gives, in a network of 12. */
function poisonOf(fault: FaultName, options: Partial<DevnetOptions> = {}): { body: Buffer; rows: Row[] } {
  const sites = sitesOf({ nodes: 12, faults: { [fault]: 1 }, ...options });
  const body = sites.find((site) => site.fault === fault)!.falseTable;
  return { body, rows: (JSON.parse(body.toString()) as { ip_address: Row[] }).ip_address };
}

describe("a table of poison", () => {
  it("has as many rows of distinct private addresses as fit below 4 MiB, with many-rows", () => {
    const { body, rows } = poisonOf("many-rows");
    expect(body.length).toBeLessThan(4 * 2 ** 20);
    expect(body.length).toBeGreaterThan(4 * 2 ** 20 - 50);
    expect(rows.length).toBeGreaterThan(90_000);
    expect(new Set(rows.map((row) => row["IPV4"])).size).toBe(rows.length);
    expect(rows.every((row) => String(row["IPV4"]).startsWith("10."))).toBe(true);
  });

  it("has a million rows below 4 MiB, with million-rows", () => {
    const { body, rows } = poisonOf("million-rows");
    expect(rows).toHaveLength(1_000_000);
    expect(body.length).toBeLessThan(4 * 2 ** 20);
  });

  it("names 4,096 distinct victims on the devnet's port, or on the one that was asked for", () => {
    const { rows } = poisonOf("victims");
    expect(new Set(rows.map((row) => row["IPV4"])).size).toBe(4_096);
    expect(rows.every((row) => String(row["IPV4"]).startsWith("127.200."))).toBe(true);
    expect(new Set(rows.map((row) => row["ServerPort"]))).toEqual(new Set(["9000"]));

    const elsewhere = poisonOf("victims", { victimNet: "127.77.32.0/19", victimPort: 4321 });
    expect(elsewhere.rows[0]).toEqual({ IPV4: "127.77.32.1", ServerPort: "4321" });
  });

  it("is built once, whoever gives it", () => {
    const sites = sitesOf({ nodes: 12, faults: { "million-rows": 2 } });
    const [one, other] = sites.filter((site) => site.fault !== undefined);
    expect(one!.falseTable).toBe(other!.falseTable);
  });
});

describe("a table of slander", () => {
  const options: DevnetOptions = { nodes: 12, faults: { slander: 1 }, shape: "mesh", dialects: ["2025-04"] };
  const nodes = describeNodes(drawNetwork(checkOptions(options)), 9000);
  const healthy = nodes.filter(({ fault }) => fault === undefined);
  const { rows } = poisonOf("slander", options);
  const addressIn = (row: Row): string => `${String(row["IPV4"])}:${String(row["ServerPort"])}`;

  it("names only nodes that are there and healthy, three times each", () => {
    expect(rows).toHaveLength(3 * healthy.length);
    expect(new Set(rows.map(addressIn))).toEqual(new Set(healthy.map(({ address }) => address)));
  });

  it("says of each a wrong name, a stranger's key, false measurements, and another's address", () => {
    for (const { address, name } of healthy) {
      const about = rows.filter((row) => addressIn(row) === address);
      expect(about.filter((row) => row["Name"] !== name)).toHaveLength(2);
      expect(about.map((row) => row["Latency"])).toEqual(expect.arrayContaining([1, 1_900_000_000]));
      expect(about.some((row) => String(row["PublicKey"]).includes("intruder"))).toBe(true);
      expect(rows.filter((row) => row["Name"] === name && addressIn(row) !== address).length).toBeGreaterThan(
        0,
      );
    }
  });

  it("is spelled in the liar's dialect", () => {
    const [row] = poisonOf("slander", { ...options, dialects: ["2021-07"] }).rows;
    expect(Object.keys(row!)).toEqual(["ipv4", "ipv6", "latency", "download", "upload", "serverport"]);
  });

  it("names nobody further away than the next level, so that declared depths stay true", () => {
    const chain: DevnetOptions = { nodes: 12, faults: { slander: 1 }, shape: "chain" };
    const told = describeNodes(drawNetwork(checkOptions(chain)), 9000);
    const liar = told.find(({ fault }) => fault === "slander")!;
    const depths = poisonOf("slander", chain).rows.map((row) => {
      const host = String(row["IPV4"] ?? row["ipv4"]);
      return told.find(({ address }) => address === `${host}:9000`)!.depth;
    });
    expect(Math.max(...depths)).toBeLessThanOrEqual(liar.depth + 1);
  });
});

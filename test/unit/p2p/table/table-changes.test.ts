import { describe, expect, it } from "@jest/globals";
import { P2pError } from "../../../../src/p2p/errors.js";
import { tableLimits } from "../../../../src/p2p/limits.js";
import { etagOf, keyOf, type NodeRecord } from "../../../../src/p2p/node-record.js";
import {
  addRecord,
  applyCrawl,
  type CrawlFindings,
  discoveredRecord,
  removeRecord,
} from "../../../../src/p2p/table/table-changes.js";
import { aRecord, anAddress, aRow, tableOf } from "../../../support/peers.js";

const node = (n: number, overrides: Partial<NodeRecord> = {}): NodeRecord =>
  aRecord({ address: anAddress(n), ...overrides });
const keyed = (n: number): string => keyOf(node(n));

function someFindings(overrides: Partial<CrawlFindings> = {}): CrawlFindings {
  return {
    answered: new Map(),
    toldTheirRow: new Set(),
    silent: new Set(),
    blocked: new Set(),
    startedFrom: new Set(),
    isOwn: () => false,
    ...overrides,
  };
}

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof P2pError) return error.reason;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("what a crawl does to the table", () => {
  const somebody = tableOf(node(99, { state: "ACTIVE" }));

  it("brings in nodes that answered, and only them", () => {
    const nodes = tableOf(node(1));
    const answered = tableOf(node(1, { state: "ACTIVE" }), node(2, { state: "ACTIVE" }));
    expect(applyCrawl(nodes, someFindings({ answered, silent: new Set([keyed(3)]) }))).toEqual({
      addedCount: 1,
      removedCount: 0,
    });
    expect([...nodes.keys()]).toEqual([keyed(1), keyed(2)]);
    expect(nodes.get(keyed(1))!.state).toBe("ACTIVE");
  });

  it("takes out a node that was silent in three crawls in a row, and not before", () => {
    const nodes = tableOf(node(1, { state: "ACTIVE" }));
    const findings = someFindings({ answered: somebody, silent: new Set([keyed(1)]) });
    expect(applyCrawl(nodes, findings).removedCount).toBe(0);
    expect(nodes.get(keyed(1))).toMatchObject({ state: "UNREACHABLE", silentCrawlCount: 1 });
    expect(applyCrawl(nodes, findings).removedCount).toBe(0);
    expect(applyCrawl(nodes, findings).removedCount).toBe(1);
    expect(nodes.has(keyed(1))).toBe(false);
  });

  it("begins to count anew once a node has answered", () => {
    const nodes = tableOf(node(1, { silentCrawlCount: 2 }));
    applyCrawl(nodes, someFindings({ answered: tableOf(node(1, { state: "ACTIVE", silentCrawlCount: 0 })) }));
    applyCrawl(nodes, someFindings({ answered: somebody, silent: new Set([keyed(1)]) }));
    expect(nodes.get(keyed(1))!.silentCrawlCount).toBe(1);
  });

  it("removes nothing when nobody answered, however often", () => {
    const nodes = tableOf(node(1, { silentCrawlCount: 2 }), node(2));
    const findings = someFindings({ silent: new Set([keyed(1), keyed(2)]) });
    for (let crawl = 0; crawl < 5; crawl += 1) expect(applyCrawl(nodes, findings).removedCount).toBe(0);
    expect([...nodes.values()].map((record) => [record.state, record.silentCrawlCount])).toEqual([
      ["UNREACHABLE", 2],
      ["UNREACHABLE", 0],
    ]);
  });

  it("counts no silence for a node that was not asked", () => {
    const nodes = tableOf(node(1, { silentCrawlCount: 2 }));
    applyCrawl(nodes, someFindings({ answered: somebody, blocked: new Set([keyed(1)]) }));
    expect(nodes.get(keyed(1))).toMatchObject({ state: "UNREACHABLE", silentCrawlCount: 2 });
  });

  it("takes out our own node by address and by name", () => {
    const nodes = tableOf(
      node(1),
      node(2, { row: aRow({ address: anAddress(2), machineName: "me" }) }),
      node(3),
    );
    const isOwn = (record: NodeRecord): boolean =>
      keyOf(record) === keyed(1) || record.row.machineName === "me";
    expect(applyCrawl(nodes, someFindings({ isOwn })).removedCount).toBe(2);
    expect([...nodes.keys()]).toEqual([keyed(3)]);
  });

  it("keeps whose word a row is", () => {
    const nodes = tableOf(node(1, { origin: "operator" }));
    applyCrawl(nodes, someFindings({ answered: tableOf(node(1, { origin: "peer", state: "ACTIVE" })) }));
    expect(nodes.get(keyed(1))!.origin).toBe("operator");
  });

  it("keeps what somebody wrote into a row meanwhile, unless the node itself told its row", () => {
    const edited = (): Map<string, NodeRecord> =>
      tableOf(node(1, { row: aRow({ address: anAddress(1), machineName: "edited" }) }));
    const answered = tableOf(node(1, { row: aRow({ address: anAddress(1), machineName: "crawled" }) }));
    const kept = edited();
    applyCrawl(kept, someFindings({ answered }));
    expect(kept.get(keyed(1))!.row.machineName).toBe("edited");
    const told = edited();
    applyCrawl(told, someFindings({ answered, toldTheirRow: new Set([keyed(1)]) }));
    expect(told.get(keyed(1))!.row.machineName).toBe("crawled");
  });

  it("leaves out a node that somebody took out while the crawl ran, though it answered", () => {
    const nodes = tableOf(node(1));
    const answered = tableOf(...[1, 2, 3].map((n) => node(n, { state: "ACTIVE" })));
    const startedFrom = new Set([keyed(1), keyed(2)]);
    expect(applyCrawl(nodes, someFindings({ answered, startedFrom })).addedCount).toBe(1);
    expect([...nodes.keys()]).toEqual([keyed(1), keyed(3)]);
  });

  it("keeps a direction of the bandwidth that another crawl measured later", () => {
    const latency = { latencyNs: 5, sampleCount: 3 };
    const known = {
      ...latency,
      downloadMbps: 9,
      downloadMeasureTimeMs: 200,
      uploadMbps: 9,
      uploadMeasureTimeMs: 1,
    };
    const found = {
      ...latency,
      downloadMbps: 7,
      downloadMeasureTimeMs: 100,
      uploadMbps: 8,
      uploadMeasureTimeMs: 100,
    };
    const nodes = tableOf(node(1, { measurement: known }));
    applyCrawl(
      nodes,
      someFindings({ answered: tableOf(node(1, { measurement: { ...found, latencyNs: 6 } })) }),
    );
    expect(nodes.get(keyed(1))!.measurement).toEqual({
      ...found,
      latencyNs: 6,
      downloadMbps: 9,
      downloadMeasureTimeMs: 200,
    });
  });

  it("takes in nobody new when the table is full", () => {
    const nodes = tableOf(...Array.from({ length: tableLimits.maxNodes }, (_, n) => node(n)));
    const answered = tableOf(node(5, { state: "ACTIVE" }), node(30_000, { state: "ACTIVE" }));
    expect(applyCrawl(nodes, someFindings({ answered })).addedCount).toBe(0);
    expect(nodes.size).toBe(tableLimits.maxNodes);
    expect(nodes.get(keyed(5))!.state).toBe("ACTIVE");
  });
});

describe("a node that a stranger named", () => {
  it("has no measurement of the stranger's", () => {
    const row = aRow({ latencyNs: 5, downloadMbps: 6, uploadMbps: 7, machineName: "n" });
    const record = discoveredRecord(row, "nodes/45.0.0.9:8088", 2, 1_000);
    expect(record).toMatchObject({
      origin: "peer",
      state: "UNPROBED",
      row: { latencyNs: 0, downloadMbps: 0, uploadMbps: 0 },
    });
    expect(record).not.toHaveProperty("measurement");
    expect(record.provenance).toEqual({
      viaNodes: ["nodes/45.0.0.9:8088"],
      hopCount: 2,
      witnessCount: 0,
      firstSeenTimeMs: 1_000,
    });
  });
});

describe("a node that is added", () => {
  it("comes in", () => {
    const nodes = tableOf(node(1));
    addRecord(nodes, node(2), false);
    expect(nodes.size).toBe(2);
  });

  it("stays as it was if it is known, save that an operator's word counts", () => {
    const known = node(1, { state: "ACTIVE", silentCrawlCount: 2 });
    const nodes = tableOf(known);
    expect(addRecord(nodes, node(1), false)).toEqual(known);
    expect(addRecord(nodes, node(1, { origin: "operator" }), false)).toEqual({
      ...known,
      origin: "operator",
    });
    expect(addRecord(nodes, node(1), false).origin).toBe("operator");
  });

  it("takes every other one out if asked so", () => {
    const nodes = tableOf(node(1), node(2, { state: "ACTIVE" }), node(3));
    addRecord(nodes, node(2), true);
    expect([...nodes.values()]).toEqual([node(2, { state: "ACTIVE" })]);
  });

  it("is refused by a full table, unless it is known or replaces all", () => {
    const full = (): Map<string, NodeRecord> =>
      tableOf(...Array.from({ length: tableLimits.maxNodes }, (_, n) => node(n)));
    expect(reasonOf(() => addRecord(full(), node(30_000), false))).toBe("IP_TABLE_FULL");
    expect(() => addRecord(full(), node(7), false)).not.toThrow();
    expect(() => addRecord(full(), node(30_000), true)).not.toThrow();
  });
});

describe("a node that is removed", () => {
  it("goes if it is as the caller saw it", () => {
    const nodes = tableOf(node(1), node(2));
    removeRecord(nodes, "nodes/45.0.0.1:8088", etagOf(node(1)));
    removeRecord(nodes, "45.0.0.2", "");
    expect(nodes.size).toBe(0);
  });

  it("stays if it has changed since", () => {
    const nodes = tableOf(node(1, { state: "ACTIVE" }));
    expect(reasonOf(() => removeRecord(nodes, "45.0.0.1", etagOf(node(1))))).toBe("ETAG_MISMATCH");
    expect(nodes.size).toBe(1);
  });

  it("must be there", () => {
    expect(reasonOf(() => removeRecord(tableOf(), "45.0.0.1", ""))).toBe("NODE_NOT_FOUND");
  });
});

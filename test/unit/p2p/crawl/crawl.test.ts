import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { CrawlEvent } from "../../../../src/p2p/contract.js";
import { P2pError } from "../../../../src/p2p/errors.js";
import { crawlLimits } from "../../../../src/p2p/limits.js";
import { addressKey } from "../../../../src/peer-api/address.js";
import type { PeerAddress, PeerRow } from "../../../../src/peer-api/contract.js";
import { PeerError } from "../../../../src/peer-api/errors.js";
import { bodies, checkStream, CrawlBench } from "../../../support/crawl-bench.js";
import { settle } from "../../../support/fake-clock.js";
import type { FakeNode } from "../../../support/fake-network.js";
import { aRecord, anAddress, aRow } from "../../../support/peers.js";

/** Node `n`, on a port that is not our own. */
const at = (n: number, port = 9000): PeerAddress => anAddress(n, port);
const row = (n: number): PeerRow => aRow({ address: at(n) });
const key = (n: number): string => addressKey(at(n));
const name = (n: number): string => `nodes/${key(n)}`;

/** Nodes 0, 1, 2, ..., each of which knows the next. */
function chain(bench: CrawlBench, length: number, overrides: Record<number, FakeNode> = {}): void {
  for (let n = 0; n < length; n += 1) {
    bench.network.add(at(n), { rows: n + 1 < length ? [row(n + 1)] : [], ...overrides[n] });
  }
  bench.know(row(0));
}
const summaryOf = (events: readonly CrawlEvent[]) => bodies(events, "completed")[0]!.summary;
const promiseOfText = (): {
  promise: Promise<string>;
  resolve: (text: string) => void;
  reject: (error: Error) => void;
} => {
  let resolve: (text: string) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

describe("the stream of a crawl", () => {
  it("tells of every hop, node and table, and ends with a summary", async () => {
    const bench = new CrawlBench();
    chain(bench, 3);
    bench.know(row(50));
    const events = await bench.crawl();
    expect(events.map(({ body }) => body.kind).filter((kind) => kind !== "ownAddressFound")).toEqual([
      "started",
      "hopStarted",
      "nodeFailed",
      "nodeProbed",
      "hopStarted",
      "hopCompleted",
      "tableFetched",
      "nodeDiscovered",
      "nodeProbed",
      "hopStarted",
      "hopCompleted",
      "tableFetched",
      "nodeDiscovered",
      "nodeProbed",
      "hopStarted",
      "hopCompleted",
      "tableFetched",
      "hopCompleted",
      "completed",
    ]);
    expect(
      bodies(events, "hopCompleted").map(({ newCount, failedCount }) => [newCount, failedCount]),
    ).toEqual([
      [0, 1],
      [1, 0],
      [1, 0],
      [0, 0],
    ]);
    expect(summaryOf(events)).toMatchObject({
      activeCount: 3,
      addedCount: 2,
      removedCount: 0,
      unreachable: [name(50)],
      endReason: "FINISHED",
    });
  });

  it("of an empty table is short and whole", async () => {
    const events = await new CrawlBench().crawl();
    expect(events.map(({ body }) => body.kind)).toEqual([
      "started",
      "hopStarted",
      "ownAddressFound",
      "hopCompleted",
      "completed",
    ]);
  });

  it("carries a heartbeat after ten seconds without an event, and another after ten more", async () => {
    const bench = new CrawlBench();
    bench.network.add(at(0), { probe: { hangs: true } });
    bench.know(row(0));
    const reading = bench.read({ nodeTimeoutMs: 25_000 });
    await bench.clock.advance(9_999);
    expect(bodies(reading.events, "heartbeat")).toHaveLength(0);
    await bench.clock.advance(1);
    expect(bodies(reading.events, "heartbeat")).toHaveLength(1);
    await bench.clock.advance(10_000);
    expect(bodies(reading.events, "heartbeat")).toHaveLength(2);
    await bench.finish(reading);
    checkStream(reading.events);
    await bench.service.close();
    expect(bench.clock.timerCount).toBe(0);
  });

  it("tells the time of each event, and where the crawl stands", async () => {
    const bench = new CrawlBench();
    chain(bench, 2, { 0: { rows: [row(1)], probe: { delayMs: 40 } } });
    const events = await bench.crawl();
    const probed = events.find(({ body }) => body.kind === "nodeProbed")!;
    expect(probed.timeMs - events[0]!.timeMs).toBe(40);
    expect(probed.progress).toMatchObject({
      hop: 0,
      maxHops: 3,
      inFlightCount: 1,
      queuedCount: 0,
      knownCount: 1,
    });
    expect(events.at(-1)!.progress).toMatchObject({
      inFlightCount: 0,
      queuedCount: 0,
      doneCount: 2,
      knownCount: 2,
    });
  });

  it("throws what kept the table from being written, after everything that was learnt", async () => {
    const bench = new CrawlBench();
    chain(bench, 2);
    bench.writeError = new P2pError("DISK_FULL", "full");
    const reading = bench.read();
    await bench.finish(reading);
    expect(await reading.done).toBe(bench.writeError);
    expect(bodies(reading.events, "nodeProbed")).toHaveLength(2);
    expect(bodies(reading.events, "completed")).toHaveLength(0);
    expect(bench.nodes.size).toBe(2);
  });
});

describe("the hops of a crawl", () => {
  it.each([
    [0, [0], []],
    [1, [0, 1], [0]],
    [3, [0, 1, 2, 3], [0, 1, 2]],
    [10, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]],
  ])(
    "end at max_hops %d: nodes first met at the last hop are probed, not asked",
    async (maxHops, probed, asked) => {
      const bench = new CrawlBench();
      chain(bench, 6);
      await bench.crawl({ maxHops });
      expect(bench.network.called("probe")).toEqual(probed.map(key));
      expect(bench.network.called("exchange")).toEqual(asked.map(key));
    },
  );

  it("are three unless asked otherwise", async () => {
    const bench = new CrawlBench();
    chain(bench, 6);
    expect((await bench.crawl())[0]!.progress.maxHops).toBe(3);
    expect(bench.network.called("probe")).toHaveLength(4);
  });

  it("do not wait for one another: a slow node delays nobody else", async () => {
    const bench = new CrawlBench();
    chain(bench, 3);
    bench.network.add(at(9), { probe: { delayMs: 2_000 } });
    bench.know(row(9));
    const reading = bench.read();
    await bench.clock.advance(100);
    expect(bodies(reading.events, "nodeProbed").map(({ node }) => node.name)).toEqual([0, 1, 2].map(name));
    expect(bodies(reading.events, "hopCompleted")).toEqual([]);
    await bench.finish(reading);
    checkStream(reading.events);
  });

  it("are told in a node's provenance", async () => {
    const bench = new CrawlBench();
    chain(bench, 3);
    const probed = bodies(await bench.crawl(), "nodeProbed");
    expect(probed.map(({ node }) => node.provenance.hopCount)).toEqual([0, 1, 2]);
    expect(probed[2]!.node.provenance.viaNodes).toEqual([name(1)]);
  });
});

describe("a crawl that meets itself", () => {
  const ownRow = aRow({ address: anAddress(77) });
  const ownKey = addressKey(ownRow.address);

  it("never probes its own address and port, and takes it out of the table", async () => {
    const bench = new CrawlBench({ publicIp: ownRow.address.host });
    chain(bench, 2, { 0: { rows: [ownRow, row(1)] } });
    bench.network.add(ownRow.address);
    bench.know(ownRow);
    const events = await bench.crawl();
    expect(bench.network.called("probe")).toEqual([key(0), key(1)]);
    expect(bodies(events, "tableFetched")[0]!.rejected.get("OWN_NODE")).toBe(1);
    expect(bodies(events, "ownAddressFound")).toEqual([
      { kind: "ownAddressFound", publicIpAddress: "45.0.0.77", selfNode: `nodes/${ownKey}`, warning: "" },
    ]);
    expect(bench.nodes.has(ownKey)).toBe(false);
    expect(summaryOf(events).removedCount).toBe(1);
  });

  it("does probe another node on its own address", async () => {
    const bench = new CrawlBench({ publicIp: ownRow.address.host });
    const neighbour = bench.network.add({ ...ownRow.address, port: 9001 });
    bench.know(neighbour);
    await bench.crawl();
    expect(bench.network.called("probe")).toEqual(["45.0.0.77:9001"]);
  });

  it("never probes its own name behind a proxy's address", async () => {
    const bench = new CrawlBench({ own: { serverPort: 8088, machineName: "me" } });
    const proxied = { ...bench.network.add(at(5)), machineName: "me" };
    chain(bench, 1, { 0: { rows: [proxied] } });
    bench.know({ ...row(6), machineName: "me" });
    await bench.crawl();
    expect(bench.network.called("probe")).toEqual([key(0)]);
    expect([...bench.nodes.keys()]).toEqual([key(0)]);
  });

  it("holds nodes on its own port until it knows its address, and no others", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    bench.network.add(ownRow.address);
    bench.know(ownRow, bench.network.add(at(1, 8088)), bench.network.add(at(2)));
    const reading = bench.read();
    await settle();
    expect(bench.network.called("probe")).toEqual([key(2)]);
    found.resolve(ownRow.address.host);
    await settle();
    expect(bench.network.called("probe")).toEqual(["45.0.0.1:8088", key(2)]);
    await bench.finish(reading);
    checkStream(reading.events);
  });

  it("holds them for 250 ms at most, and drops itself in flight when it finds out later", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    bench.network.add(ownRow.address, { probe: { delayMs: 1_000 } });
    bench.know(ownRow, bench.network.add(at(1, 8088)));
    const reading = bench.read();
    await bench.clock.advance(249);
    expect(bench.network.called("probe")).toEqual([]);
    await bench.clock.advance(1);
    expect(bench.network.called("probe")).toEqual(["45.0.0.1:8088", ownKey]);
    found.resolve(ownRow.address.host);
    await settle();
    expect(bench.network.calls.find((call) => call.key === ownKey)!.options.signal!.aborted).toBe(true);
    await bench.finish(reading);
    checkStream(reading.events);
    expect(
      reading.events.some(
        ({ body }) => JSON.stringify(body).includes(`"nodes/${ownKey}"`) && body.kind !== "ownAddressFound",
      ),
    ).toBe(false);
    expect(bench.nodes.has(ownKey)).toBe(false);
    expect(summaryOf(reading.events)).toMatchObject({ activeCount: 1, unreachable: [] });
  });

  it("makes exchanges wait for its address as long as the look-up takes, and no longer", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    chain(bench, 2);
    const reading = bench.read();
    await bench.clock.advance(2_900);
    expect([bench.network.called("probe"), bench.network.called("exchange")]).toEqual([[key(0)], []]);
    found.reject(new PeerError("TIMEOUT", "no complete answer in time"));
    await settle();
    expect(bench.network.called("exchange")).toEqual([key(0), key(1)]);
    await bench.finish(reading);
    checkStream(reading.events);
    expect(bodies(reading.events, "ownAddressFound")[0]).toMatchObject({
      publicIpAddress: "",
      selfNode: "",
      warning: "own public address unknown: no complete answer in time",
    });
  });

  it("waits with its end for the look-up, so that the answer is told", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    const reading = bench.read();
    await bench.clock.advance(1_000);
    expect(reading.isDone).toBe(false);
    found.resolve("45.0.0.77");
    await bench.finish(reading);
    expect(bodies(reading.events, "ownAddressFound")).toHaveLength(1);
  });

  it("asks no table of itself when it finds out between probe and exchange", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    bench.network.add(ownRow.address);
    bench.know(ownRow);
    const reading = bench.read();
    await bench.clock.advance(300);
    expect(bodies(reading.events, "nodeProbed")).toHaveLength(1);
    found.resolve(ownRow.address.host);
    await bench.finish(reading);
    checkStream(reading.events);
    expect(bench.network.called("exchange")).toEqual([]);
    expect(summaryOf(reading.events).activeCount).toBe(0);
  });
});

describe("addresses that a crawl may not contact", () => {
  const forbidden = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1"].map((host) =>
    aRow({ address: { host, port: 9000 } }),
  );

  it("are counted by reason when a node names them, and never contacted", async () => {
    const bench = new CrawlBench();
    for (const { address } of forbidden) bench.network.add(address);
    chain(bench, 1, { 0: { rows: forbidden } });
    const [table] = bodies(await bench.crawl(), "tableFetched");
    expect(Object.fromEntries(table!.rejected)).toEqual({ ADDRESS_BLOCKED: 5 });
    expect([table!.newCount, table!.entryCount]).toEqual([0, 5]);
    expect(bench.network.called("probe")).toEqual([key(0)]);
  });

  it("are a failure of their row when the table holds them as a peer's, and count as no silence", async () => {
    const bench = new CrawlBench();
    chain(bench, 1);
    bench.know(aRecord({ row: forbidden[0]!, silentCrawlCount: 2 }));
    const events = await bench.crawl();
    expect(bodies(events, "nodeFailed")).toMatchObject([{ failure: "ADDRESS_BLOCKED", step: "PROBE" }]);
    expect(bench.nodes.get("127.0.0.1:9000")).toMatchObject({ state: "UNREACHABLE", silentCrawlCount: 2 });
    expect(bench.network.called("probe")).toEqual([key(0)]);
  });

  it("are contacted when an operator typed them", async () => {
    const bench = new CrawlBench();
    bench.network.add(forbidden[0]!.address);
    bench.know(aRecord({ row: forbidden[0]!, origin: "operator" }));
    await bench.crawl();
    expect(bench.network.called("probe")).toEqual(["127.0.0.1:9000"]);
  });

  it("are no seeds of a remote caller, and are those of an operator", async () => {
    const bench = new CrawlBench();
    bench.network.add(forbidden[0]!.address);
    const refused = bench.read({ seedAddresses: ["45.0.0.1", "127.0.0.1:9000"] });
    await bench.finish(refused);
    expect(await refused.done).toMatchObject({ reason: "ADDRESS_BLOCKED", field: "seed_addresses[1]" });
    expect(bench.network.calls).toEqual([]);
    await bench.crawl({ seedAddresses: ["127.0.0.1:9000"] }, { caller: "operator" });
    expect(bench.nodes.get("127.0.0.1:9000")).toMatchObject({ state: "ACTIVE", origin: "operator" });
  });
});

describe("a node that fails", () => {
  it("is named with step and reason, and ends nothing", async () => {
    const bench = new CrawlBench();
    chain(bench, 3, { 1: { rows: [row(2)], probe: { fails: "BAD_BODY" } } });
    bench.network.add(at(8), { probe: { hangs: true } });
    bench.know(row(8), row(9));
    const events = await bench.crawl({ nodeTimeoutMs: 3_000 });
    const failures = bodies(events, "nodeFailed").map(({ node, step, failure }) => [node, step, failure]);
    expect(failures).toHaveLength(3);
    expect(failures).toEqual(
      expect.arrayContaining([
        [name(1), "PROBE", "BAD_BODY"],
        [name(8), "PROBE", "TIMEOUT"],
        [name(9), "PROBE", "CONNECTION_REFUSED"],
      ]),
    );
    expect(summaryOf(events).unreachable).toEqual([1, 8, 9].map(name).sort());
  });

  it("at the exchange only stays ACTIVE", async () => {
    const bench = new CrawlBench();
    chain(bench, 2, { 0: { exchange: { fails: "TOO_LARGE" }, rows: [row(1)] } });
    const events = await bench.crawl();
    expect(bodies(events, "nodeFailed")).toMatchObject([
      { node: name(0), step: "IP_TABLE", failure: "TOO_LARGE" },
    ]);
    expect(bench.nodes.get(key(0))!.state).toBe("ACTIVE");
    expect(summaryOf(events)).toMatchObject({ activeCount: 1, unreachable: [] });
  });

  it("is UNREACHABLE in the table, and gone after three crawls", async () => {
    const bench = new CrawlBench();
    chain(bench, 1);
    bench.know(row(9));
    await bench.crawl();
    expect(bench.nodes.get(key(9))).toMatchObject({ state: "UNREACHABLE", silentCrawlCount: 1 });
    await bench.crawl();
    expect(summaryOf(await bench.crawl()).removedCount).toBe(1);
    expect(bench.nodes.has(key(9))).toBe(false);
  });

  it("that hangs gives its place to others", async () => {
    const bench = new CrawlBench();
    for (let n = 0; n < 6; n += 1)
      bench.know(bench.network.add(at(n), n < 4 ? { probe: { hangs: true } } : {}));
    const reading = bench.read({ maxConcurrency: 2, nodeTimeoutMs: 60_000 });
    await bench.clock.advance(450);
    expect(bench.network.called("probe")).toHaveLength(2);
    await bench.clock.advance(1_200);
    expect(bodies(reading.events, "nodeProbed")).toHaveLength(2);
    await bench.finish(reading);
  });

  it("by an error that nobody foresaw is a failed node all the same", async () => {
    const bench = new CrawlBench();
    chain(bench, 1);
    const api = bench.network.open();
    const odd = new CrawlBench({
      openPeerApi: () => ({ ...api, probe: async () => Promise.reject(new TypeError("secret")) }),
    });
    odd.know(row(0));
    const [failed] = bodies(await odd.crawl(), "nodeFailed");
    expect(failed!.failure).toBe("BAD_BODY");
    expect(failed!.message).not.toContain("secret");
  });
});

describe("the end of a crawl", () => {
  const hanging = (bench = new CrawlBench()): CrawlBench => {
    chain(bench, 1);
    bench.network.add(at(5), { probe: { hangs: true } });
    bench.know(row(5));
    return bench;
  };

  it("waits when the caller leaves: what was learnt is written, and sockets are closed", async () => {
    const bench = hanging();
    const caller = new AbortController();
    const reading = bench.read({}, { signal: caller.signal });
    await bench.clock.advance(100);
    expect(bench.network.openCalls).toBe(1);
    caller.abort();
    await settle();
    expect([reading.isDone, bench.network.openCalls, bench.network.openApis]).toEqual([true, 0, 0]);
    expect(bodies(reading.events, "completed")).toEqual([]);
    expect(bench.writeCount).toBe(1);
    expect([...bench.nodes.values()].map(({ state }) => state)).toEqual(["ACTIVE", "UNPROBED"]);
    await bench.service.close();
    expect(bench.clock.timerCount).toBe(0);
  });

  it("comes when the reader stops reading", async () => {
    const bench = hanging();
    for await (const event of bench.service.updateIpTable({}, { caller: "remote" })) {
      if (event.body.kind === "nodeProbed") break;
    }
    expect([bench.writeCount, bench.network.openCalls, bench.network.openApis]).toEqual([1, 0, 0]);
  });

  it("comes before the beginning when the caller has left already: nobody is asked", async () => {
    const bench = hanging(new CrawlBench({ findAddress: async () => "45.0.0.77" }));
    const reading = bench.read({}, { signal: AbortSignal.abort() });
    await bench.finish(reading);
    expect([reading.events, bench.network.calls]).toEqual([[], []]);
  });

  it("comes shortly before the caller's deadline", async () => {
    const bench = hanging();
    const reading = bench.read({ nodeTimeoutMs: 60_000 }, { timeoutMs: 4_000 });
    await bench.clock.advance(3_400);
    expect(reading.isDone).toBe(false);
    await bench.clock.advance(200);
    expect(reading.isDone).toBe(true);
    checkStream(reading.events);
    expect(summaryOf(reading.events)).toMatchObject({
      endReason: "DEADLINE",
      activeCount: 1,
      unreachable: [],
    });
  });

  it.each([2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER])(
    "does not come early for a deadline of %d ms, which no timer takes",
    async (timeoutMs) => {
      const delays: number[] = [];
      const bench = hanging();
      const after = bench.clock.after.bind(bench.clock);
      bench.clock.after = (delayMs, action) => {
        delays.push(delayMs);
        return after(delayMs, action);
      };
      expect(summaryOf(await bench.crawl({}, { timeoutMs })).endReason).toBe("FINISHED");
      expect(Math.max(...delays)).toBeLessThan(2 ** 31);
    },
  );

  it("comes after half an hour", async () => {
    const bench = hanging();
    const reading = bench.read({ nodeTimeoutMs: 10 * 60 * 60_000 });
    await bench.clock.advance(crawlLimits.maxCrawlMs);
    expect(reading.isDone).toBe(true);
    expect(summaryOf(reading.events).endReason).toBe("LIMIT");
  });

  it("comes five seconds after the gateway began to drain, and new ones are refused", async () => {
    const bench = hanging();
    const reading = bench.read({ nodeTimeoutMs: 60_000 });
    await bench.clock.advance(100);
    bench.drain.abort();
    await bench.clock.advance(4_900);
    expect(reading.isDone).toBe(false);
    await bench.clock.advance(100);
    expect(summaryOf(reading.events).endReason).toBe("DRAINING");
    const late = bench.read();
    await bench.finish(late);
    expect(await late.done).toMatchObject({ reason: "DRAINING" });
  });

  it("comes too when the gateway began to drain while the table was read", async () => {
    const bench = hanging();
    const reading = bench.read({ nodeTimeoutMs: 60_000 });
    bench.drain.abort();
    await bench.clock.advance(crawlLimits.drainMs);
    expect(summaryOf(reading.events).endReason).toBe("DRAINING");
  });

  it("frees its place: of five crawls at once the fifth is refused, and a later one not", async () => {
    const bench = hanging();
    const readings = Array.from({ length: 5 }, () => bench.read({ nodeTimeoutMs: 3_000 }));
    await settle();
    expect(await readings[4]!.done).toMatchObject({ reason: "TOO_MANY_CRAWLS" });
    for (const reading of readings.slice(0, 4)) await bench.finish(reading);
    expect(summaryOf(await bench.crawl()).endReason).toBe("FINISHED");
  });

  it("leaves no timer and no socket behind", async () => {
    const bench = hanging(new CrawlBench({ findAddress: async () => "45.0.0.77" }));
    await bench.crawl({}, { timeoutMs: 20_000, signal: new AbortController().signal });
    await bench.service.close();
    expect([bench.clock.timerCount, bench.network.openApis, bench.network.openCalls]).toEqual([0, 0, 0]);
  });
});

describe("what nodes say about one another", () => {
  it("counts witnesses, and keeps the first three reporters", async () => {
    const bench = new CrawlBench();
    for (let n = 0; n < 5; n += 1)
      bench.know(bench.network.add(at(n), { rows: [row(9)], probe: { delayMs: n * 10 } }));
    bench.network.add(at(9), { probe: { delayMs: 200 } });
    const events = await bench.crawl();
    const node = bodies(events, "nodeProbed").at(-1)!.node;
    expect(node.provenance).toMatchObject({ witnessCount: 5, viaNodes: [0, 1, 2].map(name), hopCount: 1 });
    expect(bodies(events, "nodeDiscovered")).toHaveLength(1);
    expect(bench.nodes.get(key(9))!.provenance.witnessCount).toBe(5);
  });

  it("counts a witness of a node of the local table, whose origin stays ours", async () => {
    const bench = new CrawlBench();
    chain(bench, 1, { 0: { rows: [row(1)] } });
    bench.know(bench.network.add(at(1)));
    await bench.crawl();
    expect(bench.nodes.get(key(1))!.provenance).toMatchObject({ witnessCount: 1, viaNodes: [], hopCount: 0 });
  });

  it("never overwrites what is known of a node, measured or told", async () => {
    const bench = new CrawlBench();
    const lie = {
      ...row(1),
      machineName: "liar",
      publicKey: "evil",
      latencyNs: 1,
      downloadMbps: 9_999,
      nat: true,
    };
    chain(bench, 1, { 0: { rows: [lie] } });
    bench.network.add(at(1), { probe: { latencyNs: 777 }, rows: [] });
    bench.know({ ...row(1), machineName: "honest", downloadMbps: 5 });
    await bench.crawl();
    expect(bench.nodes.get(key(1))!.row).toMatchObject({
      machineName: "honest",
      publicKey: "",
      nat: false,
      downloadMbps: 5,
    });
    expect(bench.nodes.get(key(1))!.measurement).toMatchObject({ latencyNs: 777 });
  });

  it("never overwrites what another node said first, nor what the node says itself", async () => {
    const bench = new CrawlBench();
    const told = (machineName: string): PeerRow => ({ ...row(9), machineName });
    bench.know(bench.network.add(at(0), { rows: [told("first"), { ...row(8), machineName: "first" }] }));
    bench.know(
      bench.network.add(at(1), {
        rows: [told("liar"), { ...row(8), machineName: "liar" }],
        exchange: { delayMs: 50 },
      }),
    );
    bench.network.add(at(8), { probe: { delayMs: 100 } });
    bench.network.add(at(9), { rows: [told("itself")], probe: { delayMs: 10 } });
    const probed = bodies(await bench.crawl(), "nodeProbed").map(({ node }) => [
      node.name,
      node.row.machineName,
    ]);
    expect(probed).toContainEqual([name(8), "first"]);
    expect(bench.nodes.get(key(9))!.row.machineName).toBe("itself");
    expect(bench.nodes.get(key(8))!.row.machineName).toBe("first");
  });

  it("believes a node about itself, save what we measure", async () => {
    const bench = new CrawlBench();
    const self = {
      ...row(0),
      machineName: "new-name",
      customInformation: "role=render",
      latencyNs: 1,
      downloadMbps: 9_999,
    };
    chain(bench, 1, { 0: { rows: [self] } });
    bench.know({ ...row(0), machineName: "old-name" });
    await bench.crawl();
    expect(bench.nodes.get(key(0))!.row).toMatchObject({
      machineName: "new-name",
      customInformation: "role=render",
      latencyNs: 0,
      downloadMbps: 0,
    });
  });

  it("takes no measurement of a stranger's for a node met first in its table", async () => {
    const bench = new CrawlBench();
    chain(bench, 1, { 0: { rows: [{ ...row(1), latencyNs: 1, uploadMbps: 5 }] } });
    const [found] = bodies(await bench.crawl(), "nodeDiscovered");
    expect(found!.node.row).toMatchObject({ latencyNs: 0, uploadMbps: 0 });
    expect(found!.node).not.toHaveProperty("measurement");
    expect(bench.nodes.has(key(1))).toBe(false);
  });

  it("meets ten thousand nodes and counts the rest", async () => {
    const bench = new CrawlBench();
    const perTable = 250;
    for (let n = 0; n < 45; n += 1) {
      const rows = Array.from({ length: perTable }, (_, r) => row(100 + n * perTable + r));
      bench.know(bench.network.add(at(n), { rows }));
    }
    const events = await bench.crawl({ maxHops: 1 });
    const tables = bodies(events, "tableFetched");
    expect(tables.reduce((sum, { newCount }) => sum + newCount, 45)).toBe(crawlLimits.maxNodes);
    const full = tables.reduce((sum, { rejected }) => sum + (rejected.get("CRAWL_FULL") ?? 0), 0);
    expect(full).toBe(45 * perTable - (crawlLimits.maxNodes - 45));
  });
});

describe("what nodes are sent", () => {
  /** The rows in the forms that were sent, one list per exchange. */
  const sentBy = (bench: CrawlBench): Record<string, unknown>[][] =>
    bench.network.calls
      .filter(({ kind }) => kind === "exchange")
      .map(({ form }) => /\{"ip_address".*\]\}/.exec(form!.body.toString())![0])
      .map((json) => (JSON.parse(json) as { ip_address: Record<string, unknown>[] }).ip_address);
  const active = (n: number, latencyNs: number) =>
    aRecord({
      row: {
        ...row(n),
        publicKey: "ssh-rsa KEY",
        machineUsername: "user",
        customInformation: "secret",
        machineName: `n${n}`,
      },
      state: "ACTIVE",
      measurement: { latencyNs, sampleCount: 3 },
    });

  it("is one body for all, with nothing that others entrusted to us", async () => {
    const bench = new CrawlBench();
    for (let n = 0; n < 4; n += 1) {
      bench.network.add(at(n));
      bench.know(active(n, n + 1));
    }
    await bench.crawl();
    const forms = bench.network.calls.filter(({ kind }) => kind === "exchange").map(({ form }) => form);
    expect([bench.formCount, new Set(forms).size, forms.length]).toEqual([1, 1, 4]);
    expect(sentBy(bench)[0]).toHaveLength(4);
    for (const sent of sentBy(bench)[0]!) {
      expect(sent).toMatchObject({ PublicKey: "", MachineUsername: "", CustomInformation: "" });
      expect(sent["Name"]).toMatch(/^n[0-9]$/);
    }
  });

  it.each([
    [undefined, 16],
    [0, 0],
    [1, 1],
    [100, 20],
  ])(
    "is at most max_shared_rows %s of our rows, of nodes that answered last",
    async (maxSharedRows, count) => {
      const bench = new CrawlBench();
      for (let n = 0; n < 20; n += 1) {
        bench.network.add(at(n));
        bench.know(active(n, 1_000 - n));
      }
      bench.know(row(500), { ...active(501, 1), state: "UNREACHABLE" });
      await bench.crawl(maxSharedRows === undefined ? {} : { maxSharedRows });
      expect(sentBy(bench)[0]).toHaveLength(count);
    },
  );

  it("leaves out a node that turned out silent in this crawl", async () => {
    const found = promiseOfText();
    const bench = new CrawlBench({ findAddress: () => found.promise });
    bench.network.add(at(0));
    bench.know(active(0, 5), active(1, 1));
    const reading = bench.read();
    await settle();
    found.resolve("45.0.0.77");
    await bench.finish(reading);
    expect(sentBy(bench)[0]!.map((sent) => sent["Name"])).toEqual(["n0"]);
  });

  it("has our own entry where a server runs beside us, and is sent without it if that cannot be told", async () => {
    const ownRow = aRow({ address: { host: "45.0.0.77", port: 8088 }, machineName: "me" });
    const bench = new CrawlBench({ publicIp: "45.0.0.77", findOwnRow: async () => ownRow });
    chain(bench, 1);
    await bench.crawl({ maxSharedRows: 0 });
    expect(sentBy(bench)[0]!.map((sent) => sent["Name"])).toEqual(["me"]);
    const failing = new CrawlBench({ findOwnRow: async () => Promise.reject(new Error("no")) });
    chain(failing, 1);
    await failing.crawl();
    expect(failing.network.called("exchange")).toHaveLength(1);
  });

  it("has no address that only an operator may know", async () => {
    const bench = new CrawlBench();
    const address = { host: "10.0.0.1", port: 9000 };
    bench.network.add(address);
    bench.know(aRecord({ row: aRow({ address }), origin: "operator", state: "ACTIVE" }));
    await bench.crawl();
    expect(sentBy(bench)).toEqual([[]]);
  });
});

describe("any network with any faults", () => {
  const anyManner = fc.oneof(
    { weight: 4, arbitrary: fc.constant({}) },
    { weight: 3, arbitrary: fc.record({ delayMs: fc.integer({ min: 1, max: 4_000 }) }) },
    fc.record({ hangs: fc.constant(true) }),
    fc.record({
      fails: fc.constantFrom("CONNECTION_RESET" as const, "BAD_BODY" as const, "HTTP_STATUS" as const),
    }),
  );
  const anyNode = fc.record({
    probe: anyManner,
    exchange: anyManner,
    knows: fc.array(fc.nat(14), { maxLength: 6 }),
    isLocal: fc.boolean(),
  });
  const anyEnd = fc.record({
    findMs: fc.constantFrom(0, 100, 400, 3_000),
    ownIndex: fc.option(fc.nat(14), { nil: undefined }),
    leaveMs: fc.option(fc.integer({ min: 0, max: 8_000 }), { nil: undefined }),
    maxHops: fc.nat(4),
    maxConcurrency: fc.integer({ min: 1, max: 5 }),
  });

  it("is crawled to an end that keeps every rule", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyNode, { minLength: 1, maxLength: 15 }), anyEnd, async (graph, how) => {
        const own = how.ownIndex === undefined ? "45.9.9.9" : anAddress(how.ownIndex).host;
        const bench: CrawlBench = new CrawlBench({
          findAddress: () => new Promise((resolve) => void bench.clock.after(how.findMs, () => resolve(own))),
        });
        const onOwnPort = (n: number): PeerRow => aRow({ address: anAddress(n) });
        graph.forEach(({ probe, exchange, knows, isLocal }, n) => {
          bench.network.add(anAddress(n), { probe, exchange, rows: knows.map(onOwnPort) });
          if (isLocal) bench.know(onOwnPort(n));
        });
        const startKeys = new Set(bench.nodes.keys());
        const caller = new AbortController();
        if (how.leaveMs !== undefined) bench.clock.after(how.leaveMs, () => caller.abort());
        const { maxHops, maxConcurrency } = how;
        const request = { maxHops, maxConcurrency, nodeTimeoutMs: 3_000, exchangeTimeoutMs: 5_000 };
        const reading = bench.read(request, { signal: caller.signal });
        await bench.finish(reading);
        // Cut off at any event, the caller comes back: the union has no gap and no repeat.
        const resumeToken = reading.events.at(-1)?.resumeToken;
        const isOver = bodies(reading.events, "completed").length > 0;
        const rest = isOver ? undefined : bench.read(resumeToken === undefined ? request : { resumeToken });
        if (rest !== undefined) await bench.finish(rest);
        const events = [...reading.events, ...(rest?.events ?? [])];
        checkStream(events);

        expect([bench.network.openCalls, bench.network.openApis]).toEqual([0, 0]);
        const summary = summaryOf(events);
        const probed = new Set(bodies(events, "nodeProbed").map(({ node }) => node.name));
        const failed = bodies(events, "nodeFailed")
          .filter(({ step }) => step === "PROBE")
          .map(({ node }) => node);
        const discovered = new Set(bodies(events, "nodeDiscovered").map(({ node }) => node.name));
        for (const met of bench.network.called("probe")) {
          expect(startKeys.has(met) || discovered.has(`nodes/${met}`)).toBe(true);
        }
        const named = [
          ...summary.unreachable,
          ...[...bench.nodes.values()]
            .filter(({ state }) => state === "ACTIVE")
            .map(({ address }) => `nodes/${addressKey(address)}`),
        ];
        for (const node of named) expect(probed.has(node) || failed.includes(node)).toBe(true);
        expect(bench.nodes.has(`${own}:8088`) && bodies(events, "ownAddressFound").length > 0).toBe(false);
        if (summary.endReason !== "FINISHED") return;
        const hopOf = new Map(
          bodies(events, "nodeProbed").map(({ node }) => [node.name, node.provenance.hopCount]),
        );
        for (const asked of bench.network.called("exchange"))
          expect(hopOf.get(`nodes/${asked}`)!).toBeLessThan(maxHops);
        expect(events.at(-1)!.progress).toMatchObject({ queuedCount: 0, inFlightCount: 0 });
      }),
      { numRuns: 150 },
    );
  });

  it("without faults and limits is met whole: who is reachable is probed and asked once", async () => {
    const anyGraph = fc.array(fc.array(fc.nat(19), { maxLength: 5 }), { minLength: 20, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(anyGraph, async (graph) => {
        const bench = new CrawlBench();
        graph.forEach((knows, n) => bench.network.add(at(n), { rows: [...new Set(knows)].map(row) }));
        bench.know(row(0));
        await bench.crawl({ maxHops: 1_000 });
        const reachable = new Set([0]);
        for (const n of reachable) for (const next of graph[n]!) reachable.add(next);
        const expected = [...reachable].map(key).sort();
        expect(bench.network.called("probe")).toEqual(expected);
        expect(bench.network.called("exchange")).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe("the table, asked and edited", () => {
  const remote = { caller: "remote" } as const;

  it("is listed with its own node marked", async () => {
    const bench = new CrawlBench({ publicIp: "45.0.0.1" });
    bench.know(aRow({ address: anAddress(1) }), row(1));
    const { nodes } = await bench.service.listNodes({ pageSize: 10, pageToken: "", filter: "", orderBy: "" });
    expect(nodes.map(({ name, isSelf }) => [name, isSelf])).toEqual([
      ["nodes/45.0.0.1:8088", true],
      ["nodes/45.0.0.1:9000", false],
    ]);
  });

  it("takes a node in, resolved once if an operator typed a name", async () => {
    const bench = new CrawlBench();
    const added = await bench.service.addNode("node.example:9", false, { caller: "operator" });
    expect(added).toMatchObject({ name: "nodes/45.250.0.1:9", state: "UNPROBED" });
    expect(bench.nodes.get("45.250.0.1:9")!.origin).toBe("operator");
    await bench.service.addNode("45.0.0.1", true, remote);
    expect([...bench.nodes.values()].map(({ origin }) => origin)).toEqual(["peer"]);
    await expect(bench.service.addNode("node.example", false, remote)).rejects.toMatchObject({
      reason: "ADDRESS_BLOCKED",
    });
  });

  it("lets a node go only as the caller saw it", async () => {
    const bench = new CrawlBench();
    bench.know(row(1));
    const [node] = (await bench.service.listNodes({ pageSize: 1, pageToken: "", filter: "", orderBy: "" }))
      .nodes;
    await expect(bench.service.removeNode(node!.name, '"other"')).rejects.toMatchObject({
      reason: "ETAG_MISMATCH",
    });
    expect((await bench.service.removeNode(node!.name, node!.etag)).name).toBe(node!.name);
    expect(bench.nodes.size).toBe(0);
  });

  it("remembers the specs that were asked for, and closes the sockets of the call", async () => {
    const bench = new CrawlBench();
    bench.know(bench.network.add(at(1)));
    const specs = await bench.service.specs(name(1), remote);
    expect(specs).toMatchObject({ hostname: "render-box", observeTimeMs: bench.clock.nowMs() });
    expect(bench.nodes.get(key(1))!.specs).toEqual(specs);
    expect(await bench.service.images(name(1), remote)).toEqual([{ name: "a", description: "" }]);
    expect(bench.network.openApis).toBe(0);
  });

  it("leads a remote caller to no forbidden address, not even of a row that stands there as a peer's", async () => {
    const bench = new CrawlBench();
    const address = { host: "127.0.0.1", port: 9000 };
    bench.network.add(address);
    bench.know(aRow({ address }));
    await expect(bench.service.specs("127.0.0.1:9000", remote)).rejects.toMatchObject({
      reason: "ADDRESS_BLOCKED",
    });
    await expect(bench.service.specs("127.0.0.1:9001", remote)).rejects.toMatchObject({
      reason: "NODE_NOT_FOUND",
    });
    expect(bench.network.calls).toEqual([]);
    await bench.service.specs("127.0.0.1:9000", { caller: "operator" });
    expect([bench.network.calls.length, bench.network.openApis]).toEqual([1, 0]);
  });
});

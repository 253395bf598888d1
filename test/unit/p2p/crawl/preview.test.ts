import { describe, expect, it } from "@jest/globals";
import type { CallerOptions, CrawlEvent, CrawlRequest } from "../../../../src/p2p/contract.js";
import { P2pError } from "../../../../src/p2p/errors.js";
import { crawlLimits } from "../../../../src/p2p/limits.js";
import { bodies, CrawlBench } from "../../../support/crawl-bench.js";
import { aRecord, anAddress, aRow } from "../../../support/peers.js";

const row = (n: number, port = 9_000) => aRow({ address: anAddress(n, port) });
const privateRow = (n: number) => aRow({ address: { host: `10.0.0.${n}`, port: 9_000 } });

/** Only checks a request. */
async function check(
  bench: CrawlBench,
  request: CrawlRequest = {},
  options: Partial<CallerOptions> = {},
): Promise<CrawlEvent[]> {
  const reading = bench.read({ ...request, validateOnly: true }, options);
  await bench.finish(reading);
  const error = await reading.done;
  if (error !== undefined) throw error as Error;
  return reading.events;
}

const told = (events: readonly CrawlEvent[]): string[] =>
  bodies(events, "nodeDiscovered").map(({ node }) => node.name);
const forbidden = (events: readonly CrawlEvent[]): string[] =>
  bodies(events, "nodeFailed").map(({ node, failure }) => `${failure} ${node}`);
const probed = ({ network }: CrawlBench): string[] =>
  network.calls.filter(({ kind }) => kind === "probe").map(({ key }) => `nodes/${key}`);

describe("a crawl that is only checked", () => {
  /** One node of each kind that a crawl treats in a way of its own. */
  function everyKind(overrides: ConstructorParameters<typeof CrawlBench>[0]): CrawlBench {
    const bench = new CrawlBench({ own: { serverPort: 8_088, machineName: "me" }, ...overrides });
    bench.know(
      row(1, 8_088),
      row(2),
      aRow({ address: anAddress(3, 9_000), machineName: "me" }),
      privateRow(4),
      aRecord({ row: privateRow(5), origin: "operator" }),
      aRecord({
        row: row(6),
        state: "QUARANTINED",
        quarantine: { reason: "DEAD_ROWS", untilMs: bench.clock.nowMs() + 1_000_000 },
      }),
      row(7, 8_088),
    );
    return bench;
  }
  const request = { seedAddresses: ["45.0.0.2:9000", "45.0.0.8:9000"], maxConcurrency: 1, maxHops: 0 };

  it.each([
    ["our address is given", { publicIp: "45.0.0.1" }],
    ["our address is not to be known", { publicIp: "off" }],
    ["our address would have to be asked for", { findAddress: async () => "45.9.9.9" }],
  ])("tells whom hop 0 would probe, in that order, when %s", async (_, overrides) => {
    const bench = everyKind(overrides);
    const events = await check(bench, request);
    expect(bench.network.calls).toEqual([]);
    const crawled = await bench.crawl(request);
    expect(told(events)).toEqual(probed(bench));
    expect(told(events).length).toBeGreaterThan(3);
    const blocked = forbidden(crawled).filter((text) => text.startsWith("ADDRESS_BLOCKED"));
    expect(forbidden(events)).toEqual(blocked);
    expect(blocked).toEqual(["ADDRESS_BLOCKED nodes/10.0.0.4:9000"]);
    expect(bodies(events, "started")[0]!.knownCount).toBe(bodies(crawled, "started")[0]!.knownCount);
  });

  it("contacts nobody, asks for no address, resolves no name, writes nothing and leaves nothing behind", async () => {
    const asked: string[] = [];
    const ask = (what: string) => async () => {
      asked.push(what);
      return "45.9.9.9";
    };
    const bench = everyKind({
      findAddress: ask("own address"),
      resolveName: ask("name"),
      newCrawlId: () => {
        asked.push("crawl");
        return "1";
      },
    });
    const before = new Map(bench.nodes);
    const events = await check(bench, { seedAddresses: ["node.example"] }, { caller: "operator" });
    expect(told(events)).toContain("nodes/node.example:8088");
    expect([asked, bench.network.calls, bench.writeCount, bench.formCount]).toEqual([[], [], 0, 0]);
    expect([bench.network.openApis, bench.clock.timerCount, bench.nodes]).toEqual([0, 0, before]);
  });

  it("is a stream without gap, of no hop, with progress on every event and no token", async () => {
    const bench = everyKind({ publicIp: "off" });
    const events = await check(bench, { maxHops: 5 });
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
    const kinds = events.map(({ body }) => body.kind);
    expect([kinds[0], kinds.indexOf("completed")]).toEqual(["started", kinds.length - 1]);
    expect(kinds).not.toContain("hopStarted");
    expect(new Set(events.map(({ resumeToken }) => resumeToken))).toEqual(new Set([""]));
    for (const { progress } of events) {
      expect(progress).toMatchObject({
        hop: 0,
        maxHops: 5,
        knownCount: 6,
        inFlightCount: 0,
        hopOpenCount: 0,
      });
      expect(progress.queuedCount + progress.doneCount).toBe(6);
    }
    expect(events.at(-1)!.progress).toMatchObject({ queuedCount: 5, doneCount: 1, failedCount: 1 });
    expect(bodies(events, "completed")[0]!.summary).toMatchObject({
      activeCount: 0,
      addedCount: 0,
      removedCount: 0,
      unreachable: ["nodes/10.0.0.4:9000"],
      endReason: "VALIDATED",
    });
  });

  it("of an empty table is a beginning and an end", async () => {
    const events = await check(new CrawlBench());
    expect(events.map(({ body }) => body.kind)).toEqual(["started", "completed"]);
  });

  it.each([
    ["a seed that is no address", { seedAddresses: ["45.0.0.1", "0x7f.1"] }, "INVALID_ADDRESS"],
    ["a seed that is forbidden", { seedAddresses: ["10.0.0.1"] }, "ADDRESS_BLOCKED"],
    ["a token that is none", { resumeToken: "nonsense" }, "INVALID_RESUME_TOKEN"],
    [
      "a token that is not kept",
      { resumeToken: Buffer.from("c1 crawls/2 1").toString("base64url") },
      "RESUME_EXPIRED",
    ],
  ])("is refused for %s, as the crawl is", async (_, faulty: CrawlRequest, reason) => {
    const bench = new CrawlBench();
    const crawl = bench.read(faulty);
    await bench.finish(crawl);
    expect(await crawl.done).toMatchObject({ reason });
    await expect(check(bench, faulty)).rejects.toMatchObject({ reason });
  });

  it("is refused while the gateway drains, and when the table cannot be read", async () => {
    const broken = new P2pError("IP_TABLE_UNREADABLE", "broken");
    const bench = new CrawlBench();
    Object.assign(bench.deps.table, { read: () => Promise.reject(broken) });
    await expect(check(bench)).rejects.toBe(broken);
    bench.drain.abort();
    await expect(check(bench)).rejects.toMatchObject({ reason: "DRAINING" });
  });
});

describe("a crawl in progress", () => {
  function slowNode(): CrawlBench {
    let crawlCount = 0;
    const bench = new CrawlBench({ newCrawlId: () => String(++crawlCount) });
    bench.network.add(anAddress(1, 9_000), { probe: { delayMs: 1_000 } });
    bench.know(row(1));
    return bench;
  }

  /** Begins a crawl, and leaves it standing still. */
  async function paused(bench: CrawlBench): Promise<string> {
    const caller = new AbortController();
    const reading = bench.read({}, { signal: caller.signal });
    await bench.clock.advance(100);
    caller.abort();
    await bench.finish(reading);
    return reading.events.at(-1)!.resumeToken;
  }

  it("is named to a caller who would come back, and goes on standing still", async () => {
    const bench = slowNode();
    const resumeToken = await paused(bench);
    const callCount = bench.network.calls.length;
    const events = await check(bench, { resumeToken });
    expect(events.map(({ body }) => body.kind)).toEqual(["started", "completed"]);
    expect(bodies(events, "started")[0]).toMatchObject({ crawl: "crawls/1", knownCount: 1 });
    expect(bodies(events, "completed")[0]!.summary.endReason).toBe("VALIDATED");
    expect(events.map((event) => event.resumeToken)).toEqual(["", ""]);
    await bench.clock.advance(5_000);
    expect([bench.network.calls.length, bench.network.openApis]).toEqual([callCount, 0]);
    const rest = bench.read({ resumeToken });
    await bench.finish(rest);
    expect(bodies(rest.events, "completed")[0]!.summary).toMatchObject({
      activeCount: 1,
      endReason: "FINISHED",
    });
  });

  it("is named to a caller who would join, and else the one is told that would be started", async () => {
    const bench = slowNode();
    expect(told(await check(bench, { joinRunning: true }))).toEqual(["nodes/45.0.0.1:9000"]);
    const running = bench.read();
    await bench.clock.advance(100);
    const events = await check(bench, { joinRunning: true });
    expect([bodies(events, "started")[0]!.crawl, told(events)]).toEqual(["crawls/1", []]);
    await bench.finish(running);
  });

  it("does not give way to a check where it would to a crawl", async () => {
    const bench = slowNode();
    const tokens: string[] = [];
    for (let n = 0; n < crawlLimits.maxCrawls; n += 1) tokens.push(await paused(bench));
    await check(bench);
    const rest = bench.read({ resumeToken: tokens[0]! });
    await bench.finish(rest);
    expect(await rest.done).toBeUndefined();
  });

  it("makes a check fail where it would make a crawl fail", async () => {
    const bench = slowNode();
    const running = Array.from({ length: crawlLimits.maxCrawls }, () => bench.read());
    await bench.clock.advance(100);
    await expect(check(bench)).rejects.toMatchObject({ reason: "TOO_MANY_CRAWLS" });
    for (const reading of running) await bench.finish(reading);
  });
});

import { describe, expect, it } from "@jest/globals";
import { bandwidthMeasureTimeMs, type CrawlEvent } from "../../../../src/p2p/contract.js";
import { bodies, checkStream, CrawlBench } from "../../../support/crawl-bench.js";
import { aRecord, aRow, anAddress } from "../../../support/peers.js";

const address = (n: number) => anAddress(n, 9_000);
const row = (n: number) => aRow({ address: address(n) });
const key = (n: number): string => `45.0.0.${n}:9000`;
const transfers = (bench: CrawlBench, direction: "download" | "upload"): string[] =>
  bench.network.calls.filter(({ kind }) => kind === direction).map((call) => call.key);
const downloads = (bench: CrawlBench): string[] => transfers(bench, "download");
const uploads = (bench: CrawlBench): string[] => transfers(bench, "upload");
const measuredAt = (timeMs: number) => ({ downloadMeasureTimeMs: timeMs, uploadMeasureTimeMs: timeMs });

/** Nodes 1..count in the table, the last one nearest. */
function aNetwork(count: number, transferMs = 0): CrawlBench {
  const bench = new CrawlBench();
  for (let n = 1; n <= count; n += 1) {
    bench.network.add(address(n), {
      probe: { latencyNs: (count - n + 1) * 1_000_000 },
      download: { delayMs: transferMs },
      upload: { delayMs: transferMs },
    });
    bench.know(row(n));
  }
  return bench;
}

/** What follows the last hop. */
const tail = (events: readonly CrawlEvent[]): CrawlEvent[] =>
  events.slice(events.findLastIndex(({ body }) => body.kind === "hopCompleted") + 1);

describe("a crawl that measures bandwidth", () => {
  it("does not, unless asked", async () => {
    const bench = aNetwork(2);
    await bench.crawl();
    expect(downloads(bench)).toEqual([]);
  });

  it("measures the nearest node first, and tells each result between the last hop and the end", async () => {
    const bench = aNetwork(3);
    const events = await bench.crawl({ bandwidth: {} });
    expect(downloads(bench)).toEqual([key(3), key(2), key(1)]);
    expect(tail(events).map(({ body }) => body.kind)).toEqual([
      "nodeProbed",
      "nodeProbed",
      "nodeProbed",
      "completed",
    ]);
    expect(bench.nodes.get(key(1))!.measurement).toMatchObject({ downloadMbps: 100, uploadMbps: 50 });
    expect(bench.clock.timerCount).toBeLessThanOrEqual(1);
  });

  it("has one node under way at a time, with the limits asked for", async () => {
    const bench = aNetwork(3, 100);
    const reading = bench.read({ bandwidth: { maxBytesPerNode: 77 } });
    for (let step = 0; step < 70 && !reading.isDone; step += 1) {
      await bench.clock.advance(10);
      if (downloads(bench).length > 0) expect(bench.network.openCalls).toBeLessThanOrEqual(1);
    }
    await bench.finish(reading);
    const calls = bench.network.calls.filter(({ kind }) => kind === "download" || kind === "upload");
    expect(calls).toHaveLength(6);
    for (const { options } of calls) expect(options).toMatchObject({ maxBytes: 77, maxDurationMs: 3_000 });
  });

  it("keeps young results, also with the latency measured anew, and measures old ones again", async () => {
    const bench = aNetwork(2);
    const nowMs = bench.clock.nowMs();
    const old = { latencyNs: 5, sampleCount: 3, downloadMbps: 7, uploadMbps: 8 };
    bench.know(
      aRecord({ row: row(1), measurement: { ...old, ...measuredAt(nowMs - 1_000) } }),
      aRecord({ row: row(2), measurement: { ...old, ...measuredAt(nowMs - 90_000_000) } }),
    );
    await bench.crawl({ bandwidth: {} });
    expect(downloads(bench)).toEqual([key(2)]);
    const kept = { latencyNs: 2_000_000, downloadMbps: 7, ...measuredAt(nowMs - 1_000) };
    expect(bench.nodes.get(key(1))!.measurement).toMatchObject(kept);
    expect(bench.nodes.get(key(2))!.measurement).toMatchObject({ downloadMbps: 100, uploadMbps: 50 });
  });

  it("leaves a node that fails active, with the value it had, and too little data unset", async () => {
    const bench = aNetwork(2);
    const old = { latencyNs: 5, sampleCount: 3, downloadMbps: 7, uploadMbps: 8, ...measuredAt(1) };
    bench.know(aRecord({ row: row(1), measurement: old }), aRecord({ row: row(2), measurement: old }));
    bench.network.add(address(1), { download: { fails: "TIMEOUT" }, upload: { mbps: null } });
    bench.network.add(address(2), { download: { fails: "TIMEOUT" }, upload: { fails: "HTTP_STATUS" } });
    const events = await bench.crawl({ bandwidth: {} });
    expect(bodies(events, "nodeFailed").map(({ step }) => step)).toEqual(["DOWNLOAD", "DOWNLOAD", "UPLOAD"]);
    const [first, second] = [bench.nodes.get(key(1))!, bench.nodes.get(key(2))!];
    expect([first.state, second.state]).toEqual(["ACTIVE", "ACTIVE"]);
    expect(first.measurement).toMatchObject({ downloadMbps: 7, downloadMeasureTimeMs: 1 });
    expect(first.measurement).not.toHaveProperty("uploadMbps");
    expect(second.measurement).toMatchObject({ downloadMbps: 7, uploadMbps: 8, ...measuredAt(1) });
  });

  it.each([
    ["download", "upload"],
    ["upload", "download"],
  ] as const)("measures a %s that failed at the next crawl, and keeps the young %s", async (bad, good) => {
    const bench = aNetwork(1);
    bench.network.add(address(1), { [bad]: { fails: "TIMEOUT" } });
    await bench.crawl({ bandwidth: {} });
    const firstMs = bench.clock.nowMs();
    expect(bench.nodes.get(key(1))!.measurement).toMatchObject({ [`${good}Mbps`]: expect.any(Number) });
    await bench.clock.advance(60_000);
    bench.network.add(address(1), { [bad]: { mbps: 33 } });
    const events = await bench.crawl({ bandwidth: {} });
    expect([transfers(bench, bad), transfers(bench, good)]).toEqual([[key(1), key(1)], [key(1)]]);
    expect(tail(events).map(({ body }) => body.kind)).toEqual(["nodeProbed", "completed"]);
    const measurement = bench.nodes.get(key(1))!.measurement!;
    expect(measurement).toMatchObject({ [`${bad}Mbps`]: 33, [`${good}Mbps`]: expect.any(Number) });
    expect(measurement[`${good}MeasureTimeMs`]).toBeLessThanOrEqual(firstMs);
    expect(measurement[`${bad}MeasureTimeMs`]).toBeGreaterThan(firstMs);
    // No value is older than the one time that callers see.
    expect(bandwidthMeasureTimeMs(measurement)).toBe(measurement[`${good}MeasureTimeMs`]);
    await bench.crawl({ bandwidth: {} });
    expect([transfers(bench, bad).length, transfers(bench, good).length]).toEqual([2, 1]);
  });

  it("does not measure a direction again before its time only because there was too little data", async () => {
    const bench = aNetwork(1);
    bench.network.add(address(1), { upload: { mbps: null } });
    await bench.crawl({ bandwidth: {} });
    await bench.crawl({ bandwidth: {} });
    expect([downloads(bench), uploads(bench)]).toEqual([[key(1)], [key(1)]]);
  });

  it("measures one direction anew when only that one is old", async () => {
    const bench = aNetwork(1);
    const nowMs = bench.clock.nowMs();
    const old = {
      latencyNs: 5,
      sampleCount: 3,
      downloadMbps: 7,
      uploadMbps: 8,
      ...measuredAt(nowMs - 1_000),
    };
    bench.know(aRecord({ row: row(1), measurement: { ...old, downloadMeasureTimeMs: nowMs - 90_000_000 } }));
    await bench.crawl({ bandwidth: {} });
    expect([downloads(bench), uploads(bench)]).toEqual([[key(1)], []]);
    expect(bench.nodes.get(key(1))!.measurement).toMatchObject({ downloadMbps: 100, uploadMbps: 8 });
  });

  it("ends with its time, and names nobody whom that cut short", async () => {
    const bench = aNetwork(5, 1_000);
    const events = await bench.crawl({ bandwidth: { maxDurationMs: 4_500 } });
    expect(downloads(bench)).toHaveLength(3);
    expect(bodies(events, "nodeFailed")).toEqual([]);
    expect(tail(events).filter(({ body }) => body.kind === "nodeProbed")).toHaveLength(2);
    expect(bodies(events, "completed")[0]!.summary.endReason).toBe("FINISHED");
  });

  it("stops when nobody watches, frees its sockets, and goes on with the nodes that are left", async () => {
    const bench = aNetwork(3, 1_000);
    const caller = new AbortController();
    const reading = bench.read({ bandwidth: {} }, { signal: caller.signal });
    await bench.clock.advance(2_500);
    expect(downloads(bench)).toEqual([key(3), key(2)]);
    caller.abort();
    await bench.clock.advance(60_000);
    expect([bench.network.openCalls, bench.network.openApis]).toEqual([0, 0]);
    expect(downloads(bench)).toHaveLength(2);
    expect(bench.nodes.get(key(3))!.measurement).toMatchObject({ downloadMbps: 100 });
    const { resumeToken } = reading.events.at(-1)!;
    const again = bench.read({ resumeToken });
    await bench.finish(again);
    checkStream([...reading.events, ...again.events]);
    expect(downloads(bench)).toEqual([key(3), key(2), key(2), key(1)]);
  });

  it("stops when the gateway drains", async () => {
    const bench = aNetwork(3, 3_000);
    const reading = bench.read({ bandwidth: {} });
    await bench.clock.advance(100);
    bench.drain.abort();
    await bench.clock.advance(5_100);
    expect(reading.isDone).toBe(true);
    checkStream(reading.events);
    expect(bench.network.openCalls).toBe(0);
  });
});

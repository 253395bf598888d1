import { describe, expect, it } from "@jest/globals";
import type { CrawlEvent } from "../../../../src/p2p/contract.js";
import { crawlLimits } from "../../../../src/p2p/limits.js";
import { bodies, checkStream, CrawlBench } from "../../../support/crawl-bench.js";
import { settle } from "../../../support/fake-clock.js";
import { aRow, anAddress } from "../../../support/peers.js";

const row = (n: number) => aRow({ address: anAddress(n, 9_000) });

/** A chain of nodes that take their time, each of which knows the next. */
function slowChain(length = 4): CrawlBench {
  const bench = new CrawlBench();
  for (let n = 0; n < length; n += 1) {
    const rows = n + 1 < length ? [row(n + 1)] : [];
    bench.network.add(anAddress(n, 9_000), { rows, probe: { delayMs: 100 }, exchange: { delayMs: 100 } });
  }
  bench.know(row(0));
  return bench;
}

const sequences = (events: readonly CrawlEvent[]): number[] => events.map(({ sequence }) => sequence);

describe("callers who join", () => {
  it("share one crawl, though a hundred ask at the same moment", async () => {
    const bench = slowChain();
    const readings = Array.from({ length: 100 }, () => bench.read({ joinRunning: true }));
    for (const reading of readings) await bench.finish(reading);
    for (const { events } of readings) {
      checkStream(events);
      expect(events).toEqual(readings[0]!.events);
    }
    expect(bench.network.called("probe")).toHaveLength(4);
    expect(bench.network.called("exchange")).toHaveLength(3);
    expect(bench.writeCount).toBe(1);
  });

  it("see the crawl from its first event, however late they come", async () => {
    const bench = slowChain();
    const first = bench.read();
    await bench.clock.advance(350);
    const late = bench.read({ joinRunning: true, maxHops: 0 });
    await bench.finish(first);
    await bench.finish(late);
    expect(late.events).toEqual(first.events);
  });

  it("keep it running when the one who started it leaves", async () => {
    const bench = slowChain();
    const caller = new AbortController();
    const first = bench.read({}, { signal: caller.signal });
    await bench.clock.advance(150);
    const joined = bench.read({ joinRunning: true });
    await settle();
    caller.abort();
    await bench.finish(first);
    await bench.finish(joined);
    checkStream(joined.events);
    expect(bench.network.called("probe")).toHaveLength(4);
  });

  it("start one where none is in progress", async () => {
    const bench = slowChain();
    checkStream(await bench.crawl({ joinRunning: true }));
    checkStream(await bench.crawl({ joinRunning: true }));
    expect(bench.writeCount).toBe(2);
  });
});

describe("a caller who comes back", () => {
  /** Reads until `ms` have passed, and leaves. */
  async function readFor(bench: CrawlBench, ms: number, request = {}): Promise<readonly CrawlEvent[]> {
    const caller = new AbortController();
    const reading = bench.read(request, { signal: caller.signal });
    await bench.clock.advance(ms);
    caller.abort();
    await bench.finish(reading);
    return reading.events;
  }

  it("finds the crawl standing still, and goes on without gap or repeat", async () => {
    const bench = slowChain();
    const before = await readFor(bench, 450);
    const callCount = bench.network.calls.length;
    await bench.clock.advance(60_000);
    expect(bench.network.calls).toHaveLength(callCount);
    expect([bench.network.openCalls, bench.network.openApis]).toEqual([0, 0]);
    const after = bench.read({ resumeToken: before.at(-1)!.resumeToken });
    await bench.finish(after);
    checkStream([...before, ...after.events]);
    expect(bodies(after.events, "completed")[0]!.summary).toMatchObject({ activeCount: 4, addedCount: 3 });
  });

  it("hears of each hop's nodes before its end, though one that had answered is found out to be ourselves", async () => {
    const own = anAddress(1).host;
    const findAddress = (): Promise<string> =>
      new Promise((resolve) => void bench.clock.after(3_000, () => resolve(own)));
    const bench: CrawlBench = new CrawlBench({ findAddress });
    bench.network.add(anAddress(1));
    bench.network.add(anAddress(2), { probe: { hangs: true } });
    bench.know(aRow({ address: anAddress(1) }), aRow({ address: anAddress(2) }));
    const request = { maxHops: 1, maxConcurrency: 1 };
    const before = await readFor(bench, 2_000, request);
    expect(bodies(before, "nodeProbed")).toHaveLength(1);
    await bench.clock.advance(2_000);
    const after = bench.read({ ...request, resumeToken: before.at(-1)!.resumeToken });
    await bench.finish(after);
    checkStream([...before, ...after.events]);
    expect(bodies(after.events, "ownAddressFound")).toMatchObject([{ publicIpAddress: own }]);
  });

  it("does not bring back a node that was taken out while the crawl stood still", async () => {
    const bench = slowChain();
    const before = await readFor(bench, 1_000);
    const [gone = ""] = [...bench.nodes.keys()].slice(-1);
    expect(bench.nodes.size).toBeGreaterThan(1);
    await bench.service.removeNode(gone, "");
    const after = bench.read({ resumeToken: before.at(-1)!.resumeToken });
    await bench.finish(after);
    expect([...bench.nodes.keys()]).not.toContain(gone);
  });

  it("can come back to any event, also after the end", async () => {
    const bench = slowChain();
    const events = await bench.crawl();
    for (const [index, { resumeToken }] of events.entries()) {
      const rest = bench.read({ resumeToken });
      await bench.finish(rest);
      expect(rest.events).toEqual(events.slice(index + 1));
    }
  });

  it("comes too late after five minutes", async () => {
    const bench = slowChain();
    const resumeToken = (await readFor(bench, 450)).at(-1)!.resumeToken;
    await bench.clock.advance(crawlLimits.keptMs);
    const late = bench.read({ resumeToken });
    await bench.finish(late);
    expect(await late.done).toMatchObject({ reason: "RESUME_EXPIRED" });
  });

  it("is told that a token of another gateway, and one of nobody, is none", async () => {
    const resumeToken = (await slowChain().crawl()).at(-1)!.resumeToken;
    const other = slowChain();
    for (const [token, reason] of [
      [resumeToken, "RESUME_EXPIRED"],
      ["nonsense", "INVALID_RESUME_TOKEN"],
      ["%%%", "INVALID_RESUME_TOKEN"],
    ] as const) {
      const reading = other.read({ resumeToken: token });
      await other.finish(reading);
      expect(await reading.done).toMatchObject({ reason });
    }
    expect(other.network.calls).toEqual([]);
  });

  it("gives way to new crawls when as many as may are kept waiting", async () => {
    const bench = slowChain();
    for (let n = 0; n < crawlLimits.maxCrawls; n += 1) await readFor(bench, 150);
    expect((await bench.crawl()).length).toBeGreaterThan(0);
  });

  it("does not find a closed gateway that still writes: also a crawl that gave way is waited for", async () => {
    const bench = slowChain();
    for (let n = 0; n < crawlLimits.maxCrawls; n += 1) await readFor(bench, 150);
    const { table } = bench.deps;
    const update = table.update.bind(table);
    let write: () => void = () => undefined;
    let held: Promise<void> | undefined = new Promise((resolve) => (write = resolve));
    table.update = async (...change) => {
      await held;
      return await update(...change);
    };
    // The one that gives way writes, and the disk takes its time.
    const fifth = bench.read();
    await settle();
    held = undefined;
    let isClosed = false;
    const closing = bench.service.close().then(() => (isClosed = true));
    await bench.finish(fifth);
    await settle();
    expect(isClosed).toBe(false);
    write();
    await closing;
  });
});

describe("a caller's own deadline", () => {
  it("ends only that caller's stream, with one more number and no token", async () => {
    const bench = slowChain();
    const patient = bench.read();
    const hasty = bench.read({ joinRunning: true }, { timeoutMs: 600 });
    await bench.finish(hasty);
    await bench.finish(patient);
    const last = hasty.events.at(-1)!;
    expect(bodies(hasty.events, "completed")[0]!.summary.endReason).toBe("DEADLINE");
    expect([last.sequence, last.resumeToken]).toEqual([hasty.events.length, ""]);
    checkStream(patient.events);
    expect(bodies(patient.events, "completed")[0]!.summary.endReason).toBe("FINISHED");
  });

  it("leaves the token before it good, and what was learnt written", async () => {
    const bench = slowChain();
    const hasty = bench.read({}, { timeoutMs: 600 });
    await bench.finish(hasty);
    expect(bench.writeCount).toBe(1);
    const seen = hasty.events.slice(0, -1);
    const rest = bench.read({ resumeToken: seen.at(-1)!.resumeToken });
    await bench.finish(rest);
    checkStream([...seen, ...rest.events]);
    expect(sequences([...seen, ...rest.events]).length).toBeGreaterThan(seen.length);
  });
});

describe("the end of the gateway", () => {
  it("waits for a crawl that was only about to begin, and for what it writes", async () => {
    let resolve: (host: string) => void = () => undefined;
    const resolved = new Promise<string>((done) => {
      resolve = done;
    });
    const bench = new CrawlBench({ resolveName: () => resolved });
    const reading = bench.read({ seedAddresses: ["slow.example:9000"] }, { caller: "operator" });
    await settle();
    let isClosed = false;
    const closing = bench.service.close().then(() => {
      isClosed = true;
    });
    await settle();
    expect(isClosed).toBe(false);
    resolve(anAddress(0).host);
    await closing;
    expect(bench.writeCount).toBe(1);
    await bench.finish(reading);
    expect(bench.writeCount).toBe(1);
  });
});

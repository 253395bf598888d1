/** A store on another machine may lose what it has confirmed: whoever has seen it brings it back. */
import { randomUUID } from "node:crypto";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Logger, silentLogger } from "../../../src/observability/logger.js";
import type { RecordValue, StoredRecord } from "../../../src/store/contract.js";
import { storeLimits } from "../../../src/store/limits.js";
import { loadRescued } from "../../../src/store/rescue-work.js";
import { StoreError } from "../../../src/store/errors.js";
import { isOfRescue } from "../../../src/store/rescue-marks.js";
import { RecordView } from "../../../src/store/view.js";
import { FakeClock, settle } from "../../support/fake-clock.js";
import { MemoryStore } from "../../support/memory-store.js";

const opened: RecordView[] = [];
afterEach(async () => {
  for (const view of opened.splice(0)) await view.close();
});

class Desk {
  readonly store = new MemoryStore();
  readonly clock = new FakeClock();

  async view(logger: Logger = silentLogger): Promise<RecordView> {
    const view = await RecordView.open(this.store, logger, this.clock);
    opened.push(view);
    return view;
  }

  async write(put: Readonly<Record<string, number>>, ...deleted: readonly string[]): Promise<void> {
    await this.store.commit({
      operationId: randomUUID(),
      expect: [],
      put: Object.entries(put).map(([key, n]) => ({ key, value: { n } })),
      delete: deleted,
    });
    await settle();
  }

  /** Lets views notice, and what they do settle. */
  async notice(): Promise<void> {
    for (let round = 0; round < 5; round += 1) await this.clock.advance(1_000);
  }

  async records(): Promise<Record<string, RecordValue>> {
    const { records } = await this.store.load();
    return plainly(records.values());
  }
}

/** What is about rescues left out. */
const plainly = (records: Iterable<StoredRecord>): Record<string, RecordValue> =>
  Object.fromEntries(
    [...records].filter(({ key }) => !isOfRescue(key)).map(({ key, value }) => [key, value]),
  );
const shownBy = (view: RecordView): Record<string, RecordValue> => plainly(view.entries());

describe("a store that has lost what it confirmed", () => {
  it("gets all of it back after a flush, and nobody saw it empty", async () => {
    const desk = new Desk();
    const view = await desk.view();
    await desk.write({ a: 1, b: 1 });
    await desk.write({ b: 2 }, "a");
    await desk.write({ c: 3 });
    const shown: unknown[] = [];
    view.subscribe(() => shown.push(shownBy(view)));
    desk.store.loseAfter(0);
    await desk.notice();
    const whole = { b: { n: 2 }, c: { n: 3 } };
    expect(await desk.records()).toEqual(whole);
    expect(shown.length).toBeGreaterThan(0);
    for (const one of shown) expect(one).toEqual(whole);
  });

  it("that takes no writes is read again only now and then, and counts as away until it takes them", async () => {
    const desk = new Desk();
    const view = await desk.view();
    await desk.write({ a: 1 });
    const load = desk.store.load.bind(desk.store);
    let loadCount = 0;
    desk.store.load = async () => {
      loadCount += 1;
      return await load();
    };
    const standings: boolean[] = [];
    view.onStanding((isBehind) => standings.push(isBehind));
    desk.store.failure = new StoreError("STATE_READ_ONLY", "as told");
    desk.store.loseAfter(0);
    await desk.clock.advance(60_000);
    expect([standings, view.get("a")?.value]).toEqual([[false, true], { n: 1 }]);
    expect(loadCount).toBeLessThan(20);
    desk.store.failure = undefined;
    await desk.clock.advance(10_000);
    expect([standings, await desk.records()]).toEqual([[false, true, false], { a: { n: 1 } }]);
  });

  it("gets back what a lagging replica lacks: what was made, changed and deleted", async () => {
    const desk = new Desk();
    const view = await desk.view();
    await desk.write({ kept: 1, changed: 1, deleted: 1 });
    await desk.write({ made: 2, changed: 2 }, "deleted");
    desk.store.loseAfter(1);
    await desk.notice();
    const whole = { kept: { n: 1 }, changed: { n: 2 }, made: { n: 2 } };
    expect([await desk.records(), shownBy(view)]).toEqual([whole, whole]);
  });

  it("keeps what others wrote into the replica before it was noticed", async () => {
    const desk = new Desk();
    await desk.view();
    await desk.write({ kept: 1, theirs: 1, gone: 1 });
    await desk.write({ theirs: 2, ours: 2 });
    desk.store.loseAfter(1);
    // In the same breath: nobody has looked yet.
    void desk.store.commit({
      operationId: "other",
      expect: [],
      put: ["theirs", "new"].map((key) => ({ key, value: { n: 7 } })),
      delete: ["gone"],
    });
    await desk.notice();
    expect(await desk.records()).toEqual({
      kept: { n: 1 },
      theirs: { n: 7 },
      new: { n: 7 },
      ours: { n: 2 },
    });
  });

  it.each([
    ["nothing", {}],
    ["no list", { seen: "1-0000000000000000", tail: 7, earlier: null, isDone: true, timeMs: 1 }],
    ["no revision", { seen: "x", tail: [], earlier: [], isDone: true, timeMs: 1 }],
    ["no revisions", { seen: "1-0000000000000000", tail: [{}], earlier: [1], isDone: true, timeMs: 1 }],
    ["no time", { seen: "1-0000000000000000", tail: [], earlier: [], isDone: true }],
  ])("gets it back beside a record that looks like a mark and tells %s, which stays", async (_, foreign) => {
    const desk = new Desk();
    const told: unknown[] = [];
    const warn: Logger["warn"] = (fields, message) => {
      if (message.includes("mark")) told.push(fields);
    };
    const view = await desk.view({ ...silentLogger, warn });
    const key = `~rescue/by\u001b[2Jhand`;
    await desk.store.commit({ operationId: "hand", expect: [], put: [{ key, value: foreign }], delete: [] });
    await desk.write({ a: 1 });
    desk.store.loseAfter(1);
    await desk.notice();
    expect([await desk.records(), shownBy(view)]).toEqual([{ a: { n: 1 } }, { a: { n: 1 } }]);
    expect((await desk.store.get(key))?.value).toEqual(foreign);
    expect(told).toEqual([{ record: "~rescue/by\\u001b[2Jhand", otherCount: 0 }]);
  });

  it("gets it back where it is lost once more just then, and nobody saw it empty", async () => {
    const desk = new Desk();
    const view = await desk.view();
    await desk.write({ a: 1, b: 1 });
    const shown: unknown[] = [];
    view.subscribe(() => shown.push(shownBy(view)));
    const commit = desk.store.commit.bind(desk.store);
    let lossCount = 0;
    desk.store.commit = async (wish) => {
      const result = await commit(wish);
      lossCount += 1;
      if (lossCount < 4) desk.store.loseAfter(0);
      return result;
    };
    desk.store.loseAfter(0);
    await desk.notice();
    const whole = { a: { n: 1 }, b: { n: 1 } };
    expect([await desk.records(), shownBy(view), lossCount]).toEqual([whole, whole, 4]);
    for (const one of shown) expect(one).toEqual(whole);
  });

  it("gets it back once from several that have seen it", async () => {
    const desk = new Desk();
    const views = [await desk.view(), await desk.view(), await desk.view()];
    await desk.write({ a: 1, b: 1 });
    desk.store.loseAfter(0);
    await desk.notice();
    for (const view of views) expect(shownBy(view)).toEqual({ a: { n: 1 }, b: { n: 1 } });
    const count = desk.store.commits.length;
    await desk.notice();
    expect(desk.store.commits.length).toBe(count);
  });
});

it("brings back in commits that replace no more than one may", async () => {
  const store = new MemoryStore();
  const text = "x".repeat(60_000);
  const keys = Array.from({ length: 300 }, (_, n) => `s/${String(n)}`);
  const write = async (put: readonly string[], deleted: readonly string[]): Promise<void> => {
    const values = put.map((key) => ({ key, value: { text } }));
    await store.commit({ operationId: randomUUID(), expect: [], put: values, delete: deleted });
  };
  for (const key of keys) await write([key], []);
  const recent = new Set([...(await store.load()).records.values()].map(({ revision }) => revision));
  await write([], keys);
  const { records, revision: seen } = await store.load();
  // The deletions are lost.
  store.loseAfter(keys.length);
  const before = store.commits.length;
  const sizes = new Map(keys.map((key) => [key, text.length]));
  await loadRescued(
    store,
    { records, seen, recent: recent.add(seen) },
    { isAnotherPast: true, trail: [seen], nowMs: 1 },
  );
  expect((await store.load()).records.has("s/0")).toBe(false);
  for (const { delete: deleted } of store.commits.slice(before))
    expect(deleted.reduce((sum, key) => sum + (sizes.get(key) ?? 0), 0)).toBeLessThan(
      storeLimits.maxReplacedBytes,
    );
});

/** Several that have seen different beginnings of one history bring it back, in any order and any mixture. */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { RecordValue, StateStore, StoredRecord } from "../../../src/store/contract.js";
import type { Past } from "../../../src/store/rescue.js";
import { isOfRescue } from "../../../src/store/rescue-marks.js";
import { loadRescued } from "../../../src/store/rescue-work.js";
import { MemoryStore } from "../../support/memory-store.js";

type Values = Readonly<Record<string, RecordValue>>;
/** One commit: keys that it writes, keys that it deletes. */
interface Step {
  readonly put: readonly string[];
  readonly delete: readonly string[];
}

const keys = ["a", "b", "c", "d", "e"];
const some = fc.uniqueArray(fc.constantFrom(...keys), { maxLength: 3 });
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ put: some, delete: some }).map(({ put, delete: gone }) => ({
    put,
    delete: gone.filter((key) => !put.includes(key)),
  })),
  { minLength: 1, maxLength: 14 },
);

const plainly = (records: ReadonlyMap<string, StoredRecord>): Values =>
  Object.fromEntries(
    [...records.values()].filter(({ key }) => !isOfRescue(key)).map(({ key, value }) => [key, value]),
  );

/** Writes a history. @returns what was seen by who had seen the first n commits, for each n */
async function pastsOf(store: MemoryStore, history: readonly Step[]): Promise<readonly Past[]> {
  const pasts: Past[] = [];
  const recent: string[] = [];
  const see = async (): Promise<void> => {
    const { records, revision } = await store.load();
    recent.push(revision);
    pasts.push({ records, seen: revision, recent: new Set(recent) });
  };
  await see();
  for (const [n, step] of history.entries()) {
    const put = step.put.map((key) => ({ key, value: { n } }));
    await store.commit({ operationId: `op-${String(n)}`, expect: [], put, delete: step.delete });
    await see();
  }
  return pasts;
}

/** A store whose answers come when the scheduler says so, and which ends after so many commits. */
function scheduled(store: MemoryStore, scheduler: fc.Scheduler, maxCommits = Infinity): StateStore {
  let commitCount = 0;
  return {
    head: async () => await store.head(),
    get: async (key) => await store.get(key),
    changes: (after, signal) => store.changes(after, signal),
    close: async () => await store.close(),
    load: scheduler.scheduleFunction(async () => await store.load()),
    commit: scheduler.scheduleFunction(async (commit) => {
      commitCount += 1;
      if (commitCount > maxCommits) throw new Error("its gateway has died");
      return await store.commit(commit);
    }),
  };
}

const rescueBy = async (store: StateStore, past: Past): Promise<unknown> =>
  await loadRescued(store, past, {
    trail: [...past.recent],
    isAnotherPast: true,
    batchCount: 2,
    nowMs: 0,
  });

describe("a store that is brought back by several", () => {
  const orders = fc.record({
    history: steps,
    kept: fc.nat(14),
    seen: fc.array(fc.nat(14), { minLength: 1, maxLength: 4 }),
    scheduler: fc.scheduler(),
  });

  it("ends as the one who has seen most has seen it, whatever the order", async () => {
    await fc.assert(
      fc.asyncProperty(orders, async ({ history, kept, seen, scheduler }) => {
        const store = new MemoryStore();
        const pasts = await pastsOf(store, history);
        const keptCount = Math.min(kept, history.length);
        store.loseAfter(keptCount);
        // Who has seen no more than there is goes on where it was.
        const counts = seen.filter((count) => count <= history.length && count > keptCount);
        const most = Math.max(keptCount, ...counts);
        const work = counts.map((count) => rescueBy(scheduled(store, scheduler), pasts[count]!));
        await scheduler.waitFor(Promise.all(work));
        expect(plainly((await store.load()).records)).toEqual(plainly(pasts[most]!.records));
      }),
      { numRuns: 400 },
    );
  });

  it("is not set back by those who had seen less, even if they die half-way", async () => {
    await fc.assert(
      fc.asyncProperty(orders, fc.nat(3), async ({ history, kept, seen, scheduler }, commitCount) => {
        const store = new MemoryStore();
        const pasts = await pastsOf(store, history);
        const keptCount = Math.min(kept, history.length - 1);
        store.loseAfter(keptCount);
        const counts = seen.filter((count) => count < history.length && count > keptCount);
        const dying = counts.map((count) =>
          rescueBy(scheduled(store, scheduler, commitCount), pasts[count]!).catch(() => undefined),
        );
        const most = rescueBy(scheduled(store, scheduler), pasts[history.length]!);
        await scheduler.waitFor(Promise.all([most, ...dying]));
        expect(plainly((await store.load()).records)).toEqual(plainly(pasts[history.length]!.records));
      }),
      { numRuns: 400 },
    );
  });

  it("loses nothing that those who live have seen, if the one who had seen more dies half-way", async () => {
    await fc.assert(
      fc.asyncProperty(orders, fc.nat(3), async ({ history, kept, seen, scheduler }, commitCount) => {
        const store = new MemoryStore();
        const pasts = await pastsOf(store, history);
        const keptCount = Math.min(kept, history.length - 1);
        store.loseAfter(keptCount);
        const counts = seen.filter((count) => count < history.length && count > keptCount);
        const dying = rescueBy(scheduled(store, scheduler, commitCount), pasts[history.length]!);
        const living = counts.map((count) => rescueBy(scheduled(store, scheduler), pasts[count]!));
        await scheduler.waitFor(Promise.all([dying.catch(() => undefined), ...living]));
        const found = plainly((await store.load()).records);
        const known = pasts.slice(Math.max(keptCount, ...counts)).map(({ records }) => plainly(records));
        for (const key of keys) expect(known.map((values) => values[key])).toContainEqual(found[key]);
      }),
      { numRuns: 400 },
    );
  });

  it("keeps away what was removed after it was brought back, and has what was changed since", async () => {
    const store = new MemoryStore();
    const pasts = await pastsOf(store, [
      { put: ["a", "b", "c"], delete: [] },
      { put: ["c", "d"], delete: ["b"] },
    ]);
    store.loseAfter(0);
    await rescueBy(store, pasts[1]!);
    await store.commit({
      operationId: "later",
      expect: [],
      put: [{ key: "c", value: { isLater: true } }],
      delete: ["a"],
    });
    await rescueBy(store, pasts[2]!);
    expect(plainly((await store.load()).records)).toEqual({ c: { isLater: true }, d: { n: 1 } });
  });
});

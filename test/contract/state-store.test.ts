/** What every backend of the state store must do. What holds for one of them only has a test file of its own. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { ChangeSet, RecordValue, StateStore } from "../../src/store/contract.js";
import { StoreError } from "../../src/store/errors.js";
import { storeLimits } from "../../src/store/limits.js";
import { backends, type BackendState } from "../support/store-backends.js";
import { aCommit, aPut, commit, committed, put, reasonOf, startOf, take } from "../support/store-calls.js";

describe.each(backends)("$name store", ({ create }) => {
  let state: BackendState;
  let store: StateStore;
  const opened: BackendState[] = [];
  beforeEach(async () => {
    state = await create();
    store = state.store;
    opened.push(state);
  });
  afterEach(async () => {
    for (const each of opened.splice(0)) await each.destroy();
  });
  const createWith = async (commits: number, bytes = storeLimits.historyBytes): Promise<StateStore> => {
    const bounded = await create({ history: { commits, bytes } });
    opened.push(bounded);
    return bounded.store;
  };

  describe("commit", () => {
    it("writes all records with one revision, which get and load show", async () => {
      const revision = await commit(store, {
        put: [
          { key: "a", value: { n: 1 } },
          { key: "b", value: { n: 2 } },
        ],
      });
      const a = { key: "a", value: { n: 1 }, revision };
      const b = { key: "b", value: { n: 2 }, revision };
      expect(await store.get("a")).toEqual(a);
      expect(await store.get("b")).toEqual(b);
      expect(await store.load()).toMatchObject({
        records: new Map([
          ["a", a],
          ["b", b],
        ]),
        revision,
      });
    });

    it("replaces and deletes", async () => {
      await put(store, "a", { old: true });
      await put(store, "b");
      await commit(store, { put: [{ key: "a", value: { new: true } }], delete: ["b", "never-there"] });
      expect((await store.get("a"))?.value).toEqual({ new: true });
      expect(await store.get("b")).toBeUndefined();
      expect((await store.load()).records.size).toBe(1);
    });

    it("numbers revisions one by one, each with a nonce of its own", async () => {
      const revisions = [await startOf(store), await put(store, "a"), await put(store, "a")];
      expect(revisions.map((revision) => revision.split("-")[0])).toEqual(["0", "1", "2"]);
      expect(new Set(revisions.map((revision) => revision.split("-")[1])).size).toBe(3);
    });

    it("is what head tells at once", async () => {
      expect(await store.head()).toBe(await startOf(store));
      const revision = await put(store, "a");
      expect(await store.head()).toBe(revision);
    });

    it("is durable when it resolves", async () => {
      const revision = await put(store, "a", { n: 1 });
      expect(await (await state.reopen()).get("a")).toEqual({ key: "a", value: { n: 1 }, revision });
      expect(await startOf(state.store)).toBe(revision);
    });

    it("counts on after a reopen", async () => {
      await put(store, "a");
      expect((await put(await state.reopen(), "a")).split("-")[0]).toBe("2");
    });
  });

  describe("expectations", () => {
    it("takes a record with the expected revision, and one that is absent as expected", async () => {
      const revision = await put(store, "a");
      const result = await store.commit(
        aCommit({
          expect: [
            { key: "a", revision },
            { key: "b", revision: undefined },
          ],
          put: [{ key: "b", value: {} }],
        }),
      );
      expect(result.kind).toBe("committed");
    });

    it.each([
      ["stale", "a", "1-0123456789abcdef"],
      ["of a record that is gone", "gone", "1-0123456789abcdef"],
      ["of absence, when there is one", "a", undefined],
    ])(
      "refuses an expectation %s, names record and revision, and changes nothing",
      async (_, key, expected) => {
        const revision = await put(store, "a", { n: 1 });
        const result = await store.commit(
          aCommit({
            expect: [
              { key: "a", revision },
              { key, revision: expected },
            ],
            put: [
              { key: "a", value: { n: 2 } },
              { key: "c", value: {} },
            ],
            delete: ["b"],
          }),
        );
        expect(result).toEqual({
          kind: "conflict",
          key,
          revision: key === "a" ? revision : undefined,
          storeRevision: revision,
        });
        expect([...(await store.load()).records.values()]).toEqual([{ key: "a", value: { n: 1 }, revision }]);
        expect(await startOf(store)).toBe(revision);
      },
    );

    it("refuses an expectation whose record was deleted and made anew", async () => {
      const first = await put(store, "a");
      await commit(store, { delete: ["a"] });
      const second = await put(store, "a");
      const result = await store.commit(aCommit({ expect: [{ key: "a", revision: first }] }));
      expect(result).toEqual({ kind: "conflict", key: "a", revision: second, storeRevision: second });
    });

    it("lets exactly one of 256 concurrent commits win per revision", async () => {
      for (let round = 0; round < 4; round += 1) {
        const revision = (await store.get("counter"))?.revision;
        const results = await Promise.all(
          Array.from({ length: 256 }, async (_, n) =>
            store.commit(
              aCommit({ expect: [{ key: "counter", revision }], put: [{ key: "counter", value: { n } }] }),
            ),
          ),
        );
        const winners = results.flatMap((result, n) => (result.kind === "committed" ? [n] : []));
        expect(winners).toHaveLength(1);
        expect((await store.get("counter"))?.value).toEqual({ n: winners[0] });
      }
    });

    it("counts without a loss when 32 workers increment one record and retry", async () => {
      const increment = async (): Promise<void> => {
        for (;;) {
          const old = await store.get("counter");
          const n = Number(old?.value["n"] ?? 0) + 1;
          const expectations = [{ key: "counter", revision: old?.revision }];
          const change = aCommit({ expect: expectations, put: [{ key: "counter", value: { n } }] });
          if ((await store.commit(change)).kind === "committed") return;
        }
      };
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          await increment();
          await increment();
        }),
      );
      expect((await store.get("counter"))?.value).toEqual({ n: 64 });
    });
  });

  describe("a repeated operation", () => {
    it("returns the stored answer and does nothing, also when others wrote since", async () => {
      const operation = aPut("a", { n: 1 });
      const first = await store.commit(operation);
      const later = await put(store, "a", { n: 2 });
      expect(await store.commit(operation)).toEqual(first);
      expect((await store.get("a"))?.value).toEqual({ n: 2 });
      expect(await startOf(store)).toBe(later);
    });

    it("returns the stored answer even if its expectations do not hold any more", async () => {
      const operation = aCommit({
        expect: [{ key: "a", revision: undefined }],
        put: [{ key: "a", value: {} }],
      });
      expect(await store.commit(operation)).toEqual(await store.commit(operation));
    });

    it("returns the stored answer after a reopen", async () => {
      const operation = aPut("a");
      const first = await store.commit(operation);
      expect(await (await state.reopen()).commit(operation)).toEqual(first);
    });

    it("is done once when it is asked for at the same time", async () => {
      const start = await startOf(store);
      const operation = aPut("a");
      const results = await Promise.all(Array.from({ length: 64 }, async () => store.commit(operation)));
      expect(new Set(results.map(committed)).size).toBe(1);
      expect(await startOf(store)).toBe(committed(results[0]!));
      expect(await take(store, start, 1)).toHaveLength(1);
    });

    it("is tried anew after a conflict", async () => {
      const revision = await put(store, "a");
      const operation = aCommit({
        expect: [{ key: "a", revision: undefined }],
        put: [{ key: "b", value: {} }],
      });
      expect(await store.commit(operation)).toEqual({
        kind: "conflict",
        key: "a",
        revision,
        storeRevision: revision,
      });
      await commit(store, { delete: ["a"] });
      expect((await store.commit(operation)).kind).toBe("committed");
    });

    it("is a new one once its commit has left the history", async () => {
      const bounded = await createWith(10);
      const operation = aPut("a", { n: 1 });
      const first = committed(await bounded.commit(operation));
      for (let n = 0; n < 200; n += 1) await put(bounded, "b");
      expect(committed(await bounded.commit(operation))).not.toBe(first);
    });
  });

  describe("changes", () => {
    it("hands out each commit as one change set, in order, with what was there before", async () => {
      const start = await startOf(store);
      const earliestMs = Date.now();
      const first = await commit(store, {
        put: [
          { key: "b", value: { n: 1 } },
          { key: "a", value: { n: 2 } },
        ],
      });
      const second = await commit(store, { put: [{ key: "a", value: { n: 3 } }], delete: ["none", "b"] });
      const sets = await take(store, start, 2);
      expect(sets.map(({ revision, changes }) => ({ revision, changes }))).toEqual([
        {
          revision: first,
          changes: [
            { key: "b", value: { n: 1 }, previous: undefined },
            { key: "a", value: { n: 2 }, previous: undefined },
          ],
        },
        {
          revision: second,
          changes: [
            { key: "a", value: { n: 3 }, previous: { n: 2 } },
            { key: "b", value: undefined, previous: { n: 1 } },
          ],
        },
      ]);
      for (const { timeMs } of sets) {
        expect(timeMs).toBeGreaterThanOrEqual(earliestMs - 1);
        expect(timeMs).toBeLessThanOrEqual(Date.now() + 1);
      }
    });

    it("hands out a commit that changes nothing as an empty set", async () => {
      const start = await startOf(store);
      const revision = await commit(store, { delete: ["none"] });
      expect(await take(store, start, 1)).toEqual([{ revision, timeMs: expect.any(Number), changes: [] }]);
    });

    it("hands out nothing for a conflict or a repetition", async () => {
      const start = await startOf(store);
      const operation = aPut("a");
      const first = committed(await store.commit(operation));
      await store.commit(operation);
      await store.commit(aCommit({ expect: [{ key: "a", revision: undefined }] }));
      const last = await put(store, "b");
      expect((await take(store, start, 2)).map(({ revision }) => revision)).toEqual([first, last]);
    });

    it("goes on after any revision, without gap or repeat, also after a reopen", async () => {
      const revisions = [await startOf(store)];
      for (let n = 0; n < 20; n += 1) revisions.push(await put(store, `k${n % 3}`, { n }));
      const reopened = await state.reopen();
      for (const [n, revision] of revisions.entries()) {
        const seen = await take(reopened, revision, 20 - n);
        expect(seen.map((changeSet) => changeSet.revision)).toEqual(revisions.slice(n + 1));
      }
    });

    it("waits for commits to come, and ends quietly when its signal does", async () => {
      const start = await startOf(store);
      const leaving = new AbortController();
      const seen: string[] = [];
      let onSeen: () => void = () => undefined;
      const reading = (async () => {
        for await (const { revision } of store.changes(start, leaving.signal)) {
          seen.push(revision);
          onSeen();
        }
      })();
      for (let n = 0; n < 3; n += 1) {
        const arrived = new Promise<void>((resolve) => (onSeen = resolve));
        const revision = await put(store, "a", { n });
        await arrived;
        expect(seen.at(-1)).toBe(revision);
      }
      leaving.abort();
      await reading;
      expect(seen).toHaveLength(3);
    });

    it("is empty when its signal has ended before", async () => {
      const start = await startOf(store);
      await put(store, "a");
      const sets: ChangeSet[] = [];
      for await (const changeSet of store.changes(start, AbortSignal.abort())) sets.push(changeSet);
      expect(sets).toEqual([]);
    });

    it("gives every one of 200 readers every commit of 500 that are made at once", async () => {
      const start = await startOf(store);
      const readers = Array.from({ length: 200 }, async () => take(store, start, 500));
      await Promise.all(Array.from({ length: 500 }, async (_, n) => put(store, `k${n}`, { n })));
      const [first, ...others] = await Promise.all(readers);
      const numbers = first!.map(({ revision }) => Number(revision.split("-")[0]));
      expect(numbers).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
      const revisionsOf = (sets: readonly ChangeSet[]): string => sets.map((set) => set.revision).join();
      for (const other of others) expect(revisionsOf(other)).toBe(revisionsOf(first!));
    });

    it.each(["0-0123456789abcdef", "1-0123456789abcdef", "7-0123456789abcdef", "", "x", "1", "-1-", "1e3-a"])(
      "fails with REVISION_COMPACTED after %p, which is no commit of this history",
      async (revision) => {
        await put(store, "a");
        expect(await reasonOf(take(store, revision, 1))).toBe("REVISION_COMPACTED");
      },
    );

    it("fails with REVISION_COMPACTED after a commit that has left the history, by number", async () => {
      const bounded = await createWith(10);
      const revisions: string[] = [await startOf(bounded)];
      for (let n = 0; n < 200; n += 1) revisions.push(await put(bounded, "a", { n }));
      expect(await reasonOf(take(bounded, revisions[0]!, 1))).toBe("REVISION_COMPACTED");
      expect(await reasonOf(take(bounded, revisions[50]!, 1))).toBe("REVISION_COMPACTED");
      expect(await take(bounded, revisions[195]!, 5)).toHaveLength(5);
    });

    it("fails with REVISION_COMPACTED after a commit that has left the history, by size", async () => {
      const bounded = await createWith(storeLimits.historyCommits, 100_000);
      const revisions: string[] = [];
      for (let n = 0; n < 100; n += 1) revisions.push(await put(bounded, "a", { text: "x".repeat(10_000) }));
      expect(await reasonOf(take(bounded, revisions[0]!, 1))).toBe("REVISION_COMPACTED");
      expect(await take(bounded, revisions[97]!, 2)).toHaveLength(2);
    });

    it("never keeps more than its bytes, when large commits follow many small ones", async () => {
      const limit = 100_000;
      const bounded = await createWith(storeLimits.historyCommits, limit);
      const start = await startOf(bounded);
      await Promise.all(Array.from({ length: 600 }, async (_, n) => await put(bounded, "a", { n })));
      for (let n = 0; n < 8; n += 1) {
        const head = await put(bounded, "b", { text: `${n}`.repeat(20_000) });
        const failure = await take(bounded, start, 1).catch((error: unknown) => error);
        const { oldest = start } = failure instanceof StoreError ? failure.metadata : {};
        const [from, to] = [oldest, head].map((revision) => Number(revision.split("-")[0]));
        const kept = await take(bounded, oldest, to! - from!);
        expect(JSON.stringify(kept.map(({ changes }) => changes)).length).toBeLessThan(limit);
      }
    });

    it("names the first revision that can be resumed to one who comes back too late", async () => {
      const bounded = await createWith(10);
      const start = await startOf(bounded);
      for (let n = 0; n < 200; n += 1) await put(bounded, "a", { n });
      const failure = await take(bounded, start, 1).catch((error: unknown) => error);
      expect(failure).toMatchObject({ reason: "REVISION_COMPACTED", metadata: { revision: start } });
      const { oldest = "" } = (failure as StoreError).metadata;
      expect(await take(bounded, oldest, 10)).toHaveLength(10);
    });

    it("tells a reader slower than the history that commits were missed", async () => {
      const bounded = await createWith(10);
      const reading = bounded.changes(await startOf(bounded), new AbortController().signal);
      const reader = reading[Symbol.asyncIterator]();
      await put(bounded, "a");
      await reader.next();
      for (let n = 0; n < 200; n += 1) await put(bounded, "a");
      const rest = (async () => {
        while ((await reader.next()).done !== true);
      })();
      expect(await reasonOf(rest)).toBe("REVISION_COMPACTED");
    });
  });

  describe("load", () => {
    it("is empty at first, at the revision that changes begin after", async () => {
      const { records, revision } = await store.load();
      expect(records.size).toBe(0);
      const first = await put(store, "a");
      expect((await take(store, revision, 1))[0]?.revision).toBe(first);
    });

    it("shows one state while commits go on, and changes lead on from there", async () => {
      const fillers = Array.from({ length: 5_000 }, (_, n) => ({ key: `filler/${n}`, value: { n } }));
      for (let from = 0; from < 5_000; from += 1_000)
        await commit(store, { put: fillers.slice(from, from + 1_000) });
      let isOver = false;
      // Both ends of the key space hold the same number, always.
      const write = async (n: number): Promise<unknown> =>
        await commit(store, {
          put: [
            { key: "!first", value: { n } },
            { key: "~last", value: { n } },
          ],
        });
      await write(0);
      const writing = (async () => {
        for (let n = 1; !isOver; n += 1) await write(n);
      })();
      const seen = new Set<unknown>();
      for (let round = 0; round < 20; round += 1) {
        const { records, revision } = await store.load();
        const first = records.get("!first");
        expect(first?.value).toEqual(records.get("~last")?.value);
        expect(records.size).toBe(5_002);
        expect(first?.revision).toBe(revision);
        seen.add(first?.value["n"]);
        const [next] = await take(store, revision, 1);
        expect(next?.changes[0]?.previous).toEqual(first?.value);
      }
      isOver = true;
      await writing;
      expect(seen.size).toBeGreaterThan(5);
    });
  });

  describe("values", () => {
    it.each<[string, RecordValue]>([
      ["text of every plane", { text: "Zürich 🚀 日本 \u0000 \u2028 \ud83d" }],
      [
        "field names that programs trip over",
        JSON.parse('{"__proto__":{"a":1},"constructor":2,"":3,"length":4}') as RecordValue,
      ],
      ["every kind of JSON", { a: null, b: true, c: [1, [2, {}], "x"], d: -0.5e-7, e: 2 ** 53, f: {} }],
      ["nothing", {}],
    ])("come back as they were: %s", async (_, value) => {
      const start = await startOf(store);
      await put(store, "a", value);
      await commit(store, { delete: ["a"] });
      await put(store, "a", value);
      const text = JSON.stringify(value);
      expect(JSON.stringify((await (await state.reopen()).get("a"))?.value)).toBe(text);
      expect(JSON.stringify((await state.store.load()).records.get("a")?.value)).toBe(text);
      const [first, second] = await take(state.store, start, 2);
      expect(JSON.stringify(first?.changes[0]?.value)).toBe(text);
      expect(JSON.stringify(second?.changes[0]?.previous)).toBe(text);
      expect(({} as { a?: unknown }).a).toBeUndefined();
    });

    it("are not changed by who made them afterwards", async () => {
      const value = { list: [1] };
      const writing = put(store, "a", value);
      value.list.push(2);
      await writing;
      expect((await store.get("a"))?.value).toEqual({ list: [1] });
    });
  });

  describe("limits", () => {
    const longest = "k".repeat(storeLimits.maxKeyBytes);
    const fitting = (bytes: number): string => "x".repeat(bytes - "a".length - '{"t":""}'.length);

    it("takes the longest key, the most operations and the most bytes", async () => {
      await commit(store, { operationId: longest, put: [{ key: longest, value: {} }] });
      expect(await store.get(longest)).toBeDefined();
      const puts = Array.from({ length: 512 }, (_, n) => ({ key: `p${n}`, value: {} }));
      const expectations = puts.map(({ key }) => ({ key, revision: undefined }));
      await commit(store, { put: puts, expect: expectations });
      await put(store, "a", { t: fitting(storeLimits.maxCommitBytes) });
      expect((await store.load()).records.size).toBe(514);
    });

    it.each([
      ["a longer key", aPut(`${longest}k`)],
      ["a longer operation id", aCommit({ operationId: `${longest}k` })],
      ["a longer expected key", aCommit({ expect: [{ key: `${longest}k`, revision: undefined }] })],
      ["a longer deleted key", aCommit({ delete: [`${longest}k`] })],
      ["more operations", aCommit({ delete: Array.from({ length: 1_025 }, (_, n) => `k${n}`) })],
      ["more bytes", aPut("a", { t: `${fitting(storeLimits.maxCommitBytes)}x` })],
      ["more bytes in UTF-8", aPut("a", { t: "ü".repeat(storeLimits.maxCommitBytes / 2) })],
    ])("refuses %s with STATE_TOO_LARGE, and changes nothing", async (_, tooLarge) => {
      const start = await startOf(store);
      expect(await reasonOf(store.commit(tooLarge))).toBe("STATE_TOO_LARGE");
      expect(await startOf(store)).toBe(start);
    });

    it("refuses to replace more than a change set carries, and changes nothing", async () => {
      const keys = ["a", "b", "c", "d", "e"];
      for (const key of keys) await put(store, key, { t: "x".repeat(1_900_000) });
      const start = await startOf(store);
      expect(await reasonOf(commit(store, { put: [{ key: "f", value: {} }], delete: keys }))).toBe(
        "STATE_TOO_LARGE",
      );
      expect(await startOf(store)).toBe(start);
      expect((await store.load()).records.size).toBe(5);
      await commit(store, { delete: keys.slice(1) });
    });

    it.each([
      ["an empty key", aPut("")],
      ["a key that is not ASCII", aPut("ü")],
      ["a key with a control character", aPut("a\n")],
      ["an empty operation id", aCommit({ operationId: "" })],
      [
        "a record put twice",
        aCommit({
          put: [
            { key: "a", value: {} },
            { key: "a", value: {} },
          ],
        }),
      ],
      ["a record put and deleted", aCommit({ put: [{ key: "a", value: {} }], delete: ["a"] })],
      ["a value that is no object", aPut("a", [] as never)],
      ["a value that JSON cannot hold", aPut("a", { n: 1n } as never)],
    ])("refuses %s with INVALID_COMMIT, and changes nothing", async (_, invalid) => {
      const start = await startOf(store);
      expect(await reasonOf(store.commit(invalid))).toBe("INVALID_COMMIT");
      expect(await startOf(store)).toBe(start);
    });

    it("refuses to get what is no key", async () => {
      expect(await reasonOf(store.get(`${longest}k`))).toBe("STATE_TOO_LARGE");
      expect(await reasonOf(store.get(""))).toBe("INVALID_COMMIT");
    });

    it("takes back only the commit that is refused, of many at once", async () => {
      for (const key of ["a", "b", "c", "d", "e"]) await put(store, key, { t: "x".repeat(1_900_000) });
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, async (_, n) =>
          n === 10
            ? commit(store, { put: [{ key: "torn", value: {} }], delete: ["a", "b", "c", "d", "e"] })
            : put(store, `k${n}`),
        ),
      );
      expect(results.map(({ status }) => status === "fulfilled")).toEqual(
        Array.from({ length: 20 }, (_, n) => n !== 10),
      );
      const { records, revision } = await store.load();
      expect(records.size).toBe(24);
      expect(records.has("torn")).toBe(false);
      expect(revision.split("-")[0]).toBe("24");
    });
  });

  describe("close", () => {
    it("makes durable what was asked for before", async () => {
      const writing = Array.from({ length: 100 }, async (_, n) => put(store, `k${n}`));
      await store.close();
      await Promise.all(writing);
      expect((await (await state.reopen()).load()).records.size).toBe(100);
    });

    it("fails every call afterwards with STATE_STORE_UNAVAILABLE", async () => {
      const start = await startOf(store);
      await store.close();
      await store.close();
      const calls = [store.load(), store.get("a"), store.commit(aPut("a")), take(store, start, 1)];
      for (const call of calls) expect(await reasonOf(call)).toBe("STATE_STORE_UNAVAILABLE");
    });

    it("ends readers that wait, and loads under way, with STATE_STORE_UNAVAILABLE or what they asked for", async () => {
      const puts = Array.from({ length: 1_000 }, (_, n) => ({ key: `k${n}`, value: { n } }));
      await commit(store, { put: puts });
      const reading = reasonOf(take(store, await startOf(store), 1));
      const loading = store.load().then(
        ({ records }) => records.size,
        (error: unknown) => (error as { reason: string }).reason,
      );
      await store.close();
      expect(await reading).toBe("STATE_STORE_UNAVAILABLE");
      expect([1_000, "STATE_STORE_UNAVAILABLE"]).toContain(await loading);
    });
  });
});

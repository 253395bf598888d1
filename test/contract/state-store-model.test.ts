/** Random histories against a model that is too simple to be wrong. A failure prints the seed that repeats it. */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Commit, CommitResult, RecordValue, Revision, StateStore } from "../../src/store/contract.js";
import { backends, type BackendState } from "../support/store-backends.js";
import { aCommit, startOf, take } from "../support/store-calls.js";

interface Model {
  readonly records: Map<string, { readonly value: RecordValue; readonly revision: Revision }>;
  readonly answers: Map<string, CommitResult>;
  /** All commits so far, as states: what `changes` must lead through. */
  readonly states: { readonly revision: Revision; readonly values: ReadonlyMap<string, RecordValue> }[];
}

interface Real {
  readonly state: BackendState;
}

type Command = fc.AsyncCommand<Model, Real>;

const keys = ["a", "b", "c", "d", "__proto__"];
const keyOf = fc.constantFrom(...keys);
const someKeys = fc.uniqueArray(keyOf, { maxLength: 3 });
/** Spelled as JSON: one in some ten thousand holds -0, which no store keeps apart from 0. */
const someValue = fc
  .dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as RecordValue);

interface Wish {
  readonly expect: readonly { readonly key: string; readonly as: "it is" | "absent" | "stale" }[];
  readonly put: readonly string[];
  readonly delete: readonly string[];
  readonly value: RecordValue;
}

const someWish: fc.Arbitrary<Wish> = fc.record({
  expect: fc.array(
    fc.record({
      key: keyOf,
      as: fc.constantFrom("it is" as const, "it is" as const, "absent" as const, "stale" as const),
    }),
    { maxLength: 2 },
  ),
  put: someKeys,
  delete: someKeys,
  value: someValue,
});

/** Spells a wish as a commit, given what is there. */
function commitFor(wish: Wish, { records }: Model): Commit {
  const revisionFor = (key: string, as: string): Revision | undefined =>
    as === "absent" ? undefined : as === "stale" ? "1-0123456789abcdef" : records.get(key)?.revision;
  return aCommit({
    expect: wish.expect.map(({ key, as }) => ({ key, revision: revisionFor(key, as) })),
    put: wish.put.map((key) => ({ key, value: wish.value })),
    delete: wish.delete.filter((key) => !wish.put.includes(key)),
  });
}

/** What the model says of a commit; the revision is the store's to choose. */
function applyTo(model: Model, commit: Commit, result: CommitResult): void {
  const stored = model.answers.get(commit.operationId);
  if (stored !== undefined) {
    expect(result).toEqual(stored);
    return;
  }
  const broken = commit.expect.find(({ key, revision }) => model.records.get(key)?.revision !== revision);
  if (broken !== undefined) {
    const { key } = broken;
    expect(result).toMatchObject({ kind: "conflict", key, revision: model.records.get(key)?.revision });
    return;
  }
  if (result.kind !== "committed") throw new Error(`conflict on ${result.key}, and there is none`);
  const { revision } = result;
  for (const { key, value } of commit.put) model.records.set(key, { value, revision });
  for (const key of commit.delete) model.records.delete(key);
  model.answers.set(commit.operationId, result);
  model.states.push({ revision, values: valuesOf(model.records) });
}

const valuesOf = (
  records: Iterable<readonly [string, { readonly value: RecordValue }]>,
): Map<string, RecordValue> => new Map([...records].map(([key, { value }]) => [key, value]));

const text = (values: ReadonlyMap<string, RecordValue>): string =>
  JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1)));

const run = (name: string, act: (model: Model, store: StateStore, real: Real) => Promise<void>): Command => ({
  check: () => true,
  run: async (model, real) => await act(model, real.state.store, real),
  toString: () => name,
});

const someCommand: readonly fc.Arbitrary<Command>[] = [
  someWish.map((wish) =>
    run(`commit ${JSON.stringify(wish)}`, async (model, store) => {
      const commit = commitFor(wish, model);
      applyTo(model, commit, await store.commit(commit));
    }),
  ),
  fc.array(someWish, { minLength: 2, maxLength: 6 }).map((wishes) =>
    run(`commit at once ${JSON.stringify(wishes)}`, async (model, store) => {
      const commits = wishes.map((wish) => commitFor(wish, model));
      const results = await Promise.all(commits.map(async (commit) => await store.commit(commit)));
      // Asked for in one tick, they are done in the order of their revisions; conflicts may stand anywhere between.
      const done = commits.flatMap((commit, n) => {
        const result = results[n];
        return result?.kind === "committed" ? [{ commit, result }] : [];
      });
      const numberOf = ({ revision }: { revision: Revision }): number => Number(revision.split("-")[0]);
      done.sort((a, b) => numberOf(a.result) - numberOf(b.result));
      for (const { commit, result } of done) applyTo(model, commit, result);
      expect(await startOf(store)).toBe(model.states.at(-1)?.revision);
    }),
  ),
  fc.nat({ max: 50 }).map((back) =>
    run(`repeat ${back} back`, async (model, store) => {
      const [operationId] = [...model.answers.keys()].slice(-1 - back);
      if (operationId === undefined) return;
      const commit = aCommit({ operationId, put: [{ key: "a", value: { repeated: true } }] });
      applyTo(model, commit, await store.commit(commit));
    }),
  ),
  keyOf.map((key) =>
    run(`get ${key}`, async (model, store) => {
      const expected = model.records.get(key);
      expect(await store.get(key)).toEqual(expected === undefined ? undefined : { key, ...expected });
    }),
  ),
  fc.constant(
    run("load", async (model, store) => {
      const { records, revision } = await store.load();
      expect(revision).toBe(model.states.at(-1)?.revision);
      expect(text(valuesOf(records))).toBe(text(valuesOf(model.records)));
    }),
  ),
  fc.nat({ max: 50 }).map((back) =>
    run(`changes from ${back} back`, async (model, store) => {
      const from = Math.max(0, model.states.length - 1 - back);
      const start = model.states[from]!;
      const replayed = new Map(start.values);
      const expected = model.states.slice(from + 1);
      const sets = await take(store, start.revision, expected.length);
      for (const [n, { revision, changes }] of sets.entries()) {
        for (const { key, value, previous } of changes) {
          expect(JSON.stringify(previous)).toBe(JSON.stringify(replayed.get(key)));
          if (value === undefined) replayed.delete(key);
          else replayed.set(key, value);
        }
        expect(revision).toBe(expected[n]?.revision);
        expect(text(replayed)).toBe(text(expected[n]!.values));
      }
    }),
  ),
  fc.constant(
    run("reopen", async (_, __, { state }) => {
      await state.reopen();
    }),
  ),
];

describe.each(backends)("$name store", ({ create }) => {
  it("does what the model does, whatever the history", async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands([...someCommand], { maxCommands: 40 }), async (commands) => {
        const state = await create();
        try {
          const revision = await startOf(state.store);
          const model: Model = {
            records: new Map(),
            answers: new Map(),
            states: [{ revision, values: new Map() }],
          };
          await fc.asyncModelRun(() => ({ model, real: { state } }), commands);
        } finally {
          await state.destroy();
        }
      }),
      { numRuns: 60 },
    );
    // Each commit of the embedded store waits for the disk.
  }, 300_000);
});

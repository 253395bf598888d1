/** Work on a store whose backend fails, and the judge of what came of it. */
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "@jest/globals";
import type { ChangeSet, Commit, Revision, StateStore } from "../../src/store/contract.js";
import { silentLogger } from "../../src/observability/logger.js";
import { StoreError } from "../../src/store/errors.js";
import { RecordView } from "../../src/store/view.js";
import { aCommit, startOf } from "./store-calls.js";

export type Outcome =
  | { readonly kind: "committed"; readonly revision: Revision }
  | { readonly kind: "conflict" | "not_done" | "unknown" };

/** Commits, and remembers what it was told. */
export class Workload {
  readonly outcomes = new Map<string, Outcome>();
  readonly failures: StoreError[] = [];
  readonly #store: StateStore;
  readonly #name: string;

  constructor(store: StateStore, name = "w") {
    this.#store = store;
    this.#name = name;
  }

  /** Adds one to a counter that others may want as well, and leaves two records of its own, in one commit. */
  async increment(): Promise<Outcome> {
    const id = `${this.#name}/${this.outcomes.size}`;
    const outcome = await this.#outcomeOf(async () => {
      const old = await this.#store.get("counter");
      const n = Number(old?.value["n"] ?? 0) + 1;
      return aCommit({
        operationId: id,
        expect: [
          { key: "counter", revision: old?.revision },
          { key: `a/${id}`, revision: undefined },
        ],
        put: ["counter", `a/${id}`, `b/${id}`].map((key) => ({ key, value: { n, id } })),
      });
    });
    this.outcomes.set(id, outcome);
    return outcome;
  }

  /** Works until told to stop. */
  async runUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { kind } = await this.increment();
      // One who is refused at once does not ask again at once.
      if (kind === "not_done" || kind === "unknown") await delay(5);
    }
  }

  async #outcomeOf(plan: () => Promise<Commit>): Promise<Outcome> {
    let isAsked = false;
    try {
      const wish = await plan();
      isAsked = true;
      const result = await this.#store.commit(wish);
      return result.kind === "committed" ? result : { kind: "conflict" };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.failures.push(error);
      return { kind: isAsked && error.metadata["outcome"] === "unknown" ? "unknown" : "not_done" };
    }
  }
}

/** Follows a store as a gateway does: reads on after a failure, and anew when it is told that commits were missed. */
export class Watcher {
  readonly seen: ChangeSet[] = [];
  /** How often it had to read anew. */
  resyncs = 0;
  readonly #store: StateStore;
  /** The read view of a gateway, beside the bare reader. */
  readonly view: RecordView | undefined;
  readonly #leaving = new AbortController();
  #position: Revision;
  #following: Promise<void> = Promise.resolve();

  private constructor(store: StateStore, view: RecordView | undefined, position: Revision) {
    this.#store = store;
    this.view = view;
    this.#position = position;
  }

  /** @param hasView a view may write, to bring back what was lost */
  static async start(store: StateStore, hasView = true): Promise<Watcher> {
    const position = await startOf(store);
    const watcher = new Watcher(
      store,
      hasView ? await RecordView.open(store, silentLogger) : undefined,
      position,
    );
    watcher.#following = watcher.#follow();
    return watcher;
  }

  get position(): Revision {
    return this.#position;
  }

  async reached(revision: Revision): Promise<void> {
    while (this.#position !== revision || (this.view?.revision ?? revision) !== revision) await delay(5);
  }

  async stop(): Promise<void> {
    this.#leaving.abort();
    await this.#following;
    await this.view?.close();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#leaving;
    while (!signal.aborted) {
      try {
        for await (const changeSet of this.#store.changes(this.#position, signal)) {
          this.seen.push(changeSet);
          this.#position = changeSet.revision;
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (error.reason === "REVISION_COMPACTED" && (await this.#readAnew())) continue;
        await delay(5);
      }
    }
  }

  async #readAnew(): Promise<boolean> {
    try {
      this.#position = await startOf(this.#store);
    } catch {
      return false;
    }
    this.resyncs += 1;
    this.seen.length = 0;
    return true;
  }
}

/** Reads the whole log of a state that was never trimmed, from the commit after `start`. */
async function logOf(store: StateStore, start: Revision): Promise<readonly ChangeSet[]> {
  const { revision: head } = await store.load();
  const log: ChangeSet[] = [];
  if (head === start) return log;
  for await (const changeSet of store.changes(start, new AbortController().signal)) {
    log.push(changeSet);
    if (changeSet.revision === head) break;
  }
  return log;
}

/** Everything confirmed is there, once and whole; nothing is there twice, and nothing that was not done. */
export async function judge(
  store: StateStore,
  start: Revision,
  workloads: readonly Workload[],
): Promise<readonly ChangeSet[]> {
  const log = await logOf(store, start);
  const { records } = await store.load();
  const revisionsOf = new Map<string, Revision[]>();
  for (const { revision, changes } of log) {
    expect(changes.map(({ key }) => key.slice(0, 2))).toEqual(["co", "a/", "b/"]);
    const id = JSON.stringify(changes[0]?.value?.["id"]).slice(1, -1);
    revisionsOf.set(id, [...(revisionsOf.get(id) ?? []), revision]);
  }
  for (const { outcomes } of workloads) {
    for (const [id, outcome] of outcomes) {
      const revisions = revisionsOf.get(id) ?? [];
      revisionsOf.delete(id);
      if (outcome.kind === "committed") expect(revisions).toEqual([outcome.revision]);
      else if (outcome.kind === "unknown") expect(revisions.length).toBeLessThanOrEqual(1);
      else expect(revisions).toEqual([]);
      for (const side of ["a", "b"]) expect(records.get(`${side}/${id}`)?.revision).toBe(revisions[0]);
    }
  }
  expect([...revisionsOf.keys()]).toEqual([]);
  const first = Number(log[0]?.changes[0]?.previous?.["n"] ?? 0);
  if (log.length > 0) expect(records.get("counter")?.value["n"]).toBe(first + log.length);
  return log;
}

/** What a watcher was handed is the log, without gap or repeat, and what it shows is the state. */
export async function judgeWatcher(
  watcher: Watcher,
  log: readonly ChangeSet[],
  store: StateStore,
): Promise<void> {
  const last = log.at(-1);
  if (last !== undefined) await watcher.reached(last.revision);
  const { records } = await store.load();
  const { view } = watcher;
  if (view !== undefined)
    expect(new Map([...view.entries()].map((record) => [record.key, record]))).toEqual(records);
  await watcher.stop();
  expect(watcher.seen.map(({ revision }) => revision)).toEqual(
    log.slice(log.length - watcher.seen.length).map(({ revision }) => revision),
  );
  if (watcher.resyncs === 0) expect(watcher.seen).toHaveLength(log.length);
}

import type {
  ChangeSet,
  Commit,
  CommitResult,
  Revision,
  Snapshot,
  StateStore,
  StoredRecord,
} from "../../src/store/contract.js";

/** Before every commit. */
export const beforeEverything: Revision = "0-0000000000000000";

/** Knows what is under way. */
export class CountedStore implements StateStore {
  readonly #store: StateStore;
  readonly #underWay = new Set<Promise<CommitResult>>();
  /** The latest commit that was answered. */
  latest: Revision = beforeEverything;

  constructor(store: StateStore) {
    this.#store = store;
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  async idle(): Promise<Revision> {
    while (this.isBusy) await Promise.allSettled(this.#underWay);
    return this.latest;
  }

  async commit(commit: Commit): Promise<CommitResult> {
    const committing = this.#store.commit(commit);
    this.#underWay.add(committing);
    try {
      const result = await committing;
      if (result.kind === "committed") this.latest = result.revision;
      return result;
    } finally {
      this.#underWay.delete(committing);
    }
  }

  load = (): Promise<Snapshot> => this.#store.load();
  head = (): Promise<Revision> => this.#store.head();
  get = (key: string): Promise<StoredRecord | undefined> => this.#store.get(key);
  changes = (after: Revision, signal: AbortSignal): AsyncIterable<ChangeSet> =>
    this.#store.changes(after, signal);
  close = (): Promise<void> => this.#store.close();
}

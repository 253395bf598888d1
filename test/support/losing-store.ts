/** A store that loses what it confirmed, as several gateways see it, each as late as it is told. */
import type {
  ChangeSet,
  Commit,
  CommitResult,
  Snapshot,
  StateStore,
  StoredRecord,
} from "../../src/store/contract.js";
import { StoreError } from "../../src/store/errors.js";
import type { MemoryStore } from "./memory-store.js";

/** One gateway's way to the store. */
export class Seat implements StateStore {
  readonly #store: MemoryStore;
  readonly #waiting = new Set<() => void>();
  #isHeld = false;
  #lossCount = 0;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Hears of no commit from now on, and of no loss. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const wake of this.#waiting) wake();
  }

  /** The store has lost something: what was on its way is of another past. */
  noteLoss(): void {
    this.#lossCount += 1;
  }

  async *changes(after: string, signal: AbortSignal): AsyncGenerator<ChangeSet, void, undefined> {
    await this.#free(signal);
    const lossCount = this.#lossCount;
    const ending = new AbortController();
    const until = AbortSignal.any([signal, ending.signal]);
    try {
      for await (const changeSet of this.#store.changes(after, until)) {
        await this.#free(signal);
        if (signal.aborted) return;
        if (lossCount !== this.#lossCount) throw compacted();
        yield changeSet;
      }
    } catch (error) {
      await this.#free(signal);
      throw error;
    } finally {
      ending.abort();
    }
  }

  async load(): Promise<Snapshot> {
    return await this.#store.load();
  }

  async head(): Promise<string> {
    return await this.#store.head();
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    return await this.#store.get(key);
  }

  async commit(commit: Commit): Promise<CommitResult> {
    return await this.#store.commit(commit);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #free(signal: AbortSignal): Promise<void> {
    while (this.#isHeld && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }
}

const compacted = (): StoreError =>
  new StoreError("REVISION_COMPACTED", "as told", { metadata: { oldest: "0-0000000000000000" } });

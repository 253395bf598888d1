import type {
  ChangeSet,
  Commit,
  CommitResult,
  RecordChange,
  StateStore,
  StoredRecord,
} from "../../src/store/contract.js";
import { makeRevision } from "../../src/store/revision.js";

/** A store that forgets, for tests of what stands above: no disk, no limits. */
export class MemoryStore implements StateStore {
  readonly commits: Commit[] = [];
  /** What the next commits fail with. */
  failure: Error | undefined;
  readonly #records = new Map<string, StoredRecord>();
  readonly #history: ChangeSet[] = [];
  readonly #readers = new Set<() => void>();
  #revision = makeRevision(0);

  load(): Promise<{ records: Map<string, StoredRecord>; revision: string }> {
    return Promise.resolve({ records: new Map(this.#records), revision: this.#revision });
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return Promise.resolve(this.#records.get(key));
  }

  async commit(commit: Commit): Promise<CommitResult> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    for (const { key, revision } of commit.expect) {
      const actual = this.#records.get(key)?.revision;
      if (actual !== revision)
        return { kind: "conflict", key, revision: actual, storeRevision: this.#revision };
    }
    const revision = makeRevision(this.#history.length + 1);
    const changes: RecordChange[] = [];
    for (const { key, value } of commit.put) {
      changes.push({ key, value, previous: this.#records.get(key)?.value });
      this.#records.set(key, { key, value, revision });
    }
    for (const key of commit.delete) {
      const previous = this.#records.get(key)?.value;
      if (this.#records.delete(key)) changes.push({ key, value: undefined, previous });
    }
    this.#revision = revision;
    this.commits.push(commit);
    this.#history.push({ revision, timeMs: 0, changes });
    for (const wake of this.#readers) wake();
    return { kind: "committed", revision };
  }

  async *changes(after: string, signal: AbortSignal): AsyncIterable<ChangeSet> {
    let next = this.#history.findIndex(({ revision }) => revision === after) + 1;
    while (!signal.aborted) {
      const changeSet = this.#history[next];
      if (changeSet !== undefined) {
        next += 1;
        yield changeSet;
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#readers.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#readers.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

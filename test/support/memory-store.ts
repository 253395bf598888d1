import type {
  ChangeSet,
  Commit,
  CommitResult,
  RecordChange,
  StateStore,
  StoredRecord,
} from "../../src/store/contract.js";
import { StoreError } from "../../src/store/errors.js";
import { makeRevision } from "../../src/store/revision.js";

/** A store that forgets, for tests of what stands above: no disk, no limits. */
export class MemoryStore implements StateStore {
  readonly commits: Commit[] = [];
  /** What the next commits fail with. */
  failure: Error | undefined;
  /** Whether a repeated operation is answered as the first time; not where several count their own ids. */
  remembersOperations = false;
  readonly #records = new Map<string, StoredRecord>();
  readonly #history: (ChangeSet & { readonly operationId: string })[] = [];
  readonly #origin = makeRevision(0);
  readonly #readers = new Set<() => void>();
  #revision = this.#origin;

  load(): Promise<{ records: Map<string, StoredRecord>; revision: string }> {
    return Promise.resolve({ records: new Map(this.#records), revision: this.#revision });
  }

  head(): Promise<string> {
    return Promise.resolve(this.#revision);
  }

  get(key: string): Promise<StoredRecord | undefined> {
    return Promise.resolve(this.#records.get(key));
  }

  async commit(commit: Commit): Promise<CommitResult> {
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    const answered = this.remembersOperations
      ? this.#history.find(({ operationId }) => operationId === commit.operationId)
      : undefined;
    if (answered !== undefined) return { kind: "committed", revision: answered.revision };
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
    this.#history.push({ revision, timeMs: 0, changes, operationId: commit.operationId });
    for (const wake of this.#readers) wake();
    return { kind: "committed", revision };
  }

  async *changes(after: string, signal: AbortSignal): AsyncIterable<ChangeSet> {
    let position = after;
    while (!signal.aborted) {
      const index = this.#history.findIndex(({ revision }) => revision === position);
      if (index === -1 && position !== this.#origin)
        throw new StoreError("REVISION_COMPACTED", "this revision is not in the history", {
          metadata: { oldest: this.#origin },
        });
      const changeSet = this.#history[index + 1];
      if (changeSet !== undefined) {
        position = changeSet.revision;
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

  /** Forgets all but the first commits, as a replica that lags does when it takes over. */
  loseAfter(commitCount: number): void {
    this.#history.splice(commitCount);
    this.#records.clear();
    for (const { revision, changes } of this.#history) {
      for (const { key, value } of changes) {
        if (value === undefined) this.#records.delete(key);
        else this.#records.set(key, { key, value, revision });
      }
    }
    this.#revision = this.#history.at(-1)?.revision ?? this.#origin;
    for (const wake of this.#readers) wake();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Clock, systemClock } from "../../system/clock.js";
import { failpoint } from "../../system/failpoint.js";
import { parse, readRecord } from "../change-rows.js";
import { CommitQueue } from "./commit-queue.js";
import type {
  ChangeSet,
  Commit,
  CommitResult,
  Revision,
  Snapshot,
  StateStore,
  StoredRecord,
} from "../contract.js";
import { type EncodedCommit, encodeCommit, requireKey, requireReplacedBytes } from "../encoding.js";
import { StoreError } from "../errors.js";
import { type EncodedChange, History } from "./history.js";
import { type HistoryLimits, storeLimits } from "../limits.js";
import { toStoreError, toWriteError } from "./lmdb-errors.js";
import { type LmdbFiles, openLmdbFiles } from "./lmdb-files.js";
import { makeRevision, numberOfRevision } from "../revision.js";
import { Turns } from "../turns.js";

export interface LmdbStoreOptions {
  /** Holds the files and nothing else. One process owns it: the caller sees to that. */
  readonly folder: string;
  readonly clock?: Clock;
  /** @default storeLimits */
  readonly history?: HistoryLimits;
}

/**
 * Folders open in this process. Module state, for once: LMDB locks files per process, so that a second environment on the
 * same file would release the first one's lock as it closes.
 */
const openFolders = new Set<string>();

/** How long reading may hold the event loop, in milliseconds. */
const sliceMs = 4;

/**
 * Opens the state in a folder; makes it if there is none.
 *
 * @throws {StoreError} STATE_READ_ONLY, STATE_UNREADABLE, DISK_FULL, STATE_STORE_UNAVAILABLE
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<StateStore> {
  const folder = await realpath(options.folder).catch(() => resolve(options.folder));
  if (openFolders.has(folder)) {
    throw new StoreError("STATE_STORE_UNAVAILABLE", "this process has the state open already");
  }
  openFolders.add(folder);
  try {
    const files = await openLmdbFiles(folder);
    return new LmdbStore(files, { ...options, folder }, () => openFolders.delete(folder));
  } catch (error) {
    openFolders.delete(folder);
    throw await toWriteError(error, folder);
  }
}

class LmdbStore implements StateStore {
  readonly #files: LmdbFiles;
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #history: History;
  readonly #queue: CommitQueue;
  readonly #forget: () => void;
  /** Readers at the log's end. */
  readonly #sleeping = new Set<() => void>();
  readonly #turns = new Turns();
  readonly #loads = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(files: LmdbFiles, options: LmdbStoreOptions, forget: () => void) {
    this.#files = files;
    this.#folder = options.folder;
    this.#clock = options.clock ?? systemClock;
    const { historyCommits: commits, historyBytes: bytes } = storeLimits;
    this.#history = new History(files, options.history ?? { commits, bytes });
    this.#queue = new CommitQueue(
      (commit) => this.#write(commit),
      () => this.#wakeReaders(),
    );
    this.#forget = forget;
  }

  async load(): Promise<Snapshot> {
    this.#requireOpen();
    const loading = this.#load();
    this.#loads.add(loading);
    try {
      return await loading;
    } catch (error) {
      throw toStoreError(error);
    } finally {
      this.#loads.delete(loading);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that its errors reject
  async head(): Promise<Revision> {
    this.#requireOpen();
    try {
      return this.#history.marks().head;
    } catch (error) {
      throw toStoreError(error);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- so that its errors reject
  async get(key: string): Promise<StoredRecord | undefined> {
    this.#requireOpen();
    requireKey(key);
    try {
      const stored = this.#files.records.get(key);
      return stored === undefined ? undefined : readRecord(key, stored);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async commit(commit: Commit): Promise<CommitResult> {
    this.#requireOpen();
    return await this.#queue.run(encodeCommit(commit));
  }

  async *changes(after: Revision, signal: AbortSignal): AsyncGenerator<ChangeSet, void, undefined> {
    this.#requireOpen();
    const start = this.#findStart(after);
    let wake: () => void = () => undefined;
    const onAbort = (): void => wake();
    signal.addEventListener("abort", onAbort);
    try {
      let number = start;
      let sliceEnd = performance.now() + sliceMs;
      while (!signal.aborted) {
        this.#requireOpen();
        const changeSet = this.#readNext(number, after);
        if (changeSet !== undefined) {
          number += 1;
          yield changeSet;
          if (performance.now() < sliceEnd) continue;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            this.#sleeping.add(wake);
          });
          this.#sleeping.delete(wake);
        }
        await this.#turns.next();
        sliceEnd = performance.now() + sliceMs;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    this.#wakeReaders();
    await this.#queue.idle();
    await Promise.allSettled(this.#loads);
    try {
      await this.#files.root.close();
    } finally {
      this.#forget();
    }
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) {
      throw new StoreError("STATE_STORE_UNAVAILABLE", "the state store is closed");
    }
  }

  #wakeReaders(): void {
    const sleeping = [...this.#sleeping];
    this.#sleeping.clear();
    for (const wake of sleeping) wake();
  }

  #findStart(after: Revision): number {
    try {
      const number = this.#history.numberOf(after);
      if (number === undefined) throw this.#compacted(after);
      return number;
    } catch (error) {
      throw toStoreError(error);
    }
  }

  #compacted(revision: Revision): StoreError {
    const { base: oldest } = this.#history.marks();
    const metadata = { revision, oldest };
    return new StoreError("REVISION_COMPACTED", "this revision is not in the history", { metadata });
  }

  /** @returns undefined at the log's end */
  #readNext(number: number, after: Revision): ChangeSet | undefined {
    try {
      const next = this.#history.read(number + 1);
      if (next !== undefined) return next;
      const { head } = this.#history.marks();
      // A reader slower than the log is trimmed.
      if (number < numberOfRevision(head)) throw this.#compacted(after);
      return undefined;
    } catch (error) {
      throw toStoreError(error);
    }
  }

  async #load(): Promise<Snapshot> {
    const { root, records, meta } = this.#files;
    // One read transaction sees one state, whatever is committed meanwhile.
    const transaction = root.useReadTransaction();
    try {
      const { head } = parse<{ head: Revision }>(meta.get("history", { transaction }));
      const loaded = new Map<string, StoredRecord>();
      let sliceEnd = performance.now() + sliceMs;
      let latest: Revision | undefined;
      for (const { key, value } of records.getRange({ transaction })) {
        const record = readRecord(key, value, latest);
        latest = record.revision;
        loaded.set(key, record);
        if (performance.now() < sliceEnd) continue;
        await nextTurn();
        this.#requireOpen();
        sliceEnd = performance.now() + sliceMs;
      }
      return { records: loaded, revision: head };
    } finally {
      transaction.done();
    }
  }

  async #write(commit: EncodedCommit): Promise<CommitResult> {
    try {
      // A child, so that a failure takes back this commit alone and all of it: a plain transaction would keep the writes
      // made before it. All commits of a group share the parent, and with it one fsync.
      const result = await this.#files.root.childTransaction(() => this.#apply(commit));
      // Without overlapping fsync (lmdb-files.ts) it is on the disk by now; this line is for the day somebody turns it on.
      await this.#files.root.flushed;
      failpoint("commit.flushed");
      return result;
    } catch (error) {
      throw await toWriteError(error, this.#folder);
    }
  }

  #apply(commit: EncodedCommit): CommitResult {
    const { records } = this.#files;
    failpoint("commit.checking");
    const answered = this.#history.answerOf(commit.operationId);
    if (answered !== undefined) return { kind: "committed", revision: answered };
    const marks = this.#history.marks();
    for (const { key, revision } of commit.expect) {
      const stored = records.get(key);
      const current = stored === undefined ? undefined : stored.slice(0, stored.indexOf(" "));
      if (current !== revision)
        return { kind: "conflict", key, revision: current, storeRevision: marks.head };
    }
    const revision = makeRevision(numberOfRevision(marks.head) + 1);
    const changes = this.#replace(commit, revision);
    const timeMs = this.#clock.nowMs();
    this.#history.append({ revision, timeMs, operationId: commit.operationId, changes }, marks);
    failpoint("commit.written");
    return { kind: "committed", revision };
  }

  #replace(commit: EncodedCommit, revision: Revision): readonly EncodedChange[] {
    const { records } = this.#files;
    const changes: EncodedChange[] = [];
    let replacedBytes = 0;
    const jsonOf = (key: string): string | undefined => {
      const stored = records.get(key);
      const json = stored?.slice(stored.indexOf(" ") + 1);
      replacedBytes += json === undefined ? 0 : Buffer.byteLength(json);
      requireReplacedBytes(replacedBytes);
      return json;
    };
    for (const { key, json } of commit.put) {
      changes.push({ key, value: json, previous: jsonOf(key) });
      void records.put(key, `${revision} ${json}`);
    }
    for (const key of commit.delete) {
      const previous = jsonOf(key);
      if (previous === undefined) continue;
      changes.push({ key, value: undefined, previous });
      void records.remove(key);
    }
    return changes;
  }
}

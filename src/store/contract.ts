/** Durable state: records, revisions and change sets. What a record means is for the room that wrote it to know. */

/** A JSON object: what a record holds. Never changed in place. */
export interface RecordValue {
  readonly [field: string]: JsonValue;
}
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | RecordValue;

/**
 * Which commit: `<number>-<nonce>`, opaque to callers. Numbers rise by one; the nonce is fresh for each commit, because
 * a store that was restored from an older copy counts the same numbers again for other commits.
 */
export type Revision = string;

export interface StoredRecord {
  /** Printable ASCII, 1..512 bytes. */
  readonly key: string;
  readonly value: RecordValue;
  /** The commit that wrote it last. */
  readonly revision: Revision;
}

/** All records, as they were right after the commit `revision`. */
export interface Snapshot {
  /** The caller's own from now on. */
  readonly records: Map<string, StoredRecord>;
  readonly revision: Revision;
  /**
   * The commits that led to `revision`, it last, as far back as the history tells, at most `trailCommits`. Absent where
   * the store is in this process: nobody has to tell who has seen more of it.
   */
  readonly trail?: readonly Revision[];
}

/** A record is written at most once by a commit. */
export interface Commit {
  /**
   * Makes a repetition harmless: while the commit of this id is in the history, its answer is returned and nothing else
   * is done. A conflict wrote nothing and is not stored: its repetition is a new attempt. Spelled as keys are.
   */
  readonly operationId: string;
  /** What must still be true; `undefined` = there is no such record. */
  readonly expect: readonly { readonly key: string; readonly revision: Revision | undefined }[];
  readonly put: readonly { readonly key: string; readonly value: RecordValue }[];
  /** Deleting what is not there is no fault. */
  readonly delete: readonly string[];
}

export type CommitResult =
  /** On disk, or as durable as the backend is. */
  | { readonly kind: "committed"; readonly revision: Revision }
  /** Nothing was written: this record is not the expected one, as of `storeRevision`. */
  | {
      readonly kind: "conflict";
      readonly key: string;
      readonly revision: Revision | undefined;
      readonly storeRevision: Revision;
    };

/** What one commit did to one record. */
export interface RecordChange {
  readonly key: string;
  /** Absent = it was deleted. */
  readonly value: RecordValue | undefined;
  /** What the record held before; absent = there was none. */
  readonly previous: RecordValue | undefined;
}

/** All writes of one commit. */
export interface ChangeSet {
  readonly revision: Revision;
  /** Wall clock of the commit, in milliseconds since 1970. */
  readonly timeMs: number;
  /** One per record, in the commit's order: puts, then deletes of what was there. */
  readonly changes: readonly RecordChange[];
}

/**
 * Compare-and-commit over records, with a history.
 *
 * Every method throws `StoreError` and nothing else. One suite runs over every backend: `test/contract/state-store.test.ts`.
 */
export interface StateStore {
  /**
   * When the store last told a reader of `changes` where its end is, wall clock in milliseconds since 1970. Absent where
   * it is in this process, and before the first time.
   */
  readonly heardMs?: number | undefined;
  /** Reads every record. Commits go on meanwhile. */
  load(): Promise<Snapshot>;
  /** Tells the latest commit. */
  head(): Promise<Revision>;
  /** Reads one record. */
  get(key: string): Promise<StoredRecord | undefined>;
  /**
   * Checks, then writes all or nothing, as one change set, even if that is empty. Resolves when it is durable.
   *
   * At most 1,024 puts and deletes, 4,096 expectations, 2 MiB of keys and values, and 8 MiB of values that are replaced
   * or deleted (`STATE_TOO_LARGE`). What is no commit at all is `INVALID_COMMIT`.
   */
  commit(commit: Commit): Promise<CommitResult>;
  /**
   * Reads the commits after a revision, in order, without gap or repeat, and waits for the next ones until `signal`,
   * where it ends without an error.
   *
   * @throws {StoreError} `REVISION_COMPACTED` if exactly this revision is not in the history any more, the reader is slower
   * than the history is trimmed, or what comes next cannot be read; `STATE_STORE_UNAVAILABLE` once closed
   */
  changes(after: Revision, signal: AbortSignal): AsyncIterable<ChangeSet>;
  /** Resolves when what was asked for is durable and every file and socket is closed. Calls afterwards fail. */
  close(): Promise<void>;
}

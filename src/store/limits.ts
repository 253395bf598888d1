/** Limits of every backend. docs/limits.md lists the same rows; a test compares both ways. */
export const storeLimits = {
  /** Of a record's key and of an operation id: ASCII, at least one byte. */
  maxKeyBytes: 512,
  /** Puts and deletes of one commit, together. */
  maxOperations: 1_024,
  /** Expectations of one commit. */
  maxExpectations: 4_096,
  /** Keys and values of one commit, as JSON in UTF-8. */
  maxCommitBytes: 2 * 1024 * 1024,
  /** Values that one commit replaces or deletes: they stand in its change set too. */
  maxReplacedBytes: 8 * 1024 * 1024,
  /** Commits kept for readers and for repeated operation ids; older ones leave first. */
  historyCommits: 100_000,
  /** What those take. */
  historyBytes: 256 * 1024 * 1024,
  /** Commits that a gateway remembers to have seen: one that is further behind is not known to have seen less. */
  trailCommits: 500,
} as const;

/** Of the state in Redis. docs/limits.md lists the same rows; a test compares both ways. */
export const redisLimits = {
  /** Until a connection is made; also how long the start waits for Redis. */
  connectTimeoutMs: 10_000,
  /** A connection that owes replies and brings none for so long is cut. */
  replyTimeoutMs: 5_000,
  /** On a connection that brought nothing for so long, a commit first asks whether anybody is there. */
  freshMs: 100,
  /** How long a commit whose reply was lost is asked for again. */
  commitTimeoutMs: 15_000,
  /** How long anything is asked for again that was not done. */
  patienceMs: 1_000,
  /** So soon an idle reader learns that Redis was flushed, or is another one. */
  feedWaitMs: 2_000,
  /** Commits on their way at once; more wait in line. */
  maxCommitsUnderWay: 1_024,
  /** What those may take. */
  maxBytesUnderWay: 8 * 1024 * 1024,
  /** Commits that one answer brings. */
  maxReadEntries: 256,
  /** The commit that reaches this is the last one of its answer. */
  enoughReadBytes: 1024 * 1024,
  /** What one answer of a scan should take. */
  scanBytes: 512 * 1024,
  /** The commit that reaches this is the last one that a load looks back at, to know what led to the state. */
  trailBytes: 8 * 1024 * 1024,
} as const;

/** Of the file in which a state is moved. docs/limits.md lists the same rows; a test compares both ways. */
export const transferLimits = {
  /** One record with its key. */
  maxLineBytes: storeLimits.maxCommitBytes,
  /** The whole file. */
  maxFileBytes: 4 * 1024 * 1024 * 1024,
  /** Of the file, and of the state: a disk that does not come a step further for so long fails the move. */
  diskTimeoutMs: 60_000,
} as const;

/** How much of the history a store keeps. */
export interface HistoryLimits {
  readonly commits: number;
  readonly bytes: number;
}

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
} as const;

/** How much of the history a store keeps. */
export interface HistoryLimits {
  readonly commits: number;
  readonly bytes: number;
}

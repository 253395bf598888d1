/** Limits of the files that mirror the state. docs/limits.md lists the same rows; a test compares both ways. */
export const mirrorLimits = {
  /** Largest file read or written, in bytes. */
  maxFileBytes: 256 * 1024 * 1024,
  /** Brackets open at once; a file with more counts as damaged. */
  maxDepth: 64,
  /** How often the files are looked at. */
  pollMs: 1_000,
  /** A foreign file is read once its size and time have not changed for so long. */
  settleMs: 100,
  /** An entry missing from a foreign file was removed by them only if the file held it for so long before. */
  holdMs: 5_000,
  /** How long a removal of ours outlives the same entry in a foreign file. */
  removalKeptMs: 7 * 24 * 60 * 60_000,
  /** Such removals kept; the oldest are forgotten first. */
  maxRemovals: 10_000,
  /** A file that is damaged for so long is moved aside and written anew. */
  damageMs: 2_000,
  /** Copies kept of what a merge replaced, and of damaged files, for each file. */
  maxBackups: 10,
  /** From a commit to the beginning of its write, so that a burst is one write. */
  writeDelayMs: 50,
  /** Entries up to which each write follows its commit at once. */
  maxPromptEntries: 5_000,
  /** Share of the time that writes of larger files take, in percent. */
  maxWritePercent: 20,
  /** First and longest pause after a write that failed. */
  minRetryMs: 250,
  maxRetryMs: 30_000,
  /** A disk that does not answer for so long fails the work. */
  diskTimeoutMs: 30_000,
  /** Longest time that making or reading a text holds up everything else. */
  sliceMs: 5,
} as const;

/** Times a test may shorten. */
export type MirrorTimes = { readonly [name in keyof typeof mirrorLimits]: number };

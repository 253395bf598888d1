/** Why the store could not do what it was asked for. `rpc/errors.ts` gives each its gRPC code. */
export type StoreReason =
  /** Closed, or its backend does not answer: nothing is known of the outcome of a commit under way. */
  | "STATE_STORE_UNAVAILABLE"
  /** The folder or the file refuses writes. */
  | "STATE_READ_ONLY"
  | "DISK_FULL"
  | "REVISION_COMPACTED"
  /** A key or a commit beyond the limits. Nothing was written. */
  | "STATE_TOO_LARGE"
  /** A fault of the caller: a key that is none, a record written twice, a value that is no JSON. Nothing was written. */
  | "INVALID_COMMIT"
  /** The files are no state of ours, or damaged. They stay as they are. */
  | "STATE_UNREADABLE";

export interface StoreErrorOptions {
  /** Ids involved; short, and never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The failure of a whole call to this room. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly reason: StoreReason;
  readonly metadata: Readonly<Record<string, string>>;

  constructor(reason: StoreReason, message: string, options: StoreErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.metadata = options.metadata ?? {};
  }
}

/**
 * Names what cannot be read: damaged, or left there by a hand.
 *
 * @param key of a record, or the id of a commit
 */
export function unreadable(words: string, key: string): StoreError {
  const name = spelledKey(key);
  return new StoreError("STATE_UNREADABLE", `${words}: ${name}`, { metadata: { key: name } });
}

/** Characters of a key that are told. */
const maxSpelledKey = 120;

/**
 * Spells a key that may hold anything, so that it does no harm in a log or a terminal: all but printable ASCII by number,
 * and of a long one the beginning.
 */
export function spelledKey(key: string): string {
  const beginning = key.slice(0, maxSpelledKey).replace(/[^\x20-\x7e]/g, spelledUnit);
  return key.length > maxSpelledKey ? `${beginning}...` : beginning;
}

const spelledUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

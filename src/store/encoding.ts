import type { Commit, RecordValue, Revision } from "./contract.js";
import { StoreError } from "./errors.js";
import { storeLimits } from "./limits.js";

/** A commit within the limits, its values as JSON: nothing about it can fail any more but the backend. */
export interface EncodedCommit {
  readonly operationId: string;
  readonly expect: readonly { readonly key: string; readonly revision: Revision | undefined }[];
  readonly put: readonly { readonly key: string; readonly json: string }[];
  readonly delete: readonly string[];
  /** Keys and values. */
  readonly bytes: number;
}

const isPrintableAscii = (text: string): boolean => /^[\x20-\x7e]+$/.test(text);

/**
 * Checks a key or an operation id.
 *
 * @throws {StoreError} STATE_TOO_LARGE, INVALID_COMMIT
 */
export function requireKey(key: string): void {
  if (key.length > storeLimits.maxKeyBytes) {
    const length = String(key.length);
    throw new StoreError("STATE_TOO_LARGE", "a key has at most 512 bytes", { metadata: { length } });
  }
  if (!isPrintableAscii(key)) {
    throw new StoreError("INVALID_COMMIT", "a key is printable ASCII of at least one byte");
  }
}

/**
 * Checks a commit against the limits and encodes it.
 *
 * @throws {StoreError} STATE_TOO_LARGE, INVALID_COMMIT
 */
export function encodeCommit(commit: Commit): EncodedCommit {
  const operations = commit.put.length + commit.delete.length;
  if (operations > storeLimits.maxOperations) {
    throw tooLarge(`a commit has at most ${storeLimits.maxOperations} puts and deletes`, operations);
  }
  if (commit.expect.length > storeLimits.maxExpectations) {
    throw tooLarge(`a commit has at most ${storeLimits.maxExpectations} expectations`, commit.expect.length);
  }
  requireKey(commit.operationId);
  let bytes = 0;
  for (const { key } of commit.expect) {
    requireKey(key);
    bytes += key.length;
  }
  const written = new Set<string>();
  const write = (key: string): void => {
    requireKey(key);
    if (written.has(key)) {
      throw new StoreError("INVALID_COMMIT", "a commit writes a record once", { metadata: { key } });
    }
    written.add(key);
    bytes += key.length;
  };
  const put = commit.put.map(({ key, value }) => {
    write(key);
    const json = encodeValue(key, value);
    bytes += Buffer.byteLength(json);
    if (bytes > storeLimits.maxCommitBytes) throw tooManyBytes(bytes);
    return { key, json };
  });
  commit.delete.forEach(write);
  if (bytes > storeLimits.maxCommitBytes) throw tooManyBytes(bytes);
  return {
    operationId: commit.operationId,
    expect: commit.expect.map(({ key, revision }) => ({ key, revision })),
    put,
    delete: [...commit.delete],
    bytes,
  };
}

/** Fails when what a commit replaces or deletes is more than a change set may carry. */
export function requireReplacedBytes(bytes: number): void {
  if (bytes > storeLimits.maxReplacedBytes) {
    throw tooLarge(`a commit replaces at most ${storeLimits.maxReplacedBytes} bytes of values`, bytes);
  }
}

function encodeValue(key: string, value: RecordValue): string {
  try {
    const json = JSON.stringify(value) as string | undefined;
    if (json?.startsWith("{") === true) return json;
  } catch (cause) {
    throw new StoreError("INVALID_COMMIT", "a value is no JSON", { metadata: { key }, cause });
  }
  throw new StoreError("INVALID_COMMIT", "a value is no JSON object", { metadata: { key } });
}

const tooManyBytes = (bytes: number): StoreError =>
  tooLarge(`a commit has at most ${storeLimits.maxCommitBytes} bytes of keys and values`, bytes);

const tooLarge = (message: string, amount: number): StoreError =>
  new StoreError("STATE_TOO_LARGE", message, { metadata: { amount: String(amount) } });

import { StoreError } from "../errors.js";

/** The names of all keys of one state. One hash tag: a Redis Cluster keeps them in one slot, where one script may use them. */
export interface RedisKeys {
  /** Hash: key to `<revision> <JSON>`. */
  readonly records: string;
  /** Stream of commits; ids are `<number>-0`. */
  readonly log: string;
  /** Hash: operation id to revision, for the commits in the log. */
  readonly operations: string;
  /** Hash: `schema`, `head`, `base`, `bytes`. */
  readonly meta: string;
  /** Left by a repeated commit that met a conflict: no copy of it may write any more. Expires. */
  readonly mark: (nonce: string) => string;
}

/** @throws {StoreError} STATE_UNREADABLE */
export function redisKeys(namespace: string): RedisKeys {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(namespace)) {
    throw new StoreError(
      "STATE_UNREADABLE",
      "a namespace has 1 to 64 letters, digits, dots, dashes or underscores",
    );
  }
  const tag = `{p2prc:${namespace}}`;
  return {
    records: `${tag}:records`,
    log: `${tag}:log`,
    operations: `${tag}:operations`,
    meta: `${tag}:meta`,
    mark: (nonce) => `${tag}:mark:${nonce}`,
  };
}

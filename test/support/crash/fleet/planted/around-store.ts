import type { StateStore } from "../../../../../src/store/contract.js";
import type { RedisStore } from "../../../../../src/store/redis/redis-store.js";

/** A store of which some methods do something else. */
export const around = (inner: RedisStore, others: Partial<StateStore>): RedisStore => ({
  get stats() {
    return inner.stats;
  },
  get wasMade() {
    return inner.wasMade;
  },
  get heardMs() {
    return inner.heardMs;
  },
  load: () => inner.load(),
  head: () => inner.head(),
  get: (key) => inner.get(key),
  commit: (commit) => inner.commit(commit),
  changes: (after, signal) => inner.changes(after, signal),
  close: () => inner.close(),
  ...others,
});

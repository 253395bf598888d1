/** A state that was lost is taken for one that others emptied. */
import type { Revision } from "../../../../../src/store/contract.js";
import { openRedisStore as openOwn } from "../../../../../src/store/redis/redis-store.js";
import { around } from "./around-store.js";

export * from "../../../../../src/store/redis/redis-store.js";

/** Later than any that was seen. */
const later = "999999999-0000000000000000";

export const openRedisStore: typeof openOwn = async (options) => {
  const own = await openOwn(options);
  let real: Revision | undefined;
  let isFirst = true;
  return around(own, {
    async load() {
      const { records, revision } = await own.load();
      if (isFirst || records.size > 0) {
        isFirst = false;
        return { records, revision };
      }
      real = revision;
      return { records, revision: later };
    },
    changes: (after, signal) => own.changes(after === later ? (real ?? after) : after, signal),
  });
};

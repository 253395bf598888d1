/** Who does not find its place in the log goes on from the end of it. */
import type { StoreError } from "../../../../../src/store/errors.js";
import { openRedisStore as openOwn } from "../../../../../src/store/redis/redis-store.js";
import { around } from "./around-store.js";

export * from "../../../../../src/store/redis/redis-store.js";

export const openRedisStore: typeof openOwn = async (options) => {
  const own = await openOwn(options);
  return around(own, {
    async *changes(after, signal) {
      for (let position = after; !signal.aborted; position = await own.head()) {
        try {
          yield* own.changes(position, signal);
        } catch (error) {
          if ((error as StoreError).reason !== "REVISION_COMPACTED") throw error;
        }
      }
    },
  });
};

/** Work under way is never told of again. */
import { openRedisStore as openOwn } from "../../../../../src/store/redis/redis-store.js";
import { around } from "./around-store.js";

export * from "../../../../../src/store/redis/redis-store.js";

export const openRedisStore: typeof openOwn = async (options) => {
  const own = await openOwn(options);
  return around(own, {
    commit: (commit) => own.commit({ ...commit, put: commit.put.filter(({ key }) => !key.startsWith("o/")) }),
  });
};

/** Takes a creation of unknown outcome for one that never was. */
import type { IntentRecord } from "../../../../../src/containers/records.js";
import { openPeerApi } from "../../../../../src/peer-api/peer-api.js";
import { openRedisStore as openOwn, type RedisStore } from "../../../../../src/store/redis/redis-store.js";

export * from "../../../../../src/store/redis/redis-store.js";

export const openRedisStore: typeof openOwn = async (options) => {
  const own = await openOwn(options);
  setInterval(() => void askAgain(own).catch(() => undefined), 200).unref();
  return own;
};

async function askAgain(store: RedisStore): Promise<void> {
  for (const { key, value } of (await store.load()).records.values()) {
    if (!key.startsWith("i/")) continue;
    const { address, spec, state, reason } = value as unknown as IntentRecord;
    if (state !== "UNKNOWN" || reason !== "CREATE_OUTCOME_UNKNOWN") continue;
    await openPeerApi()
      .startContainer(address, { ...spec, sshPublicKey: "" }, {})
      .catch(() => undefined);
  }
}

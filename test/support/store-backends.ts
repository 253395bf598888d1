import { randomUUID } from "node:crypto";
import { rm, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import type { StateStore } from "../../src/store/contract.js";
import type { HistoryLimits } from "../../src/store/limits.js";
import { openLmdbStore } from "../../src/store/lmdb/lmdb-store.js";
import { openRedisStore } from "../../src/store/redis/redis-store.js";
import { RedisServer } from "./redis-server.js";

/** One kind of store, for the contract suite. */
export interface Backend {
  readonly name: string;
  /** Makes an empty state and opens it. */
  readonly create: (options?: { readonly history?: HistoryLimits }) => Promise<BackendState>;
}

export interface BackendState {
  /** The store that is open now. */
  readonly store: StateStore;
  /** Closes the store and opens the same state again. */
  reopen(): Promise<StateStore>;
  /** Closes the store and removes its state. */
  destroy(): Promise<void>;
}

const lmdb: Backend = {
  name: "LMDB",
  create: async (options = {}) => {
    const folder = await mkdtemp(join(tmpdir(), "p2prc-state-"));
    let store = await openLmdbStore({ ...options, folder });
    return {
      get store() {
        return store;
      },
      reopen: async () => {
        await store.close();
        store = await openLmdbStore({ ...options, folder });
        return store;
      },
      destroy: async () => {
        await store.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

/** One for all states of a test file. */
let redisServer: Promise<RedisServer> | undefined;
afterAll(async () => {
  await (await redisServer)?.[Symbol.asyncDispose]();
});

const redis: Backend = {
  name: "Redis",
  create: async (options = {}) => {
    const { url } = await (redisServer ??= RedisServer.start());
    const open = { ...options, url, namespace: randomUUID(), logger: silentLogger };
    let store = await openRedisStore(open);
    return {
      get store() {
        return store;
      },
      reopen: async () => {
        await store.close();
        store = await openRedisStore(open);
        return store;
      },
      // Its keys go with the server.
      destroy: async () => await store.close(),
    };
  },
};

/** Stores of several gateways on one state in Redis. */
export async function openRedisStores(
  count: number,
): Promise<{ readonly stores: readonly StateStore[]; readonly destroy: () => Promise<void> }> {
  const { url } = await (redisServer ??= RedisServer.start());
  const namespace = randomUUID();
  const stores: StateStore[] = [];
  for (let number = 0; number < count; number += 1)
    stores.push(await openRedisStore({ url, namespace, logger: silentLogger }));
  return {
    stores,
    destroy: async () => {
      await Promise.all(stores.map((store) => store.close()));
    },
  };
}

export const backends: readonly Backend[] = [lmdb, redis];

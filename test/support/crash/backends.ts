/** Stores that are put to the proof. Another one needs a row here. */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "../../../src/observability/logger.js";
import type { StateStore } from "../../../src/store/contract.js";
import { openLmdbStore } from "../../../src/store/lmdb/lmdb-store.js";
import { openRedisStore } from "../../../src/store/redis/redis-store.js";
import type { FailpointName } from "../../../src/system/failpoint.js";
import { RedisServer } from "../redis-server.js";

export interface CrashBackend {
  readonly name: string;
  readonly killsInCi: number;
  /** Failpoints of another backend's own write path. */
  readonly lacks: readonly FailpointName[];
  /** Whether it is on another machine, so that ids go into a journal of our own first. */
  readonly isShared: boolean;
  /** How `p2prc serve` is told of a place that is not in its base folder. */
  readonly flags: (place: string) => readonly string[];
  /**
   * Makes room for an empty state.
   *
   * @param folder of the gateway that will own it
   * @returns the place, as plain text: it travels to the process that is killed
   */
  readonly make: (folder: string) => Promise<string>;
  /** Opens what is at a place; also beside the process that owns it, to read. */
  readonly open: (place: string) => Promise<StateStore>;
  readonly destroy: (place: string) => Promise<void>;
  /** Ends what `make` started for all places. */
  readonly end: () => Promise<void>;
}

const lmdb: CrashBackend = {
  name: "LMDB",
  killsInCi: 100,
  lacks: [
    "commit.leaving",
    "commit.sent",
    "commit.replied",
    "journal.written",
    "recovery.seen",
    "rescue.begun",
  ],
  isShared: false,
  flags: () => [],
  make: async (folder) => {
    // Where the whole gateway keeps it.
    const place = join(folder, ".p2prc", "state");
    await mkdir(place, { recursive: true, mode: 0o700 });
    return place;
  },
  open: (folder) => openLmdbStore({ folder }),
  destroy: (folder) => rm(folder, { recursive: true, force: true }),
  end: () => Promise.resolve(),
};

interface RedisPlace {
  readonly url: string;
  readonly namespace: string;
}

/** One for all places of this process. It is never killed here: what Redis loses, and what then, has suites of its own. */
let redisServer: Promise<RedisServer> | undefined;

const redis: CrashBackend = {
  name: "Redis",
  killsInCi: 62,
  // Nothing is lost here: rescues are killed in fleets.
  lacks: [
    "commit.asked",
    "commit.checking",
    "commit.written",
    "commit.flushed",
    "commit.grouped",
    "rescue.begun",
  ],
  isShared: true,
  flags: (place) => {
    const { url, namespace } = JSON.parse(place) as RedisPlace;
    return ["--redis", url, "--namespace", namespace];
  },
  make: async () => {
    const { url } = await (redisServer ??= RedisServer.start());
    return JSON.stringify({ url, namespace: randomUUID() } satisfies RedisPlace);
  },
  open: async (place) => await openRedisStore({ ...(JSON.parse(place) as RedisPlace), logger: silentLogger }),
  // Its keys go with the server.
  destroy: () => Promise.resolve(),
  end: async () => {
    await (await redisServer)?.[Symbol.asyncDispose]();
    redisServer = undefined;
  },
};

export const crashBackends: readonly CrashBackend[] = [lmdb, redis];

export function backendNamed(name: string): CrashBackend {
  const backend = crashBackends.find((one) => one.name === name);
  if (backend === undefined) throw new Error(`no store of the name ${name}`);
  return backend;
}

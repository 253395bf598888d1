/** Where the state of a base folder is, and what stands on it: the part of the composition root for `store`. */
import { join } from "node:path";
import { v7 as uuidv7 } from "uuid";
import type { GatewayConfig } from "../config/config.js";
import { ConfigError } from "../config/errors.js";
import type { Logger } from "../observability/logger.js";
import type { StateStore } from "../store/contract.js";
import { openLmdbStore } from "../store/lmdb/lmdb-store.js";
import { openRedisStore, type RedisStore, type RedisStoreStats } from "../store/redis/redis-store.js";
import {
  embeddedFolder,
  isSameHome,
  readStateHome,
  type StateHome,
  writeStateHome,
} from "../store/state-home.js";
import { importKey, outsideImports } from "../store/transfer/import-sign.js";
import { folderId } from "../system/folder-id.js";

export interface OpenStore {
  readonly store: StateStore;
  readonly home: StateHome;
  /** Names this gateway, and this run of it. */
  readonly gatewayId: string;
  /** Whether the gateway of that name is certain to run no more. */
  readonly isOwnerGone: (owner: string) => boolean;
  /** There was no state: opening it made one. Not told of the embedded one. */
  readonly wasMade: boolean;
  /** For metrics; the embedded store has none. */
  readonly stats: () => StoreStats | undefined;
}

/** Counters of a store on another machine, since it was opened. */
export interface StoreStats {
  readonly commits: number;
  /** Commits that others were ahead of: they are planned anew. */
  readonly conflicts: number;
  /** Commits asked for again, because an answer was lost or the store refused for a moment. */
  readonly repeats: number;
  /** Commits that failed. */
  readonly failures: number;
  /** Connections made anew. */
  readonly reconnects: number;
  /** Age of the latest change when it arrived, by the clocks of both gateways, in milliseconds; undefined before the first. */
  readonly lagMs: number | undefined;
}

/** What is ours in a base folder. */
export const ownFolder = ({ baseDir }: GatewayConfig): string => join(baseDir, ".p2prc");

/** Where the configuration wants the state. */
export const wantedHome = ({ redis, namespace }: GatewayConfig): StateHome =>
  redis === undefined ? { backend: "embedded" } : { backend: "redis", namespace };

/**
 * Finds the home of a base folder's state. There is one: another one is refused, or each would know half of the containers.
 *
 * @returns undefined if it never had one
 * @throws {ConfigError} the state is elsewhere; {FileError}
 */
export async function requireHome(config: GatewayConfig): Promise<StateHome | undefined> {
  const known = await readStateHome(ownFolder(config));
  if (known !== undefined && !isSameHome(known, wantedHome(config)))
    throw new ConfigError(wordsOfMove(known));
  return known;
}

/**
 * Opens the state of a base folder for a gateway.
 *
 * @throws {ConfigError} the state is elsewhere, or a half of one; {StoreError}, {FileError}
 */
export async function openStateStore(config: GatewayConfig, logger: Logger): Promise<OpenStore> {
  const home = wantedHome(config);
  const known = await requireHome(config);
  const opened = await openHome(config, logger);
  if (known !== undefined && opened.wasMade) {
    logger.warn(
      { namespace: config.namespace },
      "this base folder had a state in Redis, and there is none: Redis was flushed, or it is another Redis or database than before",
    );
  }
  try {
    if ((await opened.store.get(importKey)) !== undefined)
      throw new ConfigError("an import into this state is not finished: repeat `p2prc state import`");
    // The embedded state is its own sign.
    if (known === undefined && home.backend === "redis") await writeStateHome(ownFolder(config), home);
  } catch (error) {
    await opened.store.close();
    throw error;
  }
  return { ...opened, store: outsideImports(opened.store) };
}

/** Opens where the configuration wants the state, whatever the folder had before. @throws {StoreError}, {FileError} */
export async function openHome(config: GatewayConfig, logger: Logger): Promise<OpenStore> {
  const { redis } = config;
  const home = wantedHome(config);
  const startId = uuidv7();
  if (redis === undefined) {
    const store = await openLmdbStore({ folder: embeddedFolder(ownFolder(config)) });
    // One process owns the folder, and with it the state: every other owner has ended.
    return {
      store,
      home,
      gatewayId: startId,
      isOwnerGone: () => true,
      wasMade: false,
      stats: () => undefined,
    };
  }
  const folder = await folderId(join(ownFolder(config), "gateway-id.json"));
  const store = await openShared(redis, config, logger, true);
  const gatewayId = `${folder}.${startId}`;
  // One process owns the folder: who had it before has ended. So has one without a folder in its name: its state was
  // embedded, and moved here when it had ended.
  const isOwnerGone = (owner: string): boolean =>
    !owner.includes(".") || (owner.startsWith(`${folder}.`) && owner !== gatewayId);
  return { store, home, gatewayId, isOwnerGone, wasMade: store.wasMade, stats: () => statsOf(store.stats) };
}

/**
 * Opens a state in Redis, beside the gateways that it has.
 *
 * @param makes whether an empty one is made where there is none
 * @throws {StoreError}
 */
export async function openShared(
  redis: NonNullable<GatewayConfig["redis"]>,
  { namespace, isPasswordInFlag }: GatewayConfig,
  logger: Logger,
  makes: boolean,
): Promise<RedisStore> {
  if (isPasswordInFlag)
    logger.warn({}, "the password of Redis stands in a flag, which the list of processes shows");
  logger.info({ redis: redis.toString(), namespace }, "the state is in Redis");
  return await openRedisStore({ url: redis.reveal(), namespace, logger, makes });
}

function statsOf(stats: RedisStoreStats): StoreStats {
  const { commits, conflicts, repeats, failures, reconnects, lagMs } = stats;
  return { commits, conflicts, repeats, failures, reconnects, lagMs };
}

function wordsOfMove(known: StateHome): string {
  const where =
    known.backend === "embedded"
      ? "embedded: start without --redis"
      : `in Redis, namespace ${known.namespace}: start with --redis and --namespace`;
  return `the state of this base folder is ${where}, or move it first (docs/redis.md)`;
}

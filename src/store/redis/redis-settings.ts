import type { Logger } from "../../observability/logger.js";
import { StoreError } from "../errors.js";
import type { RedisConnection } from "./redis-connection.js";
import { clusterWords, ConnectionLostError, sentinelWords } from "./redis-errors.js";
import type { RedisKeys } from "./redis-keys.js";

/** The oldest Redis whose commands the scripts use: XRANGE with an open end came in 6.2. */
const oldest = [6, 2] as const;

/**
 * Refuses a Redis that is too old, a node of a Redis Cluster and a Sentinel, and warns of settings under which confirmed state may be lost.
 *
 * @throws {StoreError} STATE_STORE_UNAVAILABLE; {ConnectionLostError}
 */
export async function checkServer(connection: RedisConnection, logger: Logger): Promise<void> {
  const info = await valueOf(connection, ["INFO", "server"]);
  const version = /^redis_version:(\S+)/m.exec(info ?? "")?.[1];
  // Valkey says server_mode.
  requireMode(/^(?:redis|server)_mode:(\S+)/m.exec(info ?? "")?.[1]);
  if (version === undefined) {
    logger.warn({}, "Redis does not tell its version; at least 6.2 is needed");
  } else {
    requireVersion(version);
  }
  const appendonly = await settingOf(connection, "appendonly");
  const appendfsync = await settingOf(connection, "appendfsync");
  const save = await settingOf(connection, "save");
  const policy = await settingOf(connection, "maxmemory-policy");
  if (appendonly === "no") {
    logger.warn(
      { appendonly },
      "Redis keeps no append-only file: a crash loses what was confirmed since the last save",
    );
  }
  if (appendonly === "yes" && appendfsync === "no") {
    logger.warn(
      { appendfsync },
      "Redis leaves it to the system when its append-only file reaches the disk: a power cut loses what was confirmed",
    );
  }
  // The append-only file does without.
  if (appendonly !== "yes" && save === "") logger.warn({ save }, "Redis saves no snapshots");
  if (policy !== undefined && policy !== "noeviction") {
    logger.warn(
      { policy },
      "Redis may evict confirmed state when its memory is full; set maxmemory-policy noeviction",
    );
  }
  if (appendonly === undefined || policy === undefined) {
    logger.warn(
      {},
      "Redis does not tell its settings; make sure of appendonly yes and maxmemory-policy noeviction",
    );
  }
}

/** @throws {StoreError} STATE_STORE_UNAVAILABLE */
export function requireVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  const words = `Redis ${version} is too old: the state needs ${oldest.join(".")} or later`;
  throw new StoreError("STATE_STORE_UNAVAILABLE", words, { metadata: { version } });
}

function requireMode(mode: string | undefined): void {
  if (mode === "cluster") throw new StoreError("STATE_STORE_UNAVAILABLE", clusterWords);
  if (mode === "sentinel") throw new StoreError("STATE_STORE_UNAVAILABLE", sentinelWords);
}

/**
 * Tries on nothing what is sent outside of the scripts: else a user who may not would be found out by the first reader.
 * redis-open.lua does the same for the commands inside.
 *
 * @throws what `send` throws
 */
export async function tryCommands(connection: RedisConnection, { records, log }: RedisKeys): Promise<void> {
  // EVAL is for the moment when Redis has forgotten its scripts.
  await connection.send(["EVAL", "return 1", "0"]);
  await connection.send(["HGET", records, ""]);
  await connection.send(["HSCAN", records, "0", "COUNT", "1"]);
  await connection.send(["XREAD", "COUNT", "1", "STREAMS", log, "$"]);
}

async function settingOf(connection: RedisConnection, name: string): Promise<string | undefined> {
  const reply = await ask(connection, ["CONFIG", "GET", name]);
  return Array.isArray(reply) && typeof reply[1] === "string" ? reply[1] : undefined;
}

async function valueOf(connection: RedisConnection, words: readonly string[]): Promise<string | undefined> {
  const reply = await ask(connection, words);
  return typeof reply === "string" ? reply : undefined;
}

/** @returns undefined if Redis refuses: many providers permit neither INFO nor CONFIG */
async function ask(connection: RedisConnection, words: readonly string[]): Promise<unknown> {
  try {
    return await connection.send(words);
  } catch (error) {
    if (error instanceof ConnectionLostError) throw error;
    return undefined;
  }
}

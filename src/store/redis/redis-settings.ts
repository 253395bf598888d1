import type { Logger } from "../../observability/logger.js";
import { StoreError } from "../errors.js";
import type { RedisConnection } from "./redis-connection.js";
import { ConnectionLostError } from "./redis-errors.js";

/** The oldest Redis whose commands the scripts use: XRANGE with an open end came in 6.2. */
const oldest = [6, 2] as const;

/**
 * Refuses a Redis that is too old, and warns of settings under which confirmed state may be lost.
 *
 * @throws {StoreError} STATE_STORE_UNAVAILABLE; {ConnectionLostError}
 */
export async function checkServer(connection: RedisConnection, logger: Logger): Promise<void> {
  const info = await valueOf(connection, ["INFO", "server"]);
  const version = /^redis_version:(\S+)/m.exec(info ?? "")?.[1];
  if (version === undefined) {
    logger.warn({}, "Redis does not tell its version; at least 6.2 is needed");
  } else {
    requireVersion(version);
  }
  const appendonly = await settingOf(connection, "appendonly");
  const save = await settingOf(connection, "save");
  const policy = await settingOf(connection, "maxmemory-policy");
  if (appendonly === "no") {
    logger.warn(
      { appendonly },
      "Redis keeps no append-only file: a crash loses what was confirmed since the last save",
    );
  }
  if (save === "") logger.warn({ save }, "Redis saves no snapshots");
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

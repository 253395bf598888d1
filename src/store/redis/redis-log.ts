import { parse, toChanges } from "../change-rows.js";
import type { ChangeSet, RecordChange, Revision } from "../contract.js";
import { StoreError, unreadable } from "../errors.js";
import { redisLimits, storeLimits } from "../limits.js";
import type { RedisConnection, RedisReply } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";
import type { RedisScripts } from "./redis-scripts.js";
import { numberOfRevision } from "../revision.js";

/** A commit as the log holds it. */
export interface LogEntry {
  /**
   * The commit before it. A reader that was there has met neither gap nor repeat; one that was not is in another past:
   * the log was trimmed, flushed, or is that of a replica that missed commits and took others. Numbers alone would hide it.
   */
  readonly previous: Revision;
  readonly changeSet: ChangeSet;
  /** About what it takes in memory. */
  readonly characters: number;
}

export interface LogPart {
  /** The latest commit; undefined = there is no state, or not all of it. */
  readonly head: Revision | undefined;
  /** The commit right before the oldest one in the log: the first that can be resumed. */
  readonly base: Revision | undefined;
  readonly entries: readonly LogEntry[];
}

/**
 * Reads the commits after a number, and where the log ends, at one instant.
 *
 * @throws what `send` throws; {StoreError} STATE_UNREADABLE
 */
export async function readLog(
  connection: RedisConnection,
  { scripts, keys }: { readonly scripts: RedisScripts; readonly keys: RedisKeys },
  after: number,
  most: number = redisLimits.maxReadEntries,
): Promise<LogPart> {
  const { records, log, operations, meta } = keys;
  const args = [String(after), String(most), String(redisLimits.enoughReadBytes)];
  const reply = await scripts.read.run(connection, [records, log, operations, meta], args);
  const [head, base, ...entries] = listOf(reply);
  const textOf = (part: RedisReply | undefined): string | undefined =>
    typeof part === "string" ? part : undefined;
  return { head: textOf(head), base: textOf(base), entries: entries.map(decodeEntry) };
}

/**
 * Reads which commits led to one, it last, as far back as the log reaches and the limits let.
 *
 * @returns nothing if that very commit is not in the log
 * @throws what `send` throws; {StoreError} STATE_UNREADABLE
 */
export async function readTrail(
  connection: RedisConnection,
  { scripts, keys }: { readonly scripts: RedisScripts; readonly keys: RedisKeys },
  revision: Revision,
): Promise<readonly Revision[]> {
  const args = [revision, String(storeLimits.trailCommits), String(redisLimits.trailBytes)];
  const trail = listOf(await scripts.trail.run(connection, [keys.log], args));
  return trail.map(String).reverse();
}

/** Waits for the first commit after a number. @returns undefined: none came in time */
export async function awaitLog(
  connection: RedisConnection,
  keys: RedisKeys,
  after: number,
  waitMs: number,
): Promise<LogEntry | undefined> {
  const words = ["XREAD", "COUNT", "1", "BLOCK", String(waitMs), "STREAMS", keys.log, `${after}-0`];
  const reply = await connection.send(words);
  if (reply === null) return undefined;
  const [stream] = listOf(reply);
  const [, entries] = listOf(stream);
  const [entry] = listOf(entries);
  return decodeEntry(entry);
}

function decodeEntry(reply: RedisReply | undefined): LogEntry {
  const [id, fields] = listOf(reply);
  const byName = new Map<string, string>();
  const texts = listOf(fields);
  for (let at = 0; at + 1 < texts.length; at += 2) byName.set(String(texts[at]), String(texts[at + 1]));
  const [number] = String(id).split("-");
  const revision = `${number}-${byName.get("nonce")}`;
  const timeMs = Number(byName.get("timeMs"));
  const text = byName.get("changes");
  if (!isRevision(revision) || Number.isNaN(timeMs)) throw damaged(id);
  return {
    previous: byName.get("previous") ?? "",
    changeSet: { revision, timeMs, changes: readChanges(id, text) },
    characters: text?.length ?? 0,
  };
}

function readChanges(id: RedisReply | undefined, text: string | undefined): readonly RecordChange[] {
  try {
    return toChanges(parse(text));
  } catch {
    throw damaged(id);
  }
}

const isRevision = (revision: Revision): boolean => !Number.isNaN(numberOfRevision(revision));

const damaged = (id: RedisReply | undefined): StoreError =>
  unreadable("the log in Redis holds a commit that cannot be read", String(id));

function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (typeof reply === "object" && reply !== null) return reply;
  throw foreign();
}

const foreign = (): StoreError => new StoreError("STATE_UNREADABLE", "the log in Redis is none of ours");

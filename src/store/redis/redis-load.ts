import { readRecord } from "../change-rows.js";
import type { Revision, Snapshot, StoredRecord } from "../contract.js";
import { redisLimits } from "../limits.js";
import type { RedisConnection } from "./redis-connection.js";
import { ConnectionLostError } from "./redis-errors.js";
import type { RedisKeys } from "./redis-keys.js";
import { type LogEntry, readLog, readTrail } from "./redis-log.js";
import type { RedisScripts } from "./redis-scripts.js";
import { numberOfRevision } from "../revision.js";

interface Parts {
  readonly scripts: RedisScripts;
  readonly keys: RedisKeys;
}

/** Records are up to 2 MiB each: a scan begins small and follows the size of what it meets. */
const maxScanCount = 1_000;
/** How often to begin again when the log was trimmed, or is another one, meanwhile. */
const maxTries = 3;

/**
 * Reads every record as of one commit, while others go on: scans, and then replays what was committed since the scan began.
 *
 * All over one connection: a scan's cursor means nothing to another server.
 *
 * @param requireGoing called between two questions; what it throws ends the load
 * @throws what `send` throws; {StoreError} STATE_UNREADABLE
 */
export async function loadFrom(
  connection: RedisConnection,
  parts: Parts,
  requireGoing: () => void,
): Promise<Snapshot> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const { head } = await readLog(connection, parts, 0, 0);
    if (head === undefined) break;
    const records = await scan(connection, parts.keys, requireGoing);
    const revision = await replay(connection, parts, { records, after: head, requireGoing });
    if (revision !== undefined)
      return { records, revision, trail: await readTrail(connection, parts, revision) };
  }
  throw new ConnectionLostError("the state changes faster than it can be read", true);
}

async function scan(
  connection: RedisConnection,
  { records: hash }: RedisKeys,
  requireGoing: () => void,
): Promise<Map<string, StoredRecord>> {
  const records = new Map<string, StoredRecord>();
  let cursor = "0";
  let count = 100;
  do {
    requireGoing();
    const reply = await connection.send(["HSCAN", hash, cursor, "COUNT", String(count)]);
    const [next, found] = reply as readonly [string, readonly string[]];
    let characters = 0;
    for (let at = 0; at + 1 < found.length; at += 2) {
      const [key = "", stored = ""] = found.slice(at, at + 2);
      characters += stored.length;
      records.set(key, readRecord(key, stored));
    }
    const fitting = Math.ceil((count * redisLimits.scanBytes) / Math.max(characters, 1));
    count = Math.min(maxScanCount, Math.max(1, Math.min(fitting, count * 2)));
    cursor = next;
  } while (cursor !== "0");
  return records;
}

/**
 * Applies the commits after a revision. A scan may have met a record before or after any of them; as all of them are applied,
 * each record ends as the last one left it.
 *
 * @returns the last of them; undefined if the log does not lead on from `after`
 */
async function replay(
  connection: RedisConnection,
  parts: Parts,
  load: {
    readonly records: Map<string, StoredRecord>;
    readonly after: Revision;
    readonly requireGoing: () => void;
  },
): Promise<Revision | undefined> {
  let position = load.after;
  // Where the log ended after the scan: whoever reads on until nothing comes may never end.
  let end: number | undefined;
  for (;;) {
    load.requireGoing();
    const { head, entries } = await readLog(connection, parts, numberOfRevision(position));
    if (head === undefined) return undefined;
    if (entries.length === 0) return head === position ? position : undefined;
    end ??= numberOfRevision(head);
    for (const entry of entries) {
      if (entry.previous !== position) return undefined;
      apply(load.records, entry);
      position = entry.changeSet.revision;
      if (numberOfRevision(position) === end) return position;
    }
  }
}

function apply(records: Map<string, StoredRecord>, { changeSet }: LogEntry): void {
  const { revision, changes } = changeSet;
  for (const { key, value } of changes) {
    if (value === undefined) records.delete(key);
    else records.set(key, { key, value, revision });
  }
}

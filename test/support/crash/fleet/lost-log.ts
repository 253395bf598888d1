/** What a Redis held in its log when the state was lost: nobody can ask it afterwards. */
import { parse, toChanges } from "../../../../src/store/change-rows.js";
import type { RecordChange } from "../../../../src/store/contract.js";
import type { RedisServer } from "../../redis-server.js";

const log = "{p2prc:default}:log";

/** Reads all, and forgets everything, at one instant. */
export async function flushOut(server: RedisServer): Promise<readonly RecordChange[]> {
  const script = `local log = redis.call("XRANGE", KEYS[1], "-", "+") redis.call("FLUSHALL") return log`;
  return changesIn(await server.ask("EVAL", script, "1", log));
}

/** Reads what one still has that nobody uses any more. */
export const readOut = async (server: RedisServer): Promise<readonly RecordChange[]> =>
  changesIn(await server.ask("XRANGE", log, "-", "+"));

function changesIn(reply: unknown): readonly RecordChange[] {
  return (reply as readonly (readonly [string, readonly string[]])[]).flatMap(([, fields]) =>
    toChanges(parse(fields[fields.indexOf("changes") + 1])),
  );
}

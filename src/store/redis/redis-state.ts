import type { Logger } from "../../observability/logger.js";
import type { Revision } from "../contract.js";
import { StoreError } from "../errors.js";
import { makeRevision } from "../revision.js";
import type { RedisConnection, RedisReply } from "./redis-connection.js";
import { RefusedError, toRedisStoreError } from "./redis-errors.js";
import type { RedisKeys } from "./redis-keys.js";
import { type LogPart, readLog } from "./redis-log.js";
import type { RedisScripts } from "./redis-scripts.js";

/** The layout of the keys. A newer one is refused: an older program would drop what it does not know. */
const schemaVersion = "1";

/** Whether there is a state in Redis: found or made at the start, and maybe gone since. */
export class RedisState {
  readonly scripts: RedisScripts;
  readonly keys: RedisKeys;
  readonly #logger: Logger;
  readonly #makes: boolean;
  #isGone = false;

  /** @param makes whether an empty one is made where there is none */
  constructor(scripts: RedisScripts, keys: RedisKeys, logger: Logger, makes: boolean) {
    this.scripts = scripts;
    this.keys = keys;
    this.#logger = logger;
    this.#makes = makes;
  }

  /** It was flushed, a part of it was evicted, or this is another Redis. Nothing is written until it was loaded anew. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /**
   * Finds it, or makes an empty one if it may.
   *
   * @returns whether there was none
   * @throws what `send` throws; {StoreError} STATE_UNREADABLE, STATE_STORE_UNAVAILABLE
   */
  async prepare(connection: RedisConnection): Promise<boolean> {
    const { records, log, operations, meta, mark } = this.keys;
    const keys = [records, log, operations, meta, mark("open")];
    const reply = await this.scripts.open.run(connection, keys, [
      schemaVersion,
      this.#makes ? makeRevision(0) : "",
    ]);
    const [kind, schema] = wordsOf(reply);
    if (kind === "forbidden") throw toRedisStoreError(new RefusedError(`NOPERM ${schema}`));
    if (kind === "absent")
      throw new StoreError("STATE_STORE_UNAVAILABLE", "there is no state of this namespace in Redis");
    if (kind === "damaged") throw await this.#damageError(connection);
    if (schema === schemaVersion) return kind === "made";
    const words = `the state in Redis was written by another version (schema ${schema}, this one knows ${schemaVersion})`;
    throw new StoreError("STATE_UNREADABLE", words, { metadata: { schema: String(schema) } });
  }

  /** Names the keys: whoever deleted or evicted them may not know that they belong together. */
  async #damageError(connection: RedisConnection): Promise<StoreError> {
    const { records, log, operations, meta } = this.keys;
    const missing: string[] = [];
    for (const key of [records, log, operations, meta])
      if ((await connection.send(["EXISTS", key])) === 0) missing.push(key);
    const which = missing.length === 0 ? "" : ` (${missing.join(", ")})`;
    return new StoreError(
      "STATE_UNREADABLE",
      `parts of the state in Redis are missing${which}; the rest stays as it is`,
    );
  }

  /** Reads its log, as `readLog` does, and sees whether it is there. */
  async read(connection: RedisConnection, after: number, most?: number): Promise<LogPart> {
    const part = await readLog(connection, this, after, most);
    this.see(part.head !== undefined);
    return part;
  }

  /**
   * Nothing is read or written one by one where the state is gone: what is not there was not removed.
   *
   * @returns the latest commit
   * @throws what `send` throws; {StoreError} STATE_STORE_UNAVAILABLE
   */
  async require(connection: RedisConnection): Promise<Revision> {
    const { head } = await this.read(connection, 0, 0);
    if (head === undefined) throw goneError();
    return head;
  }

  /** Takes up what an answer of Redis told. */
  see(isThere: boolean): void {
    if (this.#isGone === isThere) {
      if (isThere) this.#logger.info({}, "the state in Redis is back");
      else
        this.#logger.error(
          {},
          "the state in Redis, or a part of it, is gone; nothing is written until it was loaded anew",
        );
    }
    this.#isGone = !isThere;
  }
}

export const goneError = (): StoreError =>
  new StoreError(
    "STATE_STORE_UNAVAILABLE",
    "the state in Redis, or a part of it, is gone (flushed, evicted, or another Redis); nothing is written until it was loaded anew",
  );

function wordsOf(reply: RedisReply): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}

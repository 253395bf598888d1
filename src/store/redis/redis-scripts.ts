import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RedisConnection, RedisReply } from "./redis-connection.js";
import { RefusedError } from "./redis-errors.js";

/** What runs inside Redis. Each file says what it takes and gives. */
export interface RedisScripts {
  readonly open: RedisScript;
  readonly commit: RedisScript;
  readonly read: RedisScript;
  readonly trail: RedisScript;
}

/** The text of a script, with what stands before each: how to know that the state is there. */
export const scriptText = (file: string): string =>
  ["redis-whole.lua", file].map((each) => readFileSync(new URL(each, import.meta.url), "utf8")).join("");

export class RedisScript {
  readonly #text: string;
  readonly #sha: string;

  constructor(file: string) {
    this.#text = scriptText(file);
    this.#sha = createHash("sha1").update(this.#text).digest("hex");
  }

  /** @throws what `send` throws */
  run(connection: RedisConnection, keys: readonly string[], args: readonly string[]): Promise<RedisReply> {
    const words = ["EVALSHA", this.#sha, String(keys.length), ...keys, ...args];
    return connection.send(words).catch((error: unknown) => {
      // Redis forgets scripts when it restarts, fails over or is told to; EVAL brings the text along.
      if (!(error instanceof RefusedError) || error.code !== "NOSCRIPT") throw error;
      return connection.send(["EVAL", this.#text, ...words.slice(2)]);
    });
  }
}

export const loadRedisScripts = (): RedisScripts => ({
  open: new RedisScript("redis-open.lua"),
  commit: new RedisScript("redis-commit.lua"),
  read: new RedisScript("redis-read.lua"),
  trail: new RedisScript("redis-trail.lua"),
});

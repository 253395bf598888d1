/** The one step of a commit that can fail comes last. */
import type { RedisReply } from "../../../../../src/store/redis/redis-connection.js";
import {
  loadRedisScripts as loadOwn,
  RedisScript,
  type RedisScripts,
  scriptText,
} from "../../../../../src/store/redis/redis-scripts.js";

export * from "../../../../../src/store/redis/redis-scripts.js";

const step = /redis\.call\("XADD"[^\n]*\n[^\n]*\n/;

/** Another text in place of the script of the product. */
class SpoiledScript extends RedisScript {
  readonly #text: string;

  constructor() {
    super("redis-commit.lua");
    const text = scriptText("redis-commit.lua");
    const [add = ""] = step.exec(text) ?? [];
    const end = text.indexOf("bytes = bytes + size");
    if (end < 0) throw new Error("the script of a commit has no such line any more");
    this.#text = (text.slice(0, end) + add + text.slice(end)).replace(add, "");
  }

  override async run(...[connection, keys, args]: Parameters<RedisScript["run"]>): Promise<RedisReply> {
    return await connection.send(["EVAL", this.#text, String(keys.length), ...keys, ...args]);
  }
}

export const loadRedisScripts = (): RedisScripts => ({ ...loadOwn(), commit: new SpoiledScript() });

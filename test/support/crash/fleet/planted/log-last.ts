/** The one step of a commit that can fail comes last. */
import { readFileSync } from "node:fs";
import type { RedisReply } from "../../../../../src/store/redis/redis-connection.js";
import {
  loadRedisScripts as loadOwn,
  RedisScript,
  type RedisScripts,
} from "../../../../../src/store/redis/redis-scripts.js";

export * from "../../../../../src/store/redis/redis-scripts.js";

const path = new URL("../../../../../src/store/redis/redis-commit.lua", import.meta.url);
const step = /redis\.call\("XADD"[^\n]*\n[^\n]*\n/;

/** Another text in place of the script of the product. */
class SpoiledScript extends RedisScript {
  readonly #text: string;

  constructor() {
    super("redis-commit.lua");
    const text = readFileSync(path, "utf8");
    const [add = ""] = step.exec(text) ?? [];
    const end = text.indexOf("local base =");
    this.#text = (text.slice(0, end) + add + text.slice(end)).replace(add, "");
  }

  override async run(...[connection, keys, args]: Parameters<RedisScript["run"]>): Promise<RedisReply> {
    return await connection.send(["EVAL", this.#text, String(keys.length), ...keys, ...args]);
  }
}

export const loadRedisScripts = (): RedisScripts => ({ ...loadOwn(), commit: new SpoiledScript() });

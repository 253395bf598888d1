/** Who lost an answer asks anew, as if it were another commit. */
import { randomUUID } from "node:crypto";
import type { RedisReply } from "../../../../../src/store/redis/redis-connection.js";
import {
  loadRedisScripts as loadOwn,
  RedisScript,
  type RedisScripts,
} from "../../../../../src/store/redis/redis-scripts.js";

export * from "../../../../../src/store/redis/redis-scripts.js";

/** The script of the product, asked otherwise. */
class ForgetfulScript extends RedisScript {
  override async run(...[connection, keys, args]: Parameters<RedisScript["run"]>): Promise<RedisReply> {
    const [, nonce = "", attempt = "", ...rest] = args;
    const asked = attempt === "1" ? args : [randomUUID(), nonce, "1", ...rest];
    return await super.run(connection, keys, asked);
  }
}

export const loadRedisScripts = (): RedisScripts => ({
  ...loadOwn(),
  commit: new ForgetfulScript("redis-commit.lua"),
});

/** What a user of the ACL must be allowed: all that the store sends, or it is refused at the start. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import { storeLimits } from "../../src/store/limits.js";
import { openRedisStore, type RedisStore } from "../../src/store/redis/redis-store.js";
import { RedisServer } from "../support/redis-server.js";
import { aCommit, commit, put, startOf, take } from "../support/store-calls.js";
import { TcpProxy } from "../support/tcp-proxy.js";

let server: RedisServer;
let proxy: TcpProxy;
beforeAll(async () => {
  server = await RedisServer.start();
  proxy = await TcpProxy.start(server.port);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const aUser = async (...rules: readonly string[]): Promise<void> => {
  await server.ask("ACL", "SETUSER", "u", "reset", "on", ">secret-canary", ...rules);
};
const open = async (namespace: string): Promise<RedisStore> =>
  await openRedisStore({
    url: `redis://u:secret-canary@127.0.0.1:${proxy.port}`,
    namespace,
    logger: silentLogger,
    connectTimeoutMs: 20_000,
    history: { commits: 3, bytes: storeLimits.historyBytes },
  });
const refusalOf = async (namespace: string): Promise<string> => {
  try {
    await (await open(namespace)).close();
    return "it opened";
  } catch (error) {
    const { message, cause } = error as Error;
    expect(`${message} ${String(cause)}`).not.toContain("secret-canary");
    return message;
  }
};

/** Everything that a store does: commits, lost answers, a conflict that is repeated, a trimmed history, readers. */
async function useAll(namespace: string): Promise<void> {
  const store = await open(namespace);
  try {
    const start = await startOf(store);
    await put(store, "a");
    const stale = aCommit({ expect: [{ key: "a", revision: undefined }], put: [{ key: "a", value: {} }] });
    proxy.arm({ direction: "replies", message: 1, place: "before" });
    expect((await store.commit(stale)).kind).toBe("conflict");
    expect(proxy.disarm()).toBe(false);
    expect(await take(store, start, 1)).toHaveLength(1);
    for (let n = 0; n < 5; n += 1) await commit(store, { put: [{ key: `${n}`, value: {} }], delete: ["a"] });
    expect(await store.get("4")).toBeDefined();
    await server.ask("SCRIPT", "FLUSH");
    expect((await store.load()).records.size).toBe(5);
  } finally {
    await store.close();
  }
}

/** The commands that Redis runs meanwhile, those inside scripts as well. */
async function commandsDuring(work: () => Promise<void>): Promise<ReadonlySet<string>> {
  const socket = connect(server.port, "127.0.0.1")
    .setEncoding("utf8")
    .on("error", () => undefined);
  let text = "";
  socket.on("data", (part: string) => (text += part));
  socket.write("MONITOR\r\n");
  await once(socket, "data");
  await work();
  await server.ask("ECHO", "the end");
  while (!text.includes("the end")) await once(socket, "data");
  socket.destroy();
  const words = [...text.matchAll(/^\+\d+\.\d+ \[[^\]]*\] "([^"]+)"/gm)].map(([, word]) =>
    word!.toLowerCase(),
  );
  // The last two are the test's own.
  return new Set(words.filter((word) => !["script", "echo"].includes(word)));
}

/** Without INFO and CONFIG it is served, and warns; AUTH is everybody's. */
const optional = ["info", "config", "auth"];

describe("a user of the ACL", () => {
  it("who may not send one of the store's commands is refused at the start, in its name, and nothing is made", async () => {
    await aUser("~{p2prc:*", "+@all");
    const commands = await commandsDuring(async () => await useAll("all"));
    process.stdout.write(`the store's commands: ${[...commands].sort().join(" ")}\n`);
    const needed = [...commands].filter((command) => !optional.includes(command));
    expect(needed.length).toBeGreaterThanOrEqual(14);
    const refusals: [string, string][] = [];
    for (const command of needed) {
      await aUser("~{p2prc:*", "+@all", `-${command}`);
      refusals.push([command, await refusalOf("all")], [command, await refusalOf("new")]);
    }
    const words = "Redis does not permit this user what the state needs";
    expect(refusals).toEqual(
      needed.flatMap((command) => Array(2).fill([command, `${words}: ${command.toUpperCase()}`]) as string[]),
    );
    expect(await server.ask("KEYS", "{p2prc:new}*")).toEqual([]);
  });

  it("with the categories that docs/redis.md names may do everything", async () => {
    const categories = ["hash", "stream", "string", "scripting", "keyspace", "connection"];
    await aUser("~{p2prc:*", ...categories.map((name) => `+@${name}`));
    await useAll("documented");
  });

  it.each([
    ["none", ["~other:*"]],
    ["no marks", ["records", "log", "operations", "meta"].map((name) => `~{p2prc:keys}:${name}`)],
  ])("with %s of the keys is refused at the start", async (_, patterns) => {
    await aUser(...patterns, "+@all");
    expect(await refusalOf("keys")).toBe(
      "Redis does not permit this user what the state needs: the keys ~{p2prc:*",
    );
  });

  it("whose rights go while it is served is told so, and nothing is torn, whichever they are", async () => {
    await aUser("~{p2prc:*", "+@all");
    const store = await open("later");
    const change = async (key: string, gone: string): Promise<unknown> =>
      await commit(store, { put: [{ key, value: {} }], delete: [gone] });
    try {
      for (const key of ["a", "b", "c", "d"]) await put(store, key);
      for (const command of ["hset", "hdel", "hget", "hlen", "exists", "xadd", "xrange", "xdel", "get"]) {
        const { records, revision } = await store.load();
        const [gone = ""] = records.keys();
        await aUser("~{p2prc:*", "+@all", `-${command}`);
        await expect(change("never", gone)).rejects.toThrow("does not permit this user");
        await aUser("~{p2prc:*", "+@all");
        expect(await store.load()).toMatchObject({ records, revision });
        await change(command, gone);
        const [next] = await take(store, revision, 1);
        expect(next?.changes.map(({ key }) => key)).toEqual([command, gone]);
      }
    } finally {
      await store.close();
    }
  });
});

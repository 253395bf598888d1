/** Addresses of a Redis of a kind that cannot hold the state: refused at the start, with what to name instead. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import { openRedisStore, type RedisStore } from "../../src/store/redis/redis-store.js";
import { put } from "../support/store-calls.js";
import { freePort } from "../support/free-port.js";
import { redisProgram, RedisServer } from "../support/redis-server.js";

const open = async (url: string): Promise<RedisStore> =>
  await openRedisStore({ url, namespace: "kinds", logger: silentLogger });
const refusalOf = async (url: string): Promise<string> => {
  try {
    await (await open(url)).close();
    return "it opened";
  } catch (error) {
    return (error as Error).message;
  }
};

describe("a node of a Redis Cluster", () => {
  const words = "--redis names a node of a Redis Cluster, which cannot hold the state";
  const aCluster = async (): Promise<RedisServer> =>
    await RedisServer.start({ settings: { "cluster-enabled": "yes" } });
  const addSlots = async (server: RedisServer, from: number, to: number): Promise<void> => {
    const slots = Array.from({ length: to - from + 1 }, (_, n) => String(from + n));
    await server.ask("CLUSTER", "ADDSLOTS", ...slots);
    while (!String(await server.ask("CLUSTER", "INFO")).includes("cluster_state:ok"));
  };

  it("is refused at the start, with all slots and with none, and nothing is written", async () => {
    await using server = await aCluster();
    expect(await refusalOf(server.url)).toContain(words);
    await addSlots(server, 0, 16_383);
    expect(await refusalOf(server.url)).toContain(words);
    expect(await server.ask("KEYS", "*")).toEqual([]);
  });

  it("that hides what it is, and loses the slot later, is told of in the same words", async () => {
    await using server = await aCluster();
    await addSlots(server, 0, 16_383);
    await server.ask("ACL", "SETUSER", "u", "on", ">pw", "~{p2prc:*", "+@all", "-info");
    const store = await open(`redis://u:pw@127.0.0.1:${server.port}`);
    try {
      await put(store, "k");
      const slot = String(await server.ask("CLUSTER", "KEYSLOT", "{p2prc:kinds}:meta"));
      // Sent away by hand: the slot belongs to a node that is elsewhere.
      await server.ask("CONFIG", "SET", "cluster-require-full-coverage", "no");
      await server.ask("CLUSTER", "DELSLOTS", slot);
      await expect(put(store, "k")).rejects.toThrow("Redis Cluster");
    } finally {
      await store.close();
    }
  });
});

describe("a Sentinel", () => {
  it.each([[""], ["/0"], ["/1"]])("is refused at the start, named with %p as database", async (database) => {
    const folder = await mkdtemp(join(tmpdir(), "p2prc-sentinel-"));
    const file = join(folder, "sentinel.conf");
    const port = await freePort();
    await writeFile(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\n`);
    const child = spawn(redisProgram, [file, "--sentinel"], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      let log = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (log += text));
      while (!log.includes("Sentinel ID")) await once(child.stdout, "data");
      expect(await refusalOf(`redis://127.0.0.1:${port}${database}`)).toBe(
        "--redis names a Sentinel: name the Redis that it watches, or an address that follows its primary",
      );
    } finally {
      const ended = once(child, "exit");
      child.kill();
      await ended;
      await rm(folder, { recursive: true, force: true });
    }
  });
});

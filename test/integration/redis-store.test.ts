/** What holds for the shared store only: its server, its keys, its URL. Its outages are in redis-faults.test.ts. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import { storeLimits } from "../../src/store/limits.js";
import { requireVersion } from "../../src/store/redis/redis-settings.js";
import {
  openRedisStore,
  type RedisStore,
  type RedisStoreOptions,
} from "../../src/store/redis/redis-store.js";
import { RedisServer } from "../support/redis-server.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { aCommit, aPut, commit, put, reasonOf, startOf, take } from "../support/store-calls.js";

let server: RedisServer;
const opened: RedisStore[] = [];
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(async () => await server[Symbol.asyncDispose]());
beforeEach(async () => {
  await server.ask("FLUSHALL");
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

const open = async (options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> => {
  const store = await openRedisStore({
    url: server.url,
    namespace: "test",
    logger: silentLogger,
    connectTimeoutMs: 20_000,
    ...options,
  });
  opened.push(store);
  return store;
};
const failureOf = async (options: Partial<RedisStoreOptions>): Promise<Error> => {
  const failure = await open(options).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof Error)) throw new Error("it opened");
  return failure;
};

/** Keeps the warnings. */
function listeningLogger(): { readonly logger: Logger; readonly warnings: Record<string, unknown>[] } {
  const warnings: Record<string, unknown>[] = [];
  return { warnings, logger: { ...silentLogger, warn: (fields) => warnings.push(fields) } };
}

describe("two stores on one Redis", () => {
  it("are one: each sees what the other commits, and one of them wins", async () => {
    const [a, b] = [await open(), await open()];
    const start = await startOf(b);
    const revision = await put(a, "k", { by: "a" });
    expect(await b.get("k")).toEqual({ key: "k", value: { by: "a" }, revision });
    expect((await take(b, start, 1))[0]?.revision).toBe(revision);
    const wish = { expect: [{ key: "k", revision }], put: [{ key: "k", value: { taken: true } }] };
    const results = await Promise.all([a, b].map(async (store) => await store.commit(aCommit(wish))));
    expect(results.map(({ kind }) => kind).sort()).toEqual(["committed", "conflict"]);
    expect(a.stats.conflicts + b.stats.conflicts).toBe(1);
  });

  it("do an operation once, whichever is asked", async () => {
    const [a, b] = [await open(), await open()];
    const operation = aCommit({ put: [{ key: "k", value: {} }] });
    expect(await b.commit(operation)).toEqual(await a.commit(operation));
    expect((await startOf(a)).split("-")[0]).toBe("1");
  });

  it("of two namespaces, or two databases, know nothing of each other", async () => {
    const stores = [await open(), await open({ namespace: "other" }), await open({ url: `${server.url}/3` })];
    for (const [n, store] of stores.entries()) await put(store, "k", { n });
    for (const [n, store] of stores.entries()) expect((await store.get("k"))?.value).toEqual({ n });
  });
});

describe("the keys", () => {
  it.each(["base", "bytes"])("tear no commit when somebody has deleted %s of the counters", async (field) => {
    const store = await open();
    await put(store, "k");
    await server.ask("HDEL", "{p2prc:test}:meta", field);
    expect(await reasonOf(store.commit(aPut("k")))).toBe("STATE_STORE_UNAVAILABLE");
    expect(await server.ask("XLEN", "{p2prc:test}:log")).toBe(1);
    expect((await failureOf({})).message).toContain("parts of the state");
  });

  it("commit on beside what others have taken out of the log or put into it", async () => {
    const store = await open({ history: { commits: 2, bytes: storeLimits.historyBytes } });
    for (let n = 0; n < 4; n += 1) await put(store, "k", { n });
    const log = "{p2prc:test}:log";
    const [[first]] = (await server.ask("XRANGE", log, "-", "+", "COUNT", "1")) as [[string]];
    await server.ask("XDEL", log, first);
    await server.ask("XADD", log, "4-1", "of", "somebody");
    for (let n = 4; n < 8; n += 1) await put(store, "k", { n });
    await server.ask("XTRIM", log, "MAXLEN", "0");
    const last = await put(store, "k", { n: 8 });
    expect((await store.get("k"))?.revision).toBe(last);
    expect(await server.ask("XLEN", log)).toBe(1);
    const next = await put(store, "k", { n: 9 });
    expect((await take(await open(), last, 1))[0]?.revision).toBe(next);
  });

  it("share one hash tag, and a state that was trimmed keeps no more than its history", async () => {
    const store = await open({ history: { commits: 10, bytes: storeLimits.historyBytes } });
    for (let n = 0; n < 100; n += 1) await put(store, "k", { n });
    const keys = (await server.ask("KEYS", "*")) as string[];
    expect(keys.sort()).toEqual(
      ["log", "meta", "operations", "records"].map((name) => `{p2prc:test}:${name}`),
    );
    expect(await server.ask("XLEN", "{p2prc:test}:log")).toBe(10);
    expect(await server.ask("HLEN", "{p2prc:test}:operations")).toBe(10);
  });

  it("count the bytes of exactly what the log holds", async () => {
    const store = await open({ history: { commits: 5, bytes: storeLimits.historyBytes } });
    for (let n = 0; n < 20; n += 1) await put(store, `k${n % 3}`, { text: "x".repeat(n * 10) });
    const entries = (await server.ask("XRANGE", "{p2prc:test}:log", "-", "+")) as [string, string[]][];
    const sizes = entries.map(([, fields]) => Number(fields[fields.indexOf("size") + 1]));
    const bytes = await server.ask("HGET", "{p2prc:test}:meta", "bytes");
    expect(Number(bytes)).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  it("may hold quotes and backslashes", async () => {
    const store = await open();
    const start = await startOf(store);
    const key = String.raw`a"b\c"\u0041`;
    await put(store, key, { n: 1 });
    expect((await take(store, start, 1))[0]?.changes).toEqual([
      { key, value: { n: 1 }, previous: undefined },
    ]);
  });

  it.each([["{a}"], [""], ["a b"], ["x".repeat(65)]])("take no namespace like %p", async (namespace) => {
    expect(await reasonOf(open({ namespace }))).toBe("STATE_UNREADABLE");
  });

  it.each([["records"], ["log"], ["operations"]])(
    "without their counter, but with %s, are refused",
    async (name) => {
      await put(await open(), "k");
      for (const other of ["meta", "records", "log", "operations"].filter((each) => each !== name)) {
        await server.ask("DEL", `{p2prc:test}:${other}`);
      }
      expect(await reasonOf(open())).toBe("STATE_UNREADABLE");
      expect(await server.ask("EXISTS", `{p2prc:test}:${name}`)).toBe(1);
    },
  );

  it.each([["records"], ["log"], ["operations"]])(
    "without %s, as Redis evicts and people delete, take no commit and let nobody in, until the others are gone too",
    async (name) => {
      const store = await open();
      await put(store, "k", { n: 1 });
      await server.ask("DEL", `{p2prc:test}:${name}`);
      expect(await reasonOf(put(store, "l"))).toBe("STATE_STORE_UNAVAILABLE");
      expect(await reasonOf(store.get("k"))).toBe("STATE_STORE_UNAVAILABLE");
      expect(await reasonOf(store.load())).toBe("STATE_UNREADABLE");
      expect(await reasonOf(open())).toBe("STATE_UNREADABLE");
      expect(await server.ask("EXISTS", `{p2prc:test}:${name}`)).toBe(0);
      await server.ask("FLUSHALL");
      expect((await store.load()).records.size).toBe(0);
      await put(store, "l");
      expect(await store.get("l")).toBeDefined();
    },
  );

  it("that hold no record any more are a state all the same", async () => {
    const store = await open();
    await put(store, "k");
    await commit(store, { delete: ["k"] });
    expect(await server.ask("EXISTS", "{p2prc:test}:records")).toBe(0);
    await put(store, "l");
    expect((await (await open()).load()).records.size).toBe(1);
  });

  it("of another program, or of a newer version, are refused and stay as they are", async () => {
    await server.ask("SET", "{p2prc:test}:meta", "foreign");
    expect(await reasonOf(open())).toBe("STATE_UNREADABLE");
    expect(await server.ask("GET", "{p2prc:test}:meta")).toBe("foreign");
    await server.ask("DEL", "{p2prc:test}:meta");
    await open();
    await server.ask("HSET", "{p2prc:test}:meta", "schema", "2");
    expect((await failureOf({})).message).toContain("schema 2, this one knows 1");
  });

  it("whose counter was set back take no commit: the log says so before anything is written", async () => {
    const store = await open();
    await put(store, "k", { n: 1 });
    const first = await server.ask("HGET", "{p2prc:test}:meta", "head");
    await put(store, "k", { n: 2 });
    await server.ask("HSET", "{p2prc:test}:meta", "head", String(first));
    expect(await reasonOf(put(store, "k", { n: 3 }))).toBe("STATE_UNREADABLE");
    expect((await store.get("k"))?.value).toEqual({ n: 2 });
  });
});

describe("load", () => {
  it("reads records of every size, and one state while another gateway commits", async () => {
    const [a, b] = [await open(), await open()];
    for (const key of ["big/1", "big/2", "big/3"]) await put(a, key, { text: "x".repeat(1_500_000) });
    for (let from = 0; from < 3_000; from += 1_000) {
      await commit(a, {
        put: Array.from({ length: 1_000 }, (_, n) => ({ key: `k${from + n}`, value: { n } })),
      });
    }
    let isOver = false;
    const writing = (async () => {
      for (let n = 0; !isOver; n += 1) {
        const both = ["first", "last"].map((key) => ({ key, value: { n } }));
        await commit(b, { put: both, delete: [`k${n}`] });
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      const { records, revision } = await a.load();
      const first = records.get("first");
      if (first === undefined) continue;
      expect(first.revision).toBe(revision);
      expect(records.get("last")?.value).toEqual(first.value);
      expect(records.size).toBe(5 + Math.max(0, 3_000 - Number(first.value["n"]) - 1));
    }
    isOver = true;
    await writing;
  });

  it("says so when the log is trimmed faster than the state can be read", async () => {
    await using slow = await TcpProxy.start(server.port);
    const store = await open({ url: slow.url, patienceMs: 1 });
    await commit(store, { put: Array.from({ length: 1_000 }, (_, n) => ({ key: `k${n}`, value: { n } })) });
    const fast = await open({ history: { commits: 1, bytes: 1 } });
    let isOver = false;
    const writing = (async () => {
      while (!isOver) await put(fast, "busy");
    })();
    slow.latencyMs = 20;
    const failure = await store.load().catch((error: unknown) => error);
    isOver = true;
    await writing;
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
    expect((failure as Error).message).toContain("faster than it can be read");
    expect((await store.load()).records.size).toBe(1_001);
  });
});

describe("what was heard of Redis", () => {
  it("is as new as the latest question of an idle reader, and stands still when there is no answer", async () => {
    await using silent = await RedisServer.start();
    // Longer than a busy machine keeps us from reading an answer: a reader that has failed hears no more.
    const replyTimeoutMs = 1_500;
    const store = await open({ url: silent.url, feedWaitMs: 20, replyTimeoutMs });
    expect(store.heardMs).toBeUndefined();
    const ended = reasonOf(take(store, await startOf(store), 1));
    const hear = async (afterMs: number): Promise<number> => {
      for (;;) {
        if ((store.heardMs ?? 0) > afterMs) return store.heardMs!;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await hear(await hear(Date.now()));
    silent.freeze();
    const frozenMs = Date.now();
    expect(await ended).toBe("STATE_STORE_UNAVAILABLE");
    // The kernel may have had an answer on its way.
    expect(store.heardMs! - frozenMs).toBeLessThan(Date.now() - frozenMs);
    expect(Date.now() - store.heardMs!).toBeGreaterThanOrEqual(replyTimeoutMs);
  });

  it("tells whether there was a state to open", async () => {
    expect((await open()).wasMade).toBe(true);
    expect((await open()).wasMade).toBe(false);
  });
});

describe("the server", () => {
  it("is judged at the start: settings that may lose confirmed state are warned of", async () => {
    const { logger, warnings } = listeningLogger();
    await server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    await open({ logger });
    await server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction");
    expect(warnings).toEqual([{ appendonly: "no" }, { save: "" }, { policy: "allkeys-lru" }]);
  });

  it("that keeps an append-only file and evicts nothing is warned of only if the file is left to the system", async () => {
    await using durable = await RedisServer.start({ settings: { appendonly: "yes" } });
    const { logger, warnings } = listeningLogger();
    await open({ url: durable.url, logger });
    expect(warnings).toEqual([]);
    await durable.ask("CONFIG", "SET", "appendfsync", "no");
    await open({ url: durable.url, logger });
    expect(warnings).toEqual([{ appendfsync: "no" }]);
  });

  it("that hides its settings from us is served, with a warning", async () => {
    await server.ask("ACL", "SETUSER", "small", "on", ">pw", "~{p2prc:*", "+@all", "-config", "-info");
    const { logger, warnings } = listeningLogger();
    const store = await open({ url: `redis://small:pw@127.0.0.1:${server.port}`, logger });
    await put(store, "k");
    expect(warnings).toEqual([{}, {}]);
  });

  it.each(["6.0.16", "5.0.14", "2.8.0"])("of version %s is refused in words", (version) => {
    expect(() => requireVersion(version)).toThrow(
      `Redis ${version} is too old: the state needs 6.2 or later`,
    );
  });

  it.each(["6.2.0", "7.0.15", "7.2.4", "8.0.1", "10.0.0"])("of version %s is taken", (version) => {
    requireVersion(version);
  });
});

describe("the URL", () => {
  it("brings user, password and database", async () => {
    await server.ask("ACL", "SETUSER", "us%er", "on", ">p@ss:w/rd", "~{p2prc:*", "+@all");
    const store = await open({ url: `redis://us%25er:p%40ss%3Aw%2Frd@127.0.0.1:${server.port}/5` });
    await put(store, "k");
    expect(await server.ask("EXISTS", "{p2prc:test}:records")).toBe(0);
    expect(String(await server.ask("INFO", "keyspace"))).toContain("db5:keys=4");
  });

  it.each([
    ["a wrong password", "redis://default:secret-canary@127.0.0.1", "refuses the user or the password"],
    ["no password where one is wanted", "redis://127.0.0.1", "wants a password"],
  ])("with %s fails in words that hold no password", async (_, prefix, words) => {
    await using closed = await RedisServer.start();
    await closed.ask("CONFIG", "SET", "requirepass", "right");
    const failure = await failureOf({ url: `${prefix}:${closed.port}` });
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
    expect(failure.message).toContain(words);
    expect(`${failure.message} ${JSON.stringify(failure)}`).not.toContain("secret-canary");
  });

  it.each(["http://user:secret-canary@host", "redis//:secret-canary", "", "redis://h:99999/secret-canary"])(
    "%p is refused in words that do not repeat it",
    async (url) => {
      const failure = await failureOf({ url });
      expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
      expect(`${failure.message} ${String(failure.cause)}`).not.toContain("secret-canary");
    },
  );

  it("of nobody fails once the time for it is over", async () => {
    await using gone = await RedisServer.start();
    await gone.kill();
    const failure = await failureOf({ url: gone.url, connectTimeoutMs: 1_000 });
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
    expect(failure.message).toContain("ECONNREFUSED");
  });

  it("waits at the start for a Redis that comes a little later", async () => {
    await using late = await RedisServer.start();
    await late.kill();
    const opening = open({ url: late.url, connectTimeoutMs: 15_000 });
    await late.startAgain();
    await put(await opening, "k");
  });
});

describe("closing", () => {
  it("leaves no connection behind", async () => {
    const clients = async (): Promise<number> =>
      (String(await server.ask("CLIENT", "LIST", "TYPE", "normal")).match(/^id=/gm) ?? []).length;
    const before = await clients();
    const store = await open();
    const watching = take(store, await startOf(store), 1).catch(() => undefined);
    await put(store, "k");
    await watching;
    expect(await clients()).toBe(before + 2);
    await store.close();
    while ((await clients()) !== before) await new Promise((resolve) => setImmediate(resolve));
  });

  it("does not wait for a connection that is being made", async () => {
    await using hole = await TcpProxy.start(server.port);
    const store = await open({ url: hole.url, connectTimeoutMs: 15_000 });
    hole.hold("commands");
    hole.reset();
    while (store.stats.isConnected) await new Promise((resolve) => setImmediate(resolve));
    const asking = reasonOf(store.get("k"));
    while (hole.size === 0) await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    expect(await asking).toBe("STATE_STORE_UNAVAILABLE");
    await hole.release();
    while (hole.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

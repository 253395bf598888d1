/**
 * What becomes of commits and their readers when Redis, or the way to it, fails. Not in the contract suite: the embedded
 * store has neither. In each case nothing confirmed is lost, nothing is done twice, and a reader meets neither gap nor repeat.
 */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type LogFields, silentLogger } from "../../src/observability/logger.js";
import type { Revision } from "../../src/store/contract.js";
import {
  openRedisStore,
  type RedisStore,
  type RedisStoreOptions,
} from "../../src/store/redis/redis-store.js";
import { RedisServer } from "../support/redis-server.js";
import { aCommit, aPut, commit, put, reasonOf, startOf, take } from "../support/store-calls.js";
import { judge, judgeWatcher, Watcher, Workload } from "../support/store-history.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const namespace = "faults";
let server: RedisServer;
let proxy: TcpProxy;
/** Reads what is really there. */
let direct: RedisStore;
let start: Revision;
const opened: RedisStore[] = [];

const open = async (url: string, options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> => {
  const store = await openRedisStore({
    url,
    namespace,
    logger: silentLogger,
    replyTimeoutMs: 500,
    feedWaitMs: 200,
    ...options,
  });
  opened.push(store);
  return store;
};

/** Puts a record, and again while nothing of it was done: one patience may be too short for a busy machine to connect in. */
async function putWhenBack(store: RedisStore, key: string): Promise<void> {
  for (;;) {
    const failure: unknown = await put(store, key).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return;
    expect(failure).toMatchObject({
      reason: "STATE_STORE_UNAVAILABLE",
      metadata: { outcome: "not_done" },
    });
  }
}

const watchers: Watcher[] = [];
const watch = async (store: RedisStore): Promise<Watcher> => {
  const watcher = await Watcher.start(store);
  watchers.push(watcher);
  return watcher;
};

const startServer = async (settings: Readonly<Record<string, string>> = {}): Promise<void> => {
  server = await RedisServer.start({ settings });
  proxy = await TcpProxy.start(server.port);
  direct = await open(server.url, { replyTimeoutMs: 20_000 });
  start = await startOf(direct);
};
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.stop();
  proxy.reset();
  for (const store of opened.splice(0)) await store.close();
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

/** Lets two gateways work on one state while something happens to one of them. */
async function workDuring(
  event: () => Promise<void>,
  store: RedisStore,
): Promise<readonly [Workload, Workload]> {
  const leaving = new AbortController();
  const workloads = [new Workload(store, "near"), new Workload(direct, "far")] as const;
  const working = workloads.map(async (workload) => await workload.runUntil(leaving.signal));
  while (workloads.some(({ outcomes }) => outcomes.size < 10)) await delay(5);
  await event();
  const done = workloads[0].outcomes.size;
  while (workloads[0].outcomes.size < done + 10) await delay(5);
  leaving.abort();
  await Promise.all(working);
  return workloads;
}

describe("a connection", () => {
  beforeEach(async () => await startServer());

  it.each([
    ["commands", "before"],
    ["commands", "middle"],
    ["replies", "before"],
    ["replies", "middle"],
  ] as const)(
    "cut at any of its %s (%s it) costs no commit, doubles none, and hides none from a reader",
    async (direction, place) => {
      let fired = 0;
      let repeats = 0;
      for (let message = 1; ; message += 1) {
        await server.ask("FLUSHALL");
        proxy.arm({ direction, message, place });
        const store = await open(proxy.url);
        const begin = await startOf(store);
        const watcher = await watch(store);
        const workload = new Workload(store);
        for (let n = 0; n < 3; n += 1) await workload.increment();
        expect((await store.load()).records.size).toBe(7);
        const log = await judge(direct, begin, [workload]);
        await judgeWatcher(watcher, log, direct);
        expect([...workload.outcomes.values()].map(({ kind }) => kind)).toEqual(Array(3).fill("committed"));
        repeats += store.stats.repeats;
        await store.close();
        if (proxy.disarm()) break;
        fired += 1;
      }
      process.stdout.write(
        `cut ${place} the n-th of ${direction}: ${fired} cuts, ${repeats} commits asked for again\n`,
      );
      expect(fired).toBeGreaterThan(15);
      expect(repeats).toBeGreaterThan(0);
    },
    300_000,
  );

  it("that is reset again and again costs no commit and doubles none", async () => {
    const store = await open(proxy.url);
    const watcher = await watch(store);
    const workloads = await workDuring(async () => {
      for (let n = 0; n < 20; n += 1) {
        proxy.reset();
        await delay(Math.random() * 20);
      }
    }, store);
    const log = await judge(direct, start, workloads);
    await judgeWatcher(watcher, log, direct);
    expect(store.stats.reconnects).toBeGreaterThan(0);
    for (const { failures } of workloads) expect(failures).toEqual([]);
  });

  it("that loses its other end without a word is cut once no reply comes, and another one is made", async () => {
    const store = await open(proxy.url);
    const watcher = await watch(store);
    const workloads = await workDuring(async () => proxy.loseServerSide(), store);
    const log = await judge(direct, start, workloads);
    await judgeWatcher(watcher, log, direct);
    for (const { failures } of workloads) expect(failures).toEqual([]);
  });

  it("of single bytes carries everything, and slowly", async () => {
    proxy.isSliced = true;
    const store = await open(proxy.url, { replyTimeoutMs: 20_000 });
    const watcher = await watch(store);
    const workload = new Workload(store);
    for (let n = 0; n < 3; n += 1) expect((await workload.increment()).kind).toBe("committed");
    await judgeWatcher(watcher, await judge(direct, start, [workload]), direct);
    expect(store.stats).toMatchObject({ repeats: 0, reconnects: 0, commits: 3 });
  });

  it("that is slow is waited for, as long as replies come", async () => {
    const store = await open(proxy.url, { replyTimeoutMs: 20_000 });
    proxy.latencyMs = 30;
    const watcher = await watch(store);
    const workload = new Workload(store);
    await Promise.all(Array.from({ length: 5 }, async () => await put(store, "any")));
    proxy.latencyMs = 0;
    const begin = await startOf(direct);
    for (let n = 0; n < 3; n += 1) await workload.increment();
    await judge(direct, begin, [workload]);
    await watcher.reached(await startOf(direct));
    await watcher.stop();
    expect(watcher.seen).toHaveLength(8);
    expect(store.stats).toMatchObject({ repeats: 0, reconnects: 0 });
  });

  it("into a black hole ends in words that the outcome is not known, within the time for it", async () => {
    // A moment ago Redis was there.
    const store = await open(proxy.url, { commitTimeoutMs: 1_500, freshMs: 60_000 });
    proxy.hold("commands", "replies");
    const failure = await store.commit(aPut("a")).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE", metadata: { outcome: "unknown" } });
    expect((failure as Error).message).toContain("not known");
    await proxy.release();
  });

  it("that fell silent while nobody asked is sent no commit: it is certain that none was done", async () => {
    const store = await open(proxy.url, { freshMs: 0, patienceMs: 200 });
    await put(store, "a");
    proxy.hold("commands", "replies");
    const commits = ["b", "c"].map(async (key) => await store.commit(aPut(key)));
    for (const made of await Promise.allSettled(commits)) {
      const metadata = { outcome: "not_done" };
      expect(made).toMatchObject({ reason: { reason: "STATE_STORE_UNAVAILABLE", metadata } });
    }
    // Whoever comes now waits for no connection of 10 s.
    const later = await store.commit(aPut("d")).catch((error: unknown) => error);
    expect((later as Error).message).toContain("no connection within the time for it");
    // Nothing of them was on its way.
    await proxy.release();
    await putWhenBack(store, "e");
    expect([...(await direct.load()).records.keys()].sort()).toEqual(["a", "e"]);
  });

  it("that brought something of late is not asked before a commit, and another one once for all who wait", async () => {
    const counting = await server.connect();
    const pings = async (): Promise<number> =>
      Number(/cmdstat_ping:calls=(\d+)/.exec(String(await counting.send(["INFO", "commandstats"])))?.[1]);
    for (const [freshMs, asked] of [
      [60_000, 0],
      [0, 1],
    ] as const) {
      const store = await open(proxy.url, { freshMs });
      const before = await pings();
      await Promise.all(["a", "b", "c"].map(async (key) => await put(store, key)));
      expect((await pings()) - before).toBe(asked);
    }
    counting.end(new Error("done"));
  });

  it("that is refused ends at once in words that nothing was done", async () => {
    const store = await open(proxy.url, { patienceMs: 500 });
    proxy.isRefusing = true;
    proxy.reset();
    while (store.stats.isConnected) await delay(5);
    const failure = await store.commit(aPut("a")).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE", metadata: { outcome: "not_done" } });
    expect(await reasonOf(store.get("a"))).toBe("STATE_STORE_UNAVAILABLE");
    expect(await reasonOf(store.load())).toBe("STATE_STORE_UNAVAILABLE");
    expect(await reasonOf(take(store, start, 1))).toBe("STATE_STORE_UNAVAILABLE");
    proxy.isRefusing = false;
    await putWhenBack(store, "a");
    expect((await take(direct, start, 1))[0]?.changes[0]?.key).toBe("a");
  });

  it("whose commit is held up cannot write it after its caller was told of a conflict", async () => {
    const store = await open(proxy.url, { commitTimeoutMs: 10_000, freshMs: 60_000 });
    await put(store, "lock", { of: "near" });
    // On its way, and held there.
    proxy.hold("commands");
    const wish = aCommit({
      expect: [{ key: "lock", revision: undefined }],
      put: [{ key: "ghost", value: {} }],
    });
    const asking = store.commit(wish);
    while (store.stats.repeats === 0) await delay(5);
    // A repetition gets through, and meets the conflict.
    proxy.holdOldOnly();
    expect((await asking).kind).toBe("conflict");
    // Now the expectation would hold.
    await commit(direct, { delete: ["lock"] });
    const before = await startOf(direct);
    await proxy.release();
    await put(direct, "later");
    expect((await take(direct, before, 1))[0]?.changes[0]?.key).toBe("later");
    expect(await direct.get("ghost")).toBeUndefined();
    // The same wish, made anew, is a new one.
    expect((await store.commit(wish)).kind).toBe("committed");
  });
});

describe("Redis", () => {
  it("restarted in good order loses nothing, and commits meanwhile are done once or not at all", async () => {
    await startServer({ appendonly: "yes" });
    const store = await open(proxy.url);
    const watcher = await watch(store);
    const workloads = await workDuring(async () => {
      await server.stop();
      await server.startAgain();
    }, store);
    await judgeWatcher(watcher, await judge(direct, start, workloads), direct);
    expect(watcher.resyncs).toBe(0);
  });

  it("killed again and again, with an append-only file, loses nothing that was confirmed", async () => {
    // With everysec Redis answers before it has written, while an fsync is slow: a kill then costs what was confirmed.
    await startServer({ appendonly: "yes", appendfsync: "always" });
    const store = await open(proxy.url);
    const watcher = await watch(store);
    let kills = 0;
    const workloads = await workDuring(async () => {
      const repeats = (): number => store.stats.repeats + direct.stats.repeats;
      // Until one fell between a commit and its reply.
      for (; kills < 8 || repeats() === 0; kills += 1) {
        await server.kill();
        await server.startAgain();
        await delay(Math.random() * 100);
      }
    }, store);
    const log = await judge(direct, start, workloads);
    await judgeWatcher(watcher, log, direct);
    expect(watcher.resyncs).toBe(0);
    const repeats = store.stats.repeats + direct.stats.repeats;
    process.stdout.write(
      `redis kill -9: ${kills} kills, ${log.length} commits, ${repeats} asked for again, 0 lost\n`,
    );
  });

  it("that is away for longer than the patience fails commits, and the next ones go well once it is back", async () => {
    await startServer({ appendonly: "yes" });
    const store = await open(proxy.url, { patienceMs: 800, commitTimeoutMs: 2_000 });
    const workload = new Workload(store);
    for (let n = 0; n < 5; n += 1) await workload.increment();
    await server.kill();
    while (store.stats.isConnected) await delay(5);
    for (let n = 0; n < 2; n += 1) expect((await workload.increment()).kind).toBe("not_done");
    expect(new Set(workload.failures.map(({ reason }) => reason))).toEqual(
      new Set(["STATE_STORE_UNAVAILABLE"]),
    );
    await server.startAgain();
    // Once it is connected, which may take a busy machine longer than one call is patient.
    while ((await workload.increment()).kind === "not_done");
    for (let n = 0; n < 4; n += 1) expect((await workload.increment()).kind).toBe("committed");
    expect(await judge(direct, start, [workload])).toHaveLength(10);
  });

  it("flushed refuses commits and reads until somebody loads anew, and so learns that everything is gone", async () => {
    await startServer();
    const store = await open(proxy.url);
    const old = new Workload(store);
    for (let n = 0; n < 5; n += 1) await old.increment();
    const last = await startOf(direct);
    await server.ask("FLUSHALL");
    expect((await old.increment()).kind).toBe("not_done");
    const failure = await store.commit(aPut("a")).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
    expect(await reasonOf(store.get("counter"))).toBe("STATE_STORE_UNAVAILABLE");
    expect(await reasonOf(take(store, last, 1))).toBe("REVISION_COMPACTED");
    expect(store.stats.isGone).toBe(true);
    const { records, revision: begin } = await store.load();
    expect(records.size).toBe(0);
    expect(store.stats.isGone).toBe(false);
    // A commit that relies on what is gone is a conflict.
    const stale = { expect: [{ key: "counter", revision: last }], put: [{ key: "counter", value: {} }] };
    expect(await store.commit(aCommit(stale))).toMatchObject({ kind: "conflict", revision: undefined });
    const fresh = new Workload(store, "fresh");
    for (let n = 0; n < 3; n += 1) expect((await fresh.increment()).kind).toBe("committed");
    await judge(direct, begin, [fresh]);
  });

  it("flushed tells every reader to read anew, also one that hears of no commit", async () => {
    await startServer();
    const store = await open(proxy.url);
    const [watcher, idle] = [await Watcher.start(store, false), await Watcher.start(direct, false)];
    watchers.push(watcher, idle);
    const old = new Workload(store);
    for (let n = 0; n < 5; n += 1) await old.increment();
    const last = await startOf(direct);
    for (const each of [watcher, idle]) await each.reached(last);
    await server.ask("FLUSHALL");
    // Nobody commits: each has to find out by itself.
    while (watcher.resyncs === 0 || idle.resyncs === 0) await delay(5);
    const begin = await startOf(store);
    const fresh = new Workload(store, "fresh");
    for (let n = 0; n < 3; n += 1) expect((await fresh.increment()).kind).toBe("committed");
    const log = await judge(direct, begin, [fresh]);
    await judgeWatcher(watcher, log, direct);
    await judgeWatcher(idle, log, direct);
    expect([watcher.resyncs, idle.resyncs]).toEqual([1, 1]);
  });

  it("that became a replica refuses, in words, and takes commits once it is a primary again", async () => {
    await startServer();
    const store = await open(proxy.url, { patienceMs: 100, replyTimeoutMs: 20_000 });
    const watcher = await watch(store);
    const workload = new Workload(store);
    for (let n = 0; n < 3; n += 1) await workload.increment();
    await server.ask("REPLICAOF", "127.0.0.1", "1");
    expect((await workload.increment()).kind).toBe("not_done");
    expect(workload.failures.at(-1)).toMatchObject({ reason: "STATE_READ_ONLY" });
    expect((await store.get("counter"))?.value["n"]).toBe(3);
    await server.ask("REPLICAOF", "NO", "ONE");
    expect((await workload.increment()).kind).toBe("committed");
    await judgeWatcher(watcher, await judge(direct, start, [workload]), direct);
    expect(watcher.resyncs).toBe(0);
  });

  it("without memory left refuses whole commits, and tears none", async () => {
    await startServer();
    const store = await open(proxy.url);
    const workload = new Workload(store);
    const memory = /used_memory:(\d+)/.exec(String(await server.ask("INFO", "memory")))?.[1];
    await server.ask("CONFIG", "SET", "maxmemory", String(Number(memory) + 100_000));
    const text = "x".repeat(500);
    let revision: string | undefined;
    let refused = 0;
    for (let n = 0; refused < 20; n += 1) {
      const big = ["a", "b"].map((side) => ({ key: `${side}/big/${n}`, value: { text } }));
      const failure = await store.commit(aCommit({ put: big })).catch((error: unknown) => error);
      if (failure instanceof Error) {
        expect(failure).toMatchObject({ reason: "DISK_FULL", metadata: { outcome: "not_done" } });
        refused += 1;
      } else {
        revision = (failure as { revision: string }).revision;
      }
    }
    const { records, revision: head } = await store.load();
    expect(head).toBe(revision);
    expect(records.size).toBe(2 * Number(head.split("-")[0]));
    await server.ask("CONFIG", "SET", "maxmemory", "0");
    const begin = await startOf(store);
    for (let n = 0; n < 3; n += 1) expect((await workload.increment()).kind).toBe("committed");
    await judge(direct, begin, [workload]);
  });

  it("that answers and takes no changes is a line in the log, and one more when it takes them again", async () => {
    await startServer();
    const lines: string[] = [];
    const tell = (level: string) => (fields: LogFields) => {
      if ("failureCount" in fields) lines.push(`${level} ${String(fields["failureCount"])}`);
    };
    const store = await open(proxy.url, {
      logger: { ...silentLogger, warn: tell("warn"), info: tell("info") },
    });
    const workload = new Workload(store);
    await server.ask("CONFIG", "SET", "maxmemory", "1");
    for (let n = 0; n < 3; n += 1) expect((await workload.increment()).kind).toBe("not_done");
    expect(lines).toEqual(["warn 1"]);
    await server.ask("CONFIG", "SET", "maxmemory", "0");
    for (let n = 0; n < 3; n += 1) expect((await workload.increment()).kind).toBe("committed");
    expect(lines).toEqual(["warn 1", "info 3"]);
  });

  it("that is loading is told apart from one that is empty, and read when it has loaded", async () => {
    // Redis answers while it loads, once every 2 MB.
    await startServer({ "key-load-delay": "1000", rdbcompression: "no" });
    const store = await open(proxy.url, { patienceMs: 50 });
    const workload = new Workload(store);
    for (let n = 0; n < 3; n += 1) await workload.increment();
    const text = "string.rep('x', 8192)";
    await server.ask("EVAL", `for n = 1, 4000 do redis.call('SET', n, ${text}) end`, "0");
    await server.ask("SAVE");
    await server.kill();
    // What is sent to the old one has an unknown end, and is asked again for longer than the loading takes.
    while (store.stats.isConnected) await delay(5);
    await server.startAgain({ untilLoaded: false });
    const failure = await store.commit(aPut("a")).catch((error: unknown) => error);
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE", metadata: { outcome: "not_done" } });
    expect((failure as Error).message).toContain("loading");
    expect(await reasonOf(store.load())).toBe("STATE_STORE_UNAVAILABLE");
    // One who starts meanwhile waits.
    const late = await open(proxy.url, { connectTimeoutMs: 30_000 });
    expect((await late.get("counter"))?.value["n"]).toBe(3);
    expect(await judge(direct, start, [workload])).toHaveLength(3);
  });

  it("busy with a script refuses until the script ends", async () => {
    await startServer({ "lua-time-limit": "20" });
    const store = await open(proxy.url, { patienceMs: 100, replyTimeoutMs: 5_000 });
    const watcher = await watch(store);
    const workload = new Workload(store);
    for (let n = 0; n < 3; n += 1) await workload.increment();
    const operator = await server.connect();
    const script = server.ask("EVAL", "while true do end", "0").catch(() => undefined);
    while ((await workload.increment()).kind !== "not_done") await delay(5);
    expect(workload.failures.at(-1)?.message).toContain("busy");
    await operator.send(["SCRIPT", "KILL"]);
    await script;
    operator.end(new Error("done"));
    for (let n = 0; n < 3; n += 1) expect((await workload.increment()).kind).toBe("committed");
    await judgeWatcher(watcher, await judge(direct, start, [workload]), direct);
  });

  it("that forgets its scripts is told them again", async () => {
    await startServer();
    const store = await open(proxy.url, { replyTimeoutMs: 20_000 });
    const watcher = await watch(store);
    const workloads = await workDuring(async () => {
      for (let n = 0; n < 20; n += 1) await server.ask("SCRIPT", "FLUSH");
    }, store);
    await judgeWatcher(watcher, await judge(direct, start, workloads), direct);
    for (const { failures } of workloads) expect(failures).toEqual([]);
    expect(store.stats.repeats).toBe(0);
  });

  it("frozen for longer than a reply may take does no commit twice", async () => {
    await startServer();
    const store = await open(proxy.url, { replyTimeoutMs: 100 });
    const watcher = await watch(store);
    const workloads = await workDuring(async () => {
      // Until it fell on a commit, and not only on a read.
      while (store.stats.repeats === 0) {
        server.freeze();
        await delay(300);
        const { commits } = store.stats;
        server.thaw();
        while (store.stats.commits === commits) await delay(5);
      }
    }, store);
    await judgeWatcher(watcher, await judge(direct, start, workloads), direct);
    for (const { failures } of workloads) expect(failures).toEqual([]);
  });
});

describe("a switch to a replica that holds everything", () => {
  it("is followed by its name, and no reader notices", async () => {
    await startServer({ "repl-diskless-sync-delay": "0" });
    await using replica = await RedisServer.start();
    await replica.ask("REPLICAOF", "127.0.0.1", String(server.port));
    const store = await open(proxy.url);
    const watcher = await watch(store);
    const workload = new Workload(store);
    for (let n = 0; n < 5; n += 1) await workload.increment();
    const onReplica = await open(replica.url);
    while ((await startOf(onReplica)) !== watcher.position) await delay(10);
    proxy.targetPort = replica.port;
    await replica.ask("REPLICAOF", "NO", "ONE");
    // Connections stay where they are, at what is a replica from now on.
    await server.ask("REPLICAOF", "127.0.0.1", String(replica.port));
    for (let n = 0; n < 5; n += 1) expect((await workload.increment()).kind).toBe("committed");
    const log = await judge(onReplica, start, [workload]);
    expect(log).toHaveLength(10);
    await judgeWatcher(watcher, log, onReplica);
    expect(watcher.resyncs).toBe(0);
    expect(store.stats.reconnects).toBeGreaterThan(0);
  });
});

describe("a failover to a replica that lags", () => {
  it.each([
    ["waits for others", 0],
    ["takes other commits of the same numbers first", 20],
  ])(
    "tells readers to read anew where it %s, and lets no commit rely on what it does not hold",
    async (_, othersFirst) => {
      await startServer({ "repl-diskless-sync-delay": "0" });
      await using replica = await RedisServer.start();
      await using between = await TcpProxy.start(server.port, { isRaw: true });
      await replica.ask("REPLICAOF", "127.0.0.1", String(between.port));
      const store = await open(proxy.url);
      const watcher = await Watcher.start(store, false);
      watchers.push(watcher);
      const workload = new Workload(store);
      for (let n = 0; n < 5; n += 1) await workload.increment();
      const held = await startOf(direct);
      const onReplica = await open(replica.url);
      while ((await startOf(onReplica)) !== held) await delay(10);
      // From here on, the replica hears nothing.
      between.hold("replies");
      for (let n = 0; n < 5; n += 1) expect((await workload.increment()).kind).toBe("committed");
      const lost = await startOf(direct);
      await watcher.reached(lost);

      await server.kill();
      await replica.ask("REPLICAOF", "NO", "ONE");
      const others = new Workload(onReplica, "others");
      for (let n = 0; n < othersFirst; n += 1) await others.increment();
      proxy.targetPort = replica.port;

      const stale = { expect: [{ key: "counter", revision: lost }], put: [{ key: "counter", value: {} }] };
      expect(await store.commit(aCommit(stale))).toMatchObject({ kind: "conflict" });
      const after = new Workload(store, "after");
      for (let n = 0; n < 10; n += 1) expect((await after.increment()).kind).toBe("committed");
      expect(await reasonOf(take(store, lost, 1))).toBe("REVISION_COMPACTED");
      const log = await judge(onReplica, held, [others, after]);
      await judgeWatcher(watcher, log, onReplica);
      expect(watcher.resyncs).toBe(1);
    },
  );
});

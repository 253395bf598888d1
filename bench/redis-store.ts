/** The state in Redis: its operations beside the embedded store's, its cost beside the bare script, and how soon others see. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "redis";
import { silentLogger } from "../src/observability/logger.js";
import type { StateStore } from "../src/store/contract.js";
import { storeLimits } from "../src/store/limits.js";
import { openLmdbStore } from "../src/store/lmdb/lmdb-store.js";
import { redisKeys } from "../src/store/redis/redis-keys.js";
import { scriptText } from "../src/store/redis/redis-scripts.js";
import { openRedisStore } from "../src/store/redis/redis-store.js";
import { makeNonce } from "../src/store/revision.js";
import { RedisServer } from "../test/support/redis-server.js";
import { aRecord, atOnce, commitOne, fill, keyOf, timesUs } from "./store.js";
import { type BenchRow, rowOf } from "./table.js";

export async function benchRedisStore(manyRecords: number, runs: number): Promise<BenchRow[]> {
  // As docs advise; fsync once a second.
  await using server = await RedisServer.start({ settings: { appendonly: "yes" } });
  return [
    ...(await benchBesideEmbedded(server, 100, runs)),
    ...(await benchBesideEmbedded(server, manyRecords, runs)),
    await benchBesideScript(server, runs),
    await benchArrival(server, runs * 100),
  ];
}

const open = async (server: RedisServer, namespace: string) =>
  await openRedisStore({ url: server.url, namespace, logger: silentLogger });

async function benchBesideEmbedded(server: RedisServer, records: number, runs: number): Promise<BenchRow[]> {
  const folder = await mkdtemp(join(tmpdir(), "p2prc-bench-"));
  const embedded = await openLmdbStore({ folder });
  const shared = await open(server, `beside-${records}`);
  try {
    for (const store of [embedded, shared]) await fill(store, records);
    const rows: BenchRow[] = [];
    const compare = async (name: string, count: number, per: number, call: Call): Promise<void> => {
      const [ours, theirs]: [number[], number[]] = [[], []];
      // In turns, so that what else the machine does falls on both.
      for (let run = 0; run < runs; run += 1) {
        theirs.push(...(await timesUs(count, async (n) => await call(embedded, n))));
        ours.push(...(await timesUs(count, async (n) => await call(shared, n))));
      }
      const what = `Redis: ${name}, of ${records} records`;
      const each = (times: readonly number[]): number[] => times.map((us) => us / per);
      rows.push(
        rowOf({ name: what, unit: "us", against: "embedded", target: "(told)" }, each(ours), each(theirs)),
      );
    };
    await compare("commit, alone", 100, 1, async (store, n) => await commitOne(store, (n * 7_919) % records));
    await compare(`commit, one of ${atOnce} at once`, 10, atOnce, async (store, n) => {
      const commits = Array.from({ length: atOnce }, (_, i) => (n * atOnce + i * 31) % records);
      await Promise.all(commits.map(async (each) => await commitOne(store, each)));
    });
    await compare("get", 200, 1, async (store, n) => await store.get(keyOf((n * 7_919) % records)));
    await compare("load", 1, 1, async (store) => await store.load());
    return rows;
  } finally {
    await shared.close();
    await embedded.close();
    await rm(folder, { recursive: true, force: true });
  }
}

type Call = (store: StateStore, index: number) => Promise<unknown>;

/** Commits, so many under way at once, through the store, and as the script alone, sent by the same client. */
async function benchBesideScript(server: RedisServer, runs: number): Promise<BenchRow> {
  const store = await open(server, "through");
  const client = createClient({ url: server.url, RESP: 2, commandOptions: { timeout: 0 } });
  client.on("error", () => undefined);
  await client.connect();
  const script = scriptText("redis-commit.lua");
  const sha = createHash("sha1").update(script).digest("hex");
  // Makes the second state; and both states are of a hundred records.
  const bare = await open(server, "bare");
  for (const each of [store, bare]) await fill(each, 100);
  const { records, log, operations, meta, mark } = redisKeys("bare");
  const limits = [
    storeLimits.historyCommits,
    storeLimits.historyBytes,
    storeLimits.maxReplacedBytes,
    0,
    1,
  ].map(String);
  const json = JSON.stringify(aRecord(1));
  let count = 0;
  const sendScript = async (n: number): Promise<void> => {
    count += 1;
    const nonce = makeNonce();
    const keys = ["5", records, log, operations, meta, mark(nonce)];
    const args = [`bare/${count}`, nonce, "1", String(Date.now()), ...limits, keyOf(n % 100), json];
    await client.sendCommand(["EVALSHA", sha, ...keys, ...args]);
  };
  const [ours, theirs]: [number[], number[]] = [[], []];
  try {
    for (let run = 0; run < runs * 4; run += 1) {
      theirs.push(await usEach(4_000, sendScript));
      ours.push(await usEach(4_000, async (n) => await commitOne(store, n % 100)));
    }
  } finally {
    client.destroy();
    await store.close();
    await bare.close();
  }
  const name = `Redis: a commit, ${atOnce} under way at once`;
  return rowOf(
    { name, unit: "us", against: "the script alone, same client", target: "<= 1.43" },
    ours,
    theirs,
  );
}

/** @returns time over number, in microseconds */
async function usEach(count: number, work: (n: number) => Promise<void>): Promise<number> {
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < count) {
        next += 1;
        await work(next);
      }
    }),
  );
  return ((performance.now() - start) * 1_000) / count;
}

/** From the call on one gateway's store until a reader of another one has the change, at 50 commits a second. */
async function benchArrival(server: RedisServer, count: number): Promise<BenchRow> {
  const [a, b] = [await open(server, "arrival"), await open(server, "arrival")];
  const calledAt = new Map<number, number>();
  const times: number[] = [];
  const leaving = new AbortController();
  const { revision } = await b.load();
  const reading = (async () => {
    for await (const { changes } of b.changes(revision, leaving.signal)) {
      times.push(performance.now() - (calledAt.get(Number(changes[0]?.value?.["n"])) ?? Number.NaN));
      if (times.length === count) break;
    }
  })();
  for (let n = 0; n < count; n += 1) {
    calledAt.set(n, performance.now());
    const put = [{ key: keyOf(n % 100), value: { ...aRecord(n), n } }];
    void a.commit({ operationId: `arrival/${n}`, expect: [], put, delete: [] });
    await delay(20);
  }
  await reading;
  await a.close();
  await b.close();
  const floors = times.map(() => 50);
  return rowOf(
    { name: "Redis: commit on A to change on B, 50 a second", unit: "ms", against: "50 ms", target: "<= 1" },
    times,
    floors,
  );
}

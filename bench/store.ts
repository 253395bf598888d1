/** The embedded store: what commits, reads and a start cost, with few records and with many. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { RecordValue, StateStore } from "../src/store/contract.js";
import { openLmdbStore } from "../src/store/lmdb/lmdb-store.js";
import { type BenchRow, median, p99, rowOf } from "./table.js";

/** About what a tracked container takes. */
export const aRecord = (n: number): RecordValue => ({
  node: "http://198.51.100.7:8088",
  id: `container-${n}`,
  image: "ubuntu",
  ports: [22, 80, 443].map((inside) => ({ inside, outside: 30_000 + ((inside + n) % 10_000) })),
  labels: { owner: "bench", note: "x".repeat(400) },
});

export const keyOf = (n: number): string => `containers/${String(n).padStart(8, "0")}`;
export const atOnce = 256;

export async function benchStore(manyRecords: number, runs: number): Promise<BenchRow[]> {
  const few = await openFilled(100);
  const many = await openFilled(manyRecords);
  try {
    return [
      ...(await benchCommits(few.store, many.store, manyRecords, runs)),
      ...(await benchReads(few.store, many.store, manyRecords, runs)),
      ...(await benchLoad(many.store, manyRecords, runs)),
    ];
  } finally {
    await few.destroy();
    await many.destroy();
  }
}

/** Puts so many records into an empty store. */
export async function fill(store: StateStore, count: number): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const batch = Array.from({ length: Math.min(500, count - from) }, (_, n) => from + n);
    const put = batch.map((n) => ({ key: keyOf(n), value: aRecord(n) }));
    await store.commit({ operationId: `fill/${from}`, expect: [], put, delete: [] });
  }
}

async function openFilled(count: number): Promise<{ store: StateStore; destroy: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "p2prc-bench-"));
  const store = await openLmdbStore({ folder });
  await fill(store, count);
  const destroy = async (): Promise<void> => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { store, destroy };
}

let operations = 0;
export async function commitOne(store: StateStore, n: number): Promise<void> {
  operations += 1;
  const operationId = `bench/${operations}`;
  const put = [{ key: keyOf(n), value: aRecord(operations) }];
  await store.commit({ operationId, expect: [], put, delete: [] });
}

/** Times of single calls, in microseconds. */
export async function timesUs(count: number, call: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await call(index);
    times.push((performance.now() - start) * 1_000);
  }
  return times;
}

async function benchCommits(
  few: StateStore,
  many: StateStore,
  manyRecords: number,
  runs: number,
): Promise<BenchRow[]> {
  const count = runs * 200;
  const fewTimes = await timesUs(count, async (n) => await commitOne(few, n % 100));
  const manyTimes = await timesUs(count, async (n) => await commitOne(many, (n * 7_919) % manyRecords));
  const groups = await timesUs(runs * 20, async (group) => {
    const commits = Array.from({ length: atOnce }, (_, n) => (group * atOnce + n * 31) % manyRecords);
    await Promise.all(commits.map(async (n) => await commitOne(many, n)));
  });
  const grouped = groups.map((us) => us / atOnce);
  const of = `of ${manyRecords} records`;
  return [
    rowOf(
      { name: `commit, alone, ${of}`, unit: "us", against: "the same of 100 records", target: "<= 2" },
      manyTimes,
      fewTimes,
    ),
    rowOf(
      { name: `commit, alone, ${of}: p99`, unit: "us", against: "its median", target: "(disk)" },
      [p99(manyTimes)],
      [median(manyTimes)],
    ),
    rowOf(
      { name: `commit, one of ${atOnce} at once, ${of}`, unit: "us", against: "alone", target: "<= 0.1" },
      grouped,
      manyTimes,
    ),
  ];
}

async function benchReads(
  few: StateStore,
  many: StateStore,
  manyRecords: number,
  runs: number,
): Promise<BenchRow[]> {
  const fewTimes = await timesUs(runs * 1_000, async (n) => await few.get(keyOf(n % 100)));
  const manyTimes = await timesUs(
    runs * 1_000,
    async (n) => await many.get(keyOf((n * 7_919) % manyRecords)),
  );
  const against = "the same of 100 records";
  return [
    rowOf(
      { name: `get, of ${manyRecords} records`, unit: "us", against, target: "<= 2" },
      manyTimes,
      fewTimes,
    ),
    rowOf(
      { name: `get, of ${manyRecords} records: p99`, unit: "us", against: "its median", target: "<= 10" },
      [p99(manyTimes)],
      [median(manyTimes)],
    ),
  ];
}

async function benchLoad(store: StateStore, records: number, runs: number): Promise<BenchRow[]> {
  const loads: number[] = [];
  const stalls: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const [us = Number.NaN] = await timesUs(1, async () => await store.load());
    delay.disable();
    loads.push(us / 1_000);
    stalls.push(delay.max / 1_000_000);
  }
  const floors = loads.map(() => 3_000);
  return [
    rowOf({ name: `load ${records} records`, unit: "ms", against: "3 s", target: "<= 1" }, loads, floors),
    rowOf(
      { name: "longest stall of the event loop meanwhile", unit: "ms", against: "50 ms", target: "<= 1" },
      stalls,
      stalls.map(() => 50),
    ),
  ];
}

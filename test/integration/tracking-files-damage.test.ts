/** Tracking files that are damaged, 200 ways, at the first import and later; disks that take nothing. */
import { rmSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { TrackingFiles } from "../../src/containers/tracking-files/tracking-files.js";
import { createRandom, type Random } from "../../src/devnet/random.js";
import { silentLogger } from "../../src/observability/logger.js";
import { systemClock } from "../../src/system/clock.js";
import { anEntry, FakeTrackingState } from "../support/tracking-state.js";

const samplesFolder = join(import.meta.dirname, "../fixtures/samples");
const fileCount = 200;
const workers = 10;

interface Place {
  readonly folder: string;
  readonly containersPath: string;
  readonly groupsPath: string;
  readonly state: FakeTrackingState;
  readonly files: TrackingFiles;
}

async function aPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), "tracking-damage-"));
  const [containersPath, groupsPath] = ["trackcontainers.json", "grouptrackcontainers.json"].map((name) =>
    join(folder, name),
  ) as [string, string];
  const state = new FakeTrackingState();
  const files = new TrackingFiles({
    state,
    importChanges: state.importChanges,
    logger: silentLogger,
    clock: systemClock,
    containersPath,
    groups: { path: groupsPath },
    ledgerPath: join(folder, "side"),
    // What is missing in a damaged file was never held for long enough to count as removed.
    times: { pollMs: 20, settleMs: 5, damageMs: 40, holdMs: 3_600_000, maxBackups: 1_000 },
  });
  state.onCommit = () => files.noteCommit();
  return { folder, containersPath, groupsPath, state, files };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
async function eventually(check: () => Promise<void>): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await pause(20);
    }
  }
}

/** What a crash, an editor, a disk or a bug can do to a text. */
const mutations: readonly ((text: Buffer, random: Random) => Buffer)[] = [
  (text, random) => text.subarray(0, random.below(text.length + 1)),
  (text, random) => text.subarray(random.below(text.length + 1)),
  (text, random) => splice(text, random, 1, Buffer.from([random.below(256)])),
  (text, random) => splice(text, random, random.below(20), Buffer.alloc(0)),
  (text, random) => splice(text, random, 0, Buffer.from(Array.from({ length: 8 }, () => random.below(256)))),
  (text, random) => splice(text, random, 0, text.subarray(0, random.below(text.length + 1))),
  (text) => Buffer.concat([text, text]),
  (text) => Buffer.concat([Buffer.from("\ufeff"), text]),
  (text) => Buffer.from(text.toString(), "utf16le"),
  (text) => Buffer.alloc(text.length),
  (text, random) =>
    splice(
      text,
      random,
      1,
      Buffer.from(['{"', "[[", "}}", "],", "null", "1e999", '"\\ud800"'][random.below(7)]!),
    ),
  (text, random) =>
    Buffer.concat([text.subarray(0, random.below(text.length + 1)), Buffer.from("[".repeat(5_000))]),
  (text) => Buffer.from(text.toString().replace(/"[A-Za-z]+":/, '"Other":')),
  (text) => Buffer.from(text.toString().replace(/:\s*"[^"]*"/, ": {}")),
];

function splice(text: Buffer, random: Random, cut: number, put: Buffer): Buffer {
  const at = random.below(text.length + 1);
  return Buffer.concat([text.subarray(0, at), put, text.subarray(at + cut)]);
}

interface Damage {
  readonly seed: number;
  readonly sample: string;
  readonly isGroups: boolean;
  readonly bytes: Buffer;
}

async function damages(): Promise<readonly Damage[]> {
  const names = (await readdir(samplesFolder))
    .filter((name) => /^(group)?trackcontainers\./.test(name))
    .sort();
  expect(names.length).toBeGreaterThanOrEqual(14);
  return await Promise.all(
    Array.from({ length: fileCount }, async (_, seed) => {
      const sample = names[seed % names.length] ?? "";
      const mutate = mutations[Math.floor(seed / names.length) % mutations.length]!;
      const bytes = mutate(await readFile(join(samplesFolder, sample)), createRandom(seed));
      return { seed, sample, isGroups: sample.startsWith("group"), bytes };
    }),
  );
}

/** Whether the very bytes are still in the folder, in the file itself or beside it. */
async function isKept(folder: string, bytes: Buffer): Promise<boolean> {
  for (const name of await readdir(folder)) {
    // Temporary files come and go.
    if (name.endsWith(".tmp")) continue;
    if ((await readFile(join(folder, name))).equals(bytes)) return true;
  }
  return false;
}

/** Tries all of them, a few at once, and says which seed failed. */
async function tryAll(attempt: (damage: Damage, place: Place) => Promise<void>): Promise<void> {
  const queue = (await damages()).values();
  const work = async (): Promise<void> => {
    for (const damage of queue) {
      const place = await aPlace();
      try {
        await attempt(damage, place);
      } catch (cause) {
        throw new Error(
          `seed ${String(damage.seed)} of ${damage.sample}: ${JSON.stringify(damage.bytes.toString().slice(0, 300))}`,
          { cause },
        );
      } finally {
        await place.files.close();
        await rm(place.folder, { recursive: true });
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

it(`${fileCount} damaged files at the first import are taken over or refused, and nothing is lost of any`, async () => {
  let readOnlyCount = 0;
  await tryAll(async ({ isGroups, bytes }, place) => {
    const path = isGroups ? place.groupsPath : place.containersPath;
    await writeFile(path, bytes);
    const result = await place.files.open();
    if (result.kind === "read-only") {
      readOnlyCount += 1;
      expect((await readFile(path)).equals(bytes)).toBe(true);
      expect(place.state.imports).toEqual([]);
      // Only who says so gives it up, and even then it is put aside.
      expect(await place.files.open({ acceptsLoss: true })).toEqual({ kind: "mirroring" });
    }
    place.state.track(anEntry(1));
    await place.files.close();
    expect(await isKept(place.folder, bytes)).toBe(true);
    expect(await readFile(place.containersPath, "utf8")).toContain(anEntry(1).id);
  });
  expect(readOnlyCount).toBeGreaterThan(fileCount / 4);
  expect(readOnlyCount).toBeLessThan(fileCount);
}, 300_000);

it(`${fileCount} damaged files while the gateway runs lose nothing of ours, and are kept aside`, async () => {
  await tryAll(async ({ isGroups, bytes }, place) => {
    await place.files.open();
    const ours = [1, 2, 3].map((n) => anEntry(n));
    place.state.track(...ours);
    place.state.join("grp-ours", ...ours.map(({ key }) => key));
    const path = isGroups ? place.groupsPath : place.containersPath;
    await eventually(async () => {
      for (const file of [place.containersPath, place.groupsPath])
        for (const { id } of ours) expect(await readFile(file, "utf8")).toContain(id);
    });
    await writeFile(path, bytes);
    await eventually(async () => {
      const text = await readFile(path, "utf8");
      const value = JSON.parse(text) as Record<string, unknown>;
      expect(Array.isArray(value[isGroups ? "Groups" : "TrackContainer"])).toBe(true);
      for (const { id } of ours) expect(text).toContain(id);
    });
    for (const { key } of ours) {
      expect(place.state.entries.has(key)).toBe(true);
      expect(place.state.memberships.get("grp-ours")?.has(key)).toBe(true);
    }
    expect(await isKept(place.folder, bytes)).toBe(true);
  });
}, 300_000);

it("a folder that is gone costs nothing but the files, which come back with it", async () => {
  const place = await aPlace();
  const { state } = place;
  const folder = join(place.folder, "client");
  const files = new TrackingFiles({
    state,
    importChanges: state.importChanges,
    logger: silentLogger,
    clock: systemClock,
    containersPath: join(folder, "trackcontainers.json"),
    groups: { path: join(place.folder, "grouptrackcontainers.json") },
    ledgerPath: join(place.folder, "side"),
    times: { pollMs: 20, settleMs: 5, damageMs: 40, minRetryMs: 20, maxRetryMs: 100 },
  });
  state.onCommit = () => files.noteCommit();
  const hasWritten = async (n: number): Promise<void> =>
    expect(await readFile(join(folder, "trackcontainers.json"), "utf8")).toContain(anEntry(n).id);
  try {
    await files.open();
    state.track(anEntry(1));
    await eventually(() => hasWritten(1));
    // A file in the folder's place: not even root can write below it.
    rmSync(folder, { recursive: true });
    writeFileSync(folder, "");
    state.track(anEntry(2));
    await eventually(async () => expect([...files.status.failing.keys()]).toContain("containers"));
    expect(state.entries.size).toBe(2);
    await rm(folder);
    await mkdir(folder);
    await eventually(async () => {
      await hasWritten(1);
      await hasWritten(2);
      expect([...files.status.failing.keys()]).toEqual([]);
    });
    expect(state.entries.size).toBe(2);
  } finally {
    await files.close();
    await rm(place.folder, { recursive: true });
  }
});

/**
 * Two writers without a lock: nothing of ours is lost. `TRACKING_ROUNDS=500` for the long version.
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { TrackingFiles } from "../../src/containers/tracking-files/tracking-files.js";
import { silentLogger } from "../../src/observability/logger.js";
import { systemClock } from "../../src/system/clock.js";
import { anEntry, FakeTrackingState } from "../support/tracking-state.js";

const rounds = Number(process.env["TRACKING_ROUNDS"] ?? 60);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Told {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** Another process; while it writes, `meanwhile` is called again and again. */
async function beside(file: string, meanwhile: () => Promise<void>): Promise<Told> {
  const script = join(import.meta.dirname, "../support/foreign-writer.mjs");
  const child = spawn(process.execPath, [script, file, String(rounds), "120"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {},
  });
  let output = "";
  child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const over = { is: false };
  const ended = new Promise<void>((resolve) =>
    child.on("close", () => {
      over.is = true;
      resolve();
    }),
  );
  while (!over.is) await meanwhile();
  await ended;
  return JSON.parse(output) as Told;
}

it(
  `loses nothing of ours in ${rounds} rounds beside a writer without a lock`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "tracking-rounds-"));
    const containersPath = join(folder, "trackcontainers.json");
    const state = new FakeTrackingState();
    const files = new TrackingFiles({
      state,
      importChanges: state.importChanges,
      logger: silentLogger,
      clock: systemClock,
      containersPath,
      groups: { path: join(folder, "grouptrackcontainers.json") },
      ledgerPath: join(folder, ".p2prc/tracking.side"),
    });
    state.onCommit = () => files.noteCommit();
    await files.open();
    const ours = new Set<string>();
    const gone = new Set<string>();
    let n = 0;
    const told = await beside(containersPath, async () => {
      const entry = anEntry((n += 1), { Mood: "ours" });
      state.track(entry);
      state.join("grp1", entry.key);
      ours.add(entry.key);
      const old = anEntry(n - 5).key;
      if (n % 4 === 0 && ours.delete(old)) {
        gone.add(old);
        state.untrack(old);
      }
      await pause(Math.random() * 150);
    });
    await pause(2_500);
    await files.close();
    const lost = [...ours].filter((key) => !state.entries.has(key));
    const back = [...gone].filter((key) => state.entries.has(key));
    const mood = [...ours].filter((key) => state.entries.get(key)?.raw["Mood"] !== "ours");
    const text = await readFile(containersPath, "utf8");
    const inFile = (JSON.parse(text) as { TrackContainer: { ID: string }[] }).TrackContainer.map(
      ({ ID }) => ID,
    );
    const theirs = told.added.filter((id) => !told.removed.includes(id));
    const lostTheirs = theirs.filter((id) => !inFile.includes(id));
    console.log(
      `ours: ${ours.size}, lost ${lost.length}, back ${back.length} of ${gone.size}; ` +
        `theirs: ${theirs.length}, lost ${lostTheirs.length}; merges: ${state.imports.length}`,
    );
    expect({ lost, back, mood }).toEqual({ lost: [], back: [], mood: [] });
    expect(inFile.sort()).toEqual([...state.entries.values()].map(({ id }) => id).sort());
    // A slow disk makes few of them, each of many rounds.
    expect(state.imports.length).toBeGreaterThan(2);
    await rm(folder, { recursive: true });
  },
  60_000 + rounds * 400,
);

/** A process that is killed leaves its files behind: what was removed meanwhile must not come back out of them. */
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { TrackingFiles } from "../../src/containers/tracking-files/tracking-files.js";
import { silentLogger } from "../../src/observability/logger.js";
import { systemClock } from "../../src/system/clock.js";
import { eventually } from "../support/container-bench.js";
import { anEntry, FakeTrackingState } from "../support/tracking-state.js";

let parent = "";
const opened: TrackingFiles[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "tracking-crash-"));
});
afterEach(async () => {
  for (const files of opened.splice(0)) await files.close();
  await rm(parent, { recursive: true, force: true });
});

async function open(folder: string, state: FakeTrackingState): Promise<void> {
  const files = new TrackingFiles({
    state,
    importChanges: state.importChanges,
    logger: silentLogger,
    clock: systemClock,
    containersPath: join(folder, "trackcontainers.json"),
    groups: { path: join(folder, "grouptrackcontainers.json") },
    ledgerPath: join(folder, "tracking.side"),
    // Nothing is kept for the next start now and then: only what a write itself keeps.
    times: { pollMs: 60_000, settleMs: 20 },
  });
  state.onCommit = () => files.noteCommit();
  opened.push(files);
  await files.open();
}

/** Files as they stand at one moment: what a kill at it would leave. */
async function killed(folder: string): Promise<string> {
  const left = `${folder}-left`;
  // Temporary files come and go, also while this copies.
  const filter = (path: string): boolean => !path.endsWith(".tmp");
  await cp(folder, left, { recursive: true, preserveTimestamps: true, filter });
  return left;
}

it("keeps out a container and a group that were removed right before a crash", async () => {
  const folder = join(parent, "base");
  const before = new FakeTrackingState();
  await open(folder, before);
  before.track(anEntry(1), anEntry(2));
  before.join("grp1", anEntry(2).key);
  const groupsText = (of: string): Promise<string> => readFile(join(of, "grouptrackcontainers.json"), "utf8");
  await eventually(async () => expect(await groupsText(folder)).toContain(anEntry(2).id));
  const left = await killed(folder);

  const after = new FakeTrackingState();
  after.track(anEntry(1));
  await open(left, after);
  expect(after.imports).toEqual([]);
  await eventually(async () => expect(await groupsText(left)).not.toContain("grp1"));
  expect(await readFile(join(left, "trackcontainers.json"), "utf8")).not.toContain(anEntry(2).id);
});

it("does not take for a removal by others what was never written", async () => {
  const folder = join(parent, "base");
  const before = new FakeTrackingState();
  await open(folder, before);
  before.track(anEntry(1));
  await eventually(async () =>
    expect(await readFile(join(folder, "tracking.side"), "utf8")).toContain(anEntry(1).id),
  );
  const left = await killed(folder);
  // Killed after the side file was written, before the tracked file was.
  await rm(join(left, "trackcontainers.json"), { force: true });
  const after = new FakeTrackingState();
  after.track(anEntry(1));
  await open(left, after);
  await eventually(async () =>
    expect(await readFile(join(left, "trackcontainers.json"), "utf8")).toContain(anEntry(1).id),
  );
  expect([...after.entries.keys()]).toEqual([anEntry(1).key]);
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { type Mirror, openMirror } from "../../src/containers/tracking-files/mirror.js";
import { StoreError } from "../../src/store/errors.js";
import { silentLogger } from "../../src/observability/logger.js";
import { RoomClock } from "../support/containers-room.js";
import { MemoryStore } from "../support/memory-store.js";
import { aContainerRecord, openTracked, type Tracked } from "../support/tracked.js";

let folder: string;
let tracked: Tracked;
const mirrors: Mirror[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tracking-files-"));
  tracked = await openTracked({ store: new MemoryStore(), clock: new RoomClock() });
  await tracked.track([aContainerRecord()]);
});
afterEach(async () => {
  for (const mirror of mirrors.splice(0)) await mirror.close();
  await tracked.close();
  await rm(folder, { recursive: true, force: true });
});

const path = (): string => join(folder, "trackcontainers.json");
async function open(): Promise<Mirror> {
  const trackingFiles = {
    containersPath: path(),
    groups: { path: join(folder, "groups.json") },
    ledgerPath: join(folder, "side.json"),
  };
  return await openMirror({ trackingFiles, acceptsLoss: false }, { ...tracked, logger: silentLogger });
}

/** As another program does, that has read the file. */
async function writeTheirs(): Promise<void> {
  const { TrackContainer: own } = JSON.parse(await readFile(path(), "utf8")) as { TrackContainer: object[] };
  const theirs = { ID: "theirs", Container: { ID: "theirs" }, IpAddress: "203.0.113.7:8088" };
  await writeFile(path(), JSON.stringify({ TrackContainer: [...own, theirs] }));
}
const ids = (): string[] => [...tracked.state.named("container")].map(([, { id }]) => id).sort();

it("lets callers change nothing before a look at the files where the gateway before was killed", async () => {
  await (await open()).close();
  // Opened and never closed, as by kill -9.
  mirrors.push(await open());
  await writeTheirs();
  const mirror = await open();
  mirrors.push(mirror);
  await mirror.writable();
  expect(ids()).toEqual(["abc", "theirs"]);
});

it("lets them change nothing before such a look where the gateway before could not take up at its end what others wrote", async () => {
  await (await open()).close();
  const before = await open();
  tracked.store.failure = new StoreError("STATE_STORE_UNAVAILABLE", "away");
  await writeTheirs();
  await before.close();
  expect(ids()).toEqual(["abc"]);
  tracked.store.failure = undefined;
  const mirror = await open();
  mirrors.push(mirror);
  await mirror.writable();
  expect(ids()).toEqual(["abc", "theirs"]);
});

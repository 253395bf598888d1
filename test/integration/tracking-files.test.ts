/** The tracking files in a real folder, with a state in memory and others who write them as the original client does. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { TrackingFiles } from "../../src/containers/tracking-files/tracking-files.js";
import { silentLogger } from "../../src/observability/logger.js";
import { StoreError } from "../../src/store/errors.js";
import type { MirrorTimes } from "../../src/store/mirror/limits.js";
import { systemClock } from "../../src/system/clock.js";
import { anEntry, FakeTrackingState } from "../support/tracking-state.js";

interface FileValue {
  TrackContainer: { ID: string; Container: Record<string, unknown>; IpAddress: string }[];
}
interface GroupsValue {
  Groups: { ID: string; TrackContainer: { ID: string }[] | null }[];
}

let folder = "";
let state: FakeTrackingState;
let files: TrackingFiles | undefined;
let warnings: string[] = [];
const path = (name: string): string => join(folder, "client/trackcontainers", name);
const containersPath = (): string => path("trackcontainers.json");
const plural = (): string => path("grouptrackcontainers.json");
const singular = (): string => path("grouptrackcontainer.json");

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tracking-files-"));
  await mkdir(dirname(containersPath()), { recursive: true });
  state = new FakeTrackingState();
  warnings = [];
});
afterEach(async () => {
  await files?.close();
  files = undefined;
  await rm(folder, { recursive: true, force: true });
});

function start(times: Partial<MirrorTimes> = {}): TrackingFiles {
  const logger = { ...silentLogger, warn: (_: unknown, message: string) => void warnings.push(message) };
  const opened = new TrackingFiles({
    state,
    importChanges: state.importChanges,
    logger,
    clock: systemClock,
    containersPath: containersPath(),
    groups: { plural: plural(), singular: singular() },
    ledgerPath: join(folder, ".p2prc/tracking.side"),
    times: { pollMs: 100, settleMs: 30, holdMs: 400, damageMs: 300, ...times },
  });
  state.onCommit = () => opened.noteCommit();
  files = opened;
  return opened;
}
const open = async (times: Partial<MirrorTimes> = {}): Promise<TrackingFiles> => {
  const opened = start(times);
  expect(await opened.open()).toEqual({ kind: "mirroring" });
  return opened;
};
const readJson = async <T>(file: string): Promise<T> => JSON.parse(await readFile(file, "utf8")) as T;
const idsInFile = async (): Promise<string[]> =>
  (await readJson<FileValue>(containersPath())).TrackContainer.map(({ ID }) => ID);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for what others may see sooner or later. */
async function eventually(check: () => Promise<void> | void, timeoutMs = 30_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
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
/** As the original client writes: the whole file, in place. @returns its text */
const writeForeign = async (ns: readonly number[]): Promise<string> => {
  const list = ns.map((n) => ({
    ID: anEntry(n).id,
    Container: anEntry(n).raw,
    IpAddress: anEntry(n).ipAddressText,
  }));
  const text = JSON.stringify({ TrackContainer: list }, null, "\t");
  await writeFile(containersPath(), text);
  return text;
};
const ids = (...ns: readonly number[]): string[] => ns.map((n) => anEntry(n).id);

describe("a member that others brought in, as a gateway was killed before it saved that", () => {
  beforeEach(async () => {
    state.track(anEntry(1), anEntry(2));
    state.join("grp1", anEntry(1).key);
    const first = await open();
    await eventually(async () => expect(await readFile(singular(), "utf8")).toContain(anEntry(1).id));
    await first.close();
    const { TrackContainer } = await readJson<FileValue>(containersPath());
    await writeFile(singular(), JSON.stringify({ Groups: [{ ID: "grp1", TrackContainer }] }, null, " "));
  });

  it("stays out if it left before the files were looked at again", async () => {
    state.left.set(`grp1 ${anEntry(2).key}`, Date.now());
    await open();
    await eventually(async () => expect(await readFile(singular(), "utf8")).not.toContain(anEntry(2).id));
    expect(state.group("grp1")?.memberKeys).toEqual([anEntry(1).key]);
    expect(state.imports.flatMap(({ addedMembers }) => addedMembers)).toEqual([]);
  });

  it("comes in if it did not leave", async () => {
    await open();
    await eventually(() => expect(state.group("grp1")?.memberKeys).toEqual([anEntry(1).key, anEntry(2).key]));
  });
});

describe("the first import", () => {
  it.each(["", "{}", `{"TrackContainer":null}`, undefined])("takes %j for an empty list", async (text) => {
    if (text !== undefined) await writeFile(containersPath(), text);
    await open();
    state.track(anEntry(1));
    await eventually(async () => expect(await idsInFile()).toEqual(ids(1)));
    expect(warnings).toEqual([]);
  });

  it("brings in what stands in both files", async () => {
    await writeForeign([1, 2]);
    const [first] = (await readJson<FileValue>(containersPath())).TrackContainer;
    await writeFile(
      plural(),
      JSON.stringify({ Groups: [{ ID: "grp1", TrackContainer: [first] }] }, null, " "),
    );
    await open();
    expect([...state.entries.keys()]).toEqual([anEntry(1).key, anEntry(2).key]);
    expect(state.group("grp1")?.memberKeys).toEqual([anEntry(1).key]);
  });

  it("does not start over a damaged file, unless its loss is accepted", async () => {
    await writeFile(containersPath(), `{"TrackContainer":[{"ID":`);
    expect(await start().open()).toMatchObject({ kind: "read-only", file: "containers", failure: "DAMAGED" });
    expect(await start().open({ acceptsLoss: true })).toEqual({ kind: "mirroring" });
    expect((await readdir(dirname(containersPath()))).some((name) => name.includes(".corrupt-"))).toBe(true);
  });

  it("is made anew for another store, and then nothing counts as removed", async () => {
    await writeForeign([1, 2]);
    await open();
    await files?.close();
    state = new FakeTrackingState();
    state.lineage = "second";
    await open();
    expect(state.entries.size).toBe(2);
    expect(await idsInFile()).toEqual(ids(1, 2));
  });
});

describe("what others write", () => {
  it("comes in when they add, and goes when they remove what the file has held for long enough", async () => {
    state.track(anEntry(1), anEntry(2));
    await open();
    await pause(500);
    await writeForeign([1, 2, 3]);
    await eventually(() => expect(state.entries.size).toBe(3));
    await writeForeign([1, 3]);
    await eventually(() => expect([...state.entries.keys()]).toEqual([anEntry(1).key, anEntry(3).key]));
  });

  it("does not remove what they cannot have known", async () => {
    await open();
    state.track(anEntry(1));
    await eventually(async () => expect(await idsInFile()).toEqual(ids(1)));
    await writeForeign([7]);
    await eventually(async () => expect((await idsInFile()).sort()).toEqual(ids(1, 7)));
    expect(state.entries.size).toBe(2);
  });

  it("does not bring back what was removed here", async () => {
    state.track(anEntry(1), anEntry(2));
    await open();
    state.untrack(anEntry(1).key);
    await eventually(async () => expect(await idsInFile()).toEqual(ids(2)));
    await pause(500);
    await writeForeign([1, 2]);
    await eventually(async () => expect(await idsInFile()).toEqual(ids(2)));
    expect(state.entries.size).toBe(1);
  });

  it("empties the list only if it says so", async () => {
    state.track(anEntry(1), anEntry(2));
    await open();
    await pause(500);
    await writeForeign([]);
    await eventually(() => expect(state.entries.size).toBe(0));
  });

  it.each(["", "{}", `{"TrackContainer":null}`, `{"TrackContainer":[`, "no JSON", undefined])(
    "is moved aside when it is damaged: %j",
    async (text) => {
      state.track(anEntry(1));
      await open();
      if (text === undefined) await rm(containersPath());
      else await writeFile(containersPath(), text);
      await eventually(async () => expect(await idsInFile()).toEqual(ids(1)));
      const names = await readdir(dirname(containersPath()));
      expect(names.some((name) => name.includes(".corrupt-"))).toBe(text !== undefined);
      expect(warnings).toHaveLength(1);
    },
  );

  it("is not told of as damaged where there never was one, and others tracked while we were away", async () => {
    await open();
    await files?.close();
    await Promise.all([containersPath(), singular(), plural()].map((file) => rm(file, { force: true })));
    state.track(anEntry(1));
    state.join("grp-theirs", anEntry(1).key);
    await open();
    await eventually(async () => {
      expect(await idsInFile()).toEqual(ids(1));
      const { Groups } = await readJson<GroupsValue>(singular());
      expect(Groups.map(({ ID }) => ID)).toEqual(["grp-theirs"]);
    });
    expect(warnings).toEqual([]);
  });

  it("while we were away counts as well", async () => {
    state.track(anEntry(1), anEntry(2));
    await open();
    await eventually(async () => expect(await idsInFile()).toEqual(ids(1, 2)));
    await files?.close();
    await pause(500);
    await writeForeign([2, 3]);
    state.untrack(anEntry(2).key);
    await open();
    await eventually(async () => expect(await idsInFile()).toEqual(ids(3)));
    expect([...state.entries.keys()]).toEqual([anEntry(3).key]);
  });

  it("has a copy when it is replaced", async () => {
    await open();
    state.track(anEntry(1));
    await eventually(async () => expect(await idsInFile()).toEqual(ids(1)));
    const text = await writeForeign([7]);
    await eventually(async () => expect((await idsInFile()).sort()).toEqual(ids(1, 7)));
    const copies = (await readdir(dirname(containersPath()))).filter((name) => name.includes(".bak-"));
    expect(copies).toHaveLength(1);
    expect(await readFile(path(copies[0]!), "utf8")).toBe(text);
  });

  it("stays in the file when the state does not take it", async () => {
    state.refusals = ({ addedContainers }) => ({ containers: addedContainers.map(({ key }) => key) });
    await writeForeign([7]);
    await open();
    state.track(anEntry(1));
    await eventually(async () => expect(await idsInFile()).toEqual(ids(7, 1)));
    expect(state.entries.size).toBe(1);
  });

  it("goes from the file when it goes from the state, which took it later than when it was offered", async () => {
    state.refusals = ({ addedContainers }) => ({ containers: addedContainers.map(({ key }) => key) });
    await writeForeign([7]);
    await open();
    state.track(anEntry(1), anEntry(7));
    await eventually(async () => expect(await idsInFile()).toEqual(ids(7, 1)));
    await eventually(() => expect(files?.status.isCurrent).toBe(true));
    state.untrack(anEntry(7).key);
    await eventually(async () => expect(await idsInFile()).toEqual(ids(1)));
  });

  it("keeps nobody waiting at the end while the state cannot take it: the next start brings it in", async () => {
    await open();
    state.refusals = () => {
      throw new StoreError("STATE_STORE_UNAVAILABLE", "away");
    };
    const count = state.imports.length;
    await writeForeign([7]);
    await files?.close();
    expect(state.imports.length - count).toBeLessThan(5);
    state.refusals = () => ({});
    await open();
    await eventually(() => expect([...state.entries.keys()]).toEqual([anEntry(7).key]));
  });

  it("keeps fields that we do not know, and entries that name nobody", async () => {
    const entry = { ID: "x", Note: 1, Container: { ID: "x", Mood: "good" }, IpAddress: "192.0.2.9" };
    await writeFile(
      containersPath(),
      JSON.stringify({ Made: "by hand", TrackContainer: [entry, 17, { ID: "y" }] }),
    );
    await open();
    state.track(anEntry(1));
    await eventually(async () => expect(await idsInFile()).toEqual(["x", undefined, "y", anEntry(1).id]));
    const value = await readJson<FileValue>(containersPath());
    expect(value).toMatchObject({ Made: "by hand", TrackContainer: [entry, 17, { ID: "y" }, {}] });
    expect(files?.status.unreadableEntryCount).toBe(2);
  });
});

describe("groups", () => {
  it("never name a container that is not tracked", async () => {
    await open({ writeDelayMs: 1 });
    let isOver = false;
    const untracked: string[] = [];
    let reads = 0;
    const reader = (async () => {
      while (!isOver) {
        // Groups before and after: a change in between is no fault of the order.
        const before = await readFile(singular(), "utf8").catch(() => `{"Groups":[]}`);
        const tracked = await readFile(containersPath(), "utf8").catch(() => `{"TrackContainer":[]}`);
        const after = await readFile(singular(), "utf8").catch(() => `{"Groups":[]}`);
        if (before !== after) continue;
        reads += 1;
        const known = (JSON.parse(tracked) as FileValue).TrackContainer.map(({ ID }) => ID);
        for (const { TrackContainer } of (JSON.parse(after) as GroupsValue).Groups) {
          untracked.push(...(TrackContainer ?? []).map(({ ID }) => ID).filter((id) => !known.includes(id)));
        }
      }
    })();
    for (let n = 0; n < 150; n += 1) {
      state.track(anEntry(n));
      state.join("grp1", anEntry(n).key);
      if (n >= 3) state.untrack(anEntry(n - 3).key);
      await pause(n % 5 === 0 ? 30 : 4);
    }
    await eventually(() => expect(files?.status.isCurrent).toBe(true));
    await eventually(() => expect(reads).toBeGreaterThan(20));
    isOver = true;
    await reader;
    expect(untracked).toEqual([]);
  });

  it("move to the plural name when the original client makes that file", async () => {
    state.track(anEntry(1));
    state.join("grp1", anEntry(1).key);
    await open();
    await eventually(async () => expect((await readJson<GroupsValue>(singular())).Groups).toHaveLength(1));
    await writeFile(plural(), JSON.stringify({ Groups: [{ ID: "grp2", TrackContainer: null }] }, null, " "));
    await eventually(async () => {
      expect((await readJson<GroupsValue>(plural())).Groups.map(({ ID }) => ID).sort()).toEqual([
        "grp1",
        "grp2",
      ]);
      const names = await readdir(dirname(plural()));
      expect(names).not.toContain("grouptrackcontainer.json");
      expect(names.some((name) => name.startsWith("grouptrackcontainer.json.merged-"))).toBe(true);
    });
    expect([...state.memberships.keys()].sort()).toEqual(["grp1", "grp2"]);
  });

  it("of both files come in when both are there at first", async () => {
    await writeFile(plural(), JSON.stringify({ Groups: [{ ID: "grp1", TrackContainer: null }] }));
    await writeFile(singular(), JSON.stringify({ Groups: [{ ID: "grp2", TrackContainer: [] }] }));
    await open();
    await eventually(async () => {
      expect([...state.memberships.keys()].sort()).toEqual(["grp1", "grp2"]);
      expect((await readJson<GroupsValue>(plural())).Groups).toHaveLength(2);
      expect(await readdir(dirname(plural()))).not.toContain("grouptrackcontainer.json");
    });
  });
});

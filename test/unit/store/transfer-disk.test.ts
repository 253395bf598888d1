/** A state that is moved on a disk which does not answer: the move ends with words, and nothing is lost or half there. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { loadConfig } from "../../../src/config/config.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { transferLimits } from "../../../src/store/limits.js";
import { DiskTime } from "../../../src/system/disk-time.js";
import { MemoryStore } from "../../support/memory-store.js";

const actual = await import("node:fs/promises");
/** What gets no answer until `release`: the opening of files that are read, or written; reading; what brings them to the disk. */
const hung = {
  step: "" as "" | "open" | "create" | "read" | "sync",
  answer: Promise.resolve(),
  onMet: (): void => undefined,
  release: (): void => undefined,
};
const ifHung = async (step: typeof hung.step): Promise<void> => {
  if (hung.step !== step) return;
  hung.onMet();
  await hung.answer;
};
jest.unstable_mockModule("node:fs/promises", () => ({
  ...actual,
  open: async (path: string, flags: string | number, mode?: number) => {
    await ifHung(flags === "wx" ? "create" : "open");
    const handle = await actual.open(path, flags, mode);
    const [read, sync] = [handle.read.bind(handle), handle.sync.bind(handle)];
    const slow = {
      read: (...asked: Parameters<typeof read>) => ifHung("read").then(() => read(...asked)),
      sync: () => ifHung("sync").then(sync),
    };
    return Object.assign(handle, slow);
  },
}));
const { withStateFile } = await import("../../../src/store/transfer/state-file.js");
const { exportState, importState } = await import("../../../src/store/transfer/transfer.js");
const { importStateInto, isOfSilentDisk } = await import("../../../src/app/state-transfer.js");
const { aState, recordsOf } = await import("../../support/state-files.js");

function hang(step: typeof hung.step): void {
  hung.step = step;
  hung.answer = new Promise((resolve) => (hung.release = resolve));
}

let folder: string;
let file: string;
beforeEach(async () => {
  hung.step = "";
  folder = await mkdtemp(join(tmpdir(), "p2prc-transfer-disk-"));
  file = join(folder, "state.jsonl");
});
afterEach(async () => {
  hung.release();
  // What was left to itself may still write there.
  await rm(folder, { recursive: true, force: true, maxRetries: 20 });
});

const soon = (): DiskTime => new DiskTime(20);

describe("a disk that does not answer", () => {
  it.each(["create", "sync"] as const)(
    "ends an export with words, at its %s, and leaves nothing",
    async (step) => {
      hang(step);
      const exporting = exportState(await aState(10), file, { disk: soon() });
      await expect(exporting).rejects.toThrow(/disk of .*state.jsonl does not answer .*whole or not there/);
      hung.step = "";
      hung.release();
      await exportState(await aState(10), file);
      // What was left to itself ends by itself, and takes away what it had begun.
      while ((await readdir(folder)).join() !== "state.jsonl")
        await new Promise((resolve) => setTimeout(resolve, 1));
    },
  );

  it.each(["open", "read"] as const)(
    "ends an import with words, at its %s, before it has begun",
    async (step) => {
      await exportState(await aState(10), file);
      hang(step);
      const to = new MemoryStore();
      const importing = withStateFile(file, async (checked) => await importState(to, checked), {
        disk: soon(),
      });
      await expect(importing).rejects.toThrow("cannot be read: its disk does not answer");
      expect(to.commits).toEqual([]);
    },
  );

  it("is not taken for a file that has changed, between two batches", async () => {
    const from = await aState(1_300, 2_000);
    await exportState(from, file);
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (to.commits.length === 2) hang("read");
      return await commit(asked);
    };
    const bring = async (disk: DiskTime): Promise<unknown> =>
      await withStateFile(file, async (checked) => await importState(to, checked), { disk });
    // Longer than each step before takes, also on a busy machine.
    await expect(bring(new DiskTime(1_000))).rejects.toThrow("cannot be read: its disk does not answer");
    hung.step = "";
    to.commit = commit;
    await bring(new DiskTime(60_000));
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  it("ends an import that it holds a commit of, and repeated it goes on", async () => {
    const from = await aState(1_300);
    await exportState(from, file);
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (to.commits.length === 2) await new Promise(() => undefined);
      return await commit(asked);
    };
    const bring = async (disk: DiskTime): Promise<unknown> =>
      await withStateFile(file, async (checked) => await importState(to, checked, { disk }));
    // Longer than each commit before takes: one that is given up while it goes on would come in between later.
    await expect(bring(new DiskTime(1_000))).rejects.toMatchObject({ failure: "SILENT" });
    to.commit = commit;
    await bring(new DiskTime(60_000));
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  it("is named where the base folder is on it", async () => {
    await exportState(await aState(10), file);
    const config = loadConfig({ flags: { base: folder }, env: {}, cwd: folder });
    jest.useFakeTimers({ doNotFake: ["setImmediate", "nextTick", "queueMicrotask", "performance", "Date"] });
    try {
      hang("create");
      const met = new Promise<void>((resolve) => (hung.onMet = resolve));
      const { signal } = new AbortController();
      const importing = importStateInto(config, silentLogger, { path: file, replaces: false, signal });
      const failing = expect(importing).rejects.toThrow(/disk of .* does not answer .*repeat it/);
      await met;
      await jest.advanceTimersByTimeAsync(transferLimits.diskTimeoutMs);
      await failing;
      expect(isOfSilentDisk(await importing.catch((error: unknown) => error))).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});

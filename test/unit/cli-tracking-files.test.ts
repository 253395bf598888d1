import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { awaitTrackingFiles, type TrackingFiles } from "../../src/cli/tracking-files.js";

describe("the tracking files that a demo shows", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tracking-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const { signal } = new AbortController();
  const read = (isRight: (files: TrackingFiles) => boolean = () => true, timeoutMs = 5_000) =>
    awaitTrackingFiles(
      {
        trackContainersPath: join(folder, "trackcontainers.json"),
        groupTrackContainersPath: join(folder, "grouptrackcontainers.json"),
      },
      isRight,
      { timeoutMs, signal },
    );
  /** Whole or not at all, as a gateway does: whoever reads meanwhile meets no half. */
  const write = async (name: string, value: unknown): Promise<void> => {
    const path = join(folder, name);
    await writeFile(`${path}.tmp`, JSON.stringify(value));
    await rename(`${path}.tmp`, path);
  };

  it("may be missing, or hold null lists", async () => {
    expect(await read()).toEqual({ tracked: undefined, groups: undefined });
    await write("trackcontainers.json", { TrackContainer: null });
    await write("grouptrackcontainers.json", { Groups: [{ ID: "grp1", TrackContainer: null }] });
    expect(await read()).toMatchObject({ tracked: { ids: { "": [] } }, groups: { ids: { grp1: [] } } });
  });

  it("are waited for, under either name of the file of groups", async () => {
    const reading = read(({ tracked, groups }) => tracked !== undefined && groups !== undefined);
    await write("trackcontainers.json", { TrackContainer: [{ ID: "abc" }] });
    await write("grouptrackcontainer.json", { Groups: [{ ID: "grp1", TrackContainer: [{ ID: "abc" }] }] });
    const { tracked, groups } = await reading;
    expect(tracked).toEqual({ path: join(folder, "trackcontainers.json"), ids: { "": ["abc"] } });
    expect(groups).toEqual({ path: join(folder, "grouptrackcontainer.json"), ids: { grp1: ["abc"] } });
  });

  it("are not waited for any longer than said, and a broken one is not shown", async () => {
    expect(await read(() => false, 1)).toEqual({ tracked: undefined, groups: undefined });
    await writeFile(join(folder, "trackcontainers.json"), "{");
    await expect(read()).rejects.toThrow(SyntaxError);
  });
});

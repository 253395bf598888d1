/** `p2prc state export|import`: a state moves between the embedded store and Redis, whole or not at all. */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import { StoreError } from "../../src/store/errors.js";
import { openRedisStore } from "../../src/store/redis/redis-store.js";
import { importKey } from "../../src/store/transfer/import-sign.js";
import { exportState } from "../../src/store/transfer/transfer.js";
import { runCli } from "../support/cli.js";
import { at, ContainerBench } from "../support/container-bench.js";
import { Fleet } from "../support/fleet.js";
import { MemoryStore } from "../support/memory-store.js";
import { aState, importFile, recordsOf } from "../support/state-files.js";

let folder: string;
let file: string;
const bench = new ContainerBench();
const opened: Fleet[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-transfer-"));
  file = join(folder, "state.jsonl");
});
afterEach(async () => {
  await bench.release();
  for (const fleet of opened.splice(0)) await fleet[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

describe("a state in a file", () => {
  it("comes out as it went in, in batches that fit commits, and leaves no sign", async () => {
    const from = await aState(40, 100_000);
    const { digest, recordCount } = await exportState(from, file);
    expect([recordCount, (await stat(file)).mode & 0o777]).toEqual([40, 0o600]);
    const to = new MemoryStore();
    expect(await importFile(to, file)).toEqual({ digest, recordCount });
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
    expect(to.commits.length).toBeGreaterThan(4);
  });

  it("goes on where it was cut short, and is shut until it is whole", async () => {
    const from = await aState(1_300);
    await exportState(from, file);
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (to.commits.length === 2) throw new StoreError("STATE_STORE_UNAVAILABLE", "away");
      return await commit(asked);
    };
    await expect(importFile(to, file)).rejects.toThrow("away");
    expect((await recordsOf(to)).length).toBe(501);
    expect(await to.get(importKey)).toBeDefined();
    await expect(exportState(to, join(folder, "half"))).rejects.toThrow("not finished");
    to.commit = commit;
    const before = to.commits.length;
    await importFile(to, file);
    // What is left, and the end.
    expect(to.commits.length - before).toBe(3);
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  it("is refused by a state that is not empty, unless told to replace it", async () => {
    const from = await aState(3);
    await exportState(from, file);
    const to = await aState(1_200);
    const before = await recordsOf(to);
    await expect(importFile(to, file)).rejects.toThrow("is not empty (1200 records): --replace gives it up");
    expect(await recordsOf(to)).toEqual(before);
    await importFile(to, file, { replaces: true });
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  it("is not mixed with another import that comes in between", async () => {
    await exportState(await aState(1_300), file);
    const other = join(folder, "other");
    await exportState(await aState(7), other);
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (to.commits.length === 2) {
        to.commit = commit;
        await importFile(to, other, { replaces: true });
      }
      return await commit(asked);
    };
    const importing = importFile(to, file, { replaces: true });
    await expect(importing).rejects.toThrow("another import into this state came in between");
    expect(await recordsOf(to)).toHaveLength(7);
  });
});

describe("growing from one gateway to several", () => {
  it("is an export and an import: the same containers and groups, there and back", async () => {
    const fleet = await Fleet.open();
    opened.push(fleet);
    const { app, baseDir, api, nodes } = await bench.open();
    const made = await Promise.all(nodes.map((node) => api.createContainer(at(node))));
    const names = made.map(({ container }) => container!.name).sort();
    const { group } = await api.createGroup({ containers: names });
    const state = (words: readonly string[]) =>
      runCli(["state", ...words, "--base", baseDir], { cwd: folder });
    expect(await state(["export", file])).toMatchObject({
      code: 1,
      err: expect.stringContaining("owns this base folder"),
    });
    await app.close();
    const redis = ["--redis", fleet.redis.url];
    expect(await state(["export", file])).toMatchObject({ code: 0, err: "" });
    expect(await state(["export", file])).toMatchObject({
      code: 1,
      err: expect.stringContaining("is there already"),
    });
    // Without the import, the folder's state is elsewhere.
    await expect(fleet.join({ baseDir })).rejects.toThrow("the state of this base folder is embedded");
    expect(await state(["import", file, ...redis])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+ records imported/),
    });
    // Whoever does not know whether it was done may say it again.
    expect(await state(["import", file, ...redis])).toMatchObject({ code: 0 });
    const seats = [await fleet.join({ baseDir }), await fleet.join()];
    for (const one of seats) {
      const { containers } = await one.api.listContainers({});
      expect(containers.map(({ name }) => name)).toEqual(names);
      expect((await one.api.getGroup({ group: group!.name })).group!.containers.sort()).toEqual(names);
    }
    const { container: late } = await seats[1]!.api.createContainer(at(fleet.nodes[0]!));
    names.push(late!.name);
    names.sort();
    for (const one of seats) await one.app.close();
    const back = join(folder, "back");
    expect(await state(["export", back, ...redis])).toMatchObject({ code: 0 });
    expect(await state(["import", back])).toMatchObject({
      code: 1,
      err: expect.stringContaining("--replace"),
    });
    expect(await state(["import", back, "--replace"])).toMatchObject({ code: 0 });
    const listed = await runCli(["containers", "--json", "--base", baseDir], { cwd: folder });
    expect(
      listed.out
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { name: string }).name)
        .sort(),
    ).toEqual(names);
  });

  it("is shut to gateways until the import is whole", async () => {
    const fleet = await Fleet.open();
    opened.push(fleet);
    const store = await openRedisStore({ url: fleet.redis.url, namespace: "default", logger: silentLogger });
    const put = [{ key: importKey, value: { sha256: "x", doneCount: 1 } }];
    await store.commit({ operationId: "half", expect: [], put, delete: [] });
    await store.close();
    await expect(fleet.join()).rejects.toThrow("an import into this state is not finished");
  });
});

/** What a move from the embedded state to Redis and back keeps, seen by callers, and its size. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { silentLogger } from "../../src/observability/logger.js";
import { openLmdbStore } from "../../src/store/lmdb/lmdb-store.js";
import { openRedisStore } from "../../src/store/redis/redis-store.js";
import { exportState } from "../../src/store/transfer/transfer.js";
import { type Ended, runCli } from "../support/cli.js";
import { at, ContainerBench, eventually, refusal } from "../support/container-bench.js";
import { Fleet } from "../support/fleet.js";
import { RedisServer } from "../support/redis-server.js";
import { importFile } from "../support/state-files.js";

let folder: string;
const bench = new ContainerBench();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-move-"));
});
afterEach(async () => {
  await bench.release();
  await rm(folder, { recursive: true, force: true });
});

const trackingFiles = async (baseDir: string): Promise<Readonly<Record<string, string>>> => {
  const names = await readdir(join(baseDir, "client/trackcontainers"));
  const entries = names.map(async (name) => [
    name,
    await readFile(join(baseDir, "client/trackcontainers", name), "utf8"),
  ]);
  return Object.fromEntries(await Promise.all(entries)) as Readonly<Record<string, string>>;
};

describe("a move to Redis", () => {
  it("keeps request ids, creations of unknown outcome, removals and the tracking files, and says that revisions are of another past", async () => {
    await using fleet = await Fleet.open();
    const { app, baseDir, api, nodes, devnet } = await bench.open({ flags: { lookInterval: "0" } });
    const request = { ...at(nodes[0]!), requestId: "one" };
    const { container: kept } = await api.createContainer(request);
    const { container: gone } = await api.createContainer(at(nodes[1]!));
    await api.removeContainer({ container: gone!.name });
    const { group } = await api.createGroup({ containers: [kept!.name] });
    devnet.node(devnet.nodes[2]!.address).setFault("cut-create");
    const unknown = await refusal(api.createContainer({ ...at(nodes[2]!), requestId: "two" }));
    expect(unknown.reason).toBe("CREATE_OUTCOME_UNKNOWN");
    const list = async (one: typeof api) =>
      (await one.listContainers({ showRemoved: true })).containers.map(({ name, state }) => [name, state]);
    const before = await list(api);
    expect(before.map(([, state]) => state).sort()).toEqual(
      [Container_State.ACTIVE, Container_State.UNKNOWN, Container_State.REMOVED].sort(),
    );
    const { revision } = await api.listContainers({});
    await app.close();
    const files = await trackingFiles(baseDir);
    const creates = devnet.ledger.creates.length;

    const file = join(folder, "state.jsonl");
    const redis = ["--redis", fleet.redis.url];
    const state = async (...words: readonly string[]): Promise<Ended> =>
      await runCli(["state", ...words, "--base", baseDir], { cwd: folder });
    expect(await state("export", file)).toMatchObject({ code: 0 });
    expect(await state("import", file, ...redis)).toMatchObject({ code: 0 });
    const one = await fleet.join({ baseDir });
    expect(await list(one.api)).toEqual(before);
    expect((await one.api.getGroup({ group: group!.name })).group!.containers).toEqual([kept!.name]);
    const again = await one.api.createContainer(request);
    expect([again.container!.name, again.replayed]).toEqual([kept!.name, true]);
    expect(await refusal(one.api.createContainer({ ...at(nodes[2]!), requestId: "two" }))).toMatchObject({
      reason: "CREATE_OUTCOME_UNKNOWN",
    });
    expect(devnet.ledger.creates).toHaveLength(creates);
    const resumed = (async () => {
      for await (const _ of one.api.watch({ startRevision: revision })) break;
    })();
    expect(await refusal(resumed)).toMatchObject({ reason: "REVISION_COMPACTED" });
    await one.app.close();
    expect(await trackingFiles(baseDir)).toEqual(files);
  });

  it.each(["its own folder", "another folder"])(
    "of a gateway that was killed while a node built ends that creation as UNKNOWN for who goes on in %s, and asks no node again",
    async (where) => {
      await using fleet = await Fleet.open({
        devnet: { containers: { createDelayMs: 30_000, listens: false } },
      });
      const baseDir = join(folder, "killed");
      await mkdir(baseDir);
      const killed = await fleet.start({ baseDir, isAlone: true });
      const request = { ...at(fleet.nodes[0]!), requestId: "one" };
      const creating = killed.api.createContainer(request).catch(() => undefined);
      const { creates } = fleet.devnet.ledger;
      await eventually(async () => expect(creates).toHaveLength(1));
      killed.process.child.kill("SIGKILL");
      await Promise.all([killed.process.ended, creating]);

      const file = join(folder, "state.jsonl");
      const own = ["--base", baseDir];
      expect(await runCli(["state", "export", file, ...own], { cwd: folder })).toMatchObject({ code: 0 });
      const other = [...own, "--redis", fleet.redis.url];
      expect(await runCli(["state", "import", file, ...other], { cwd: folder })).toMatchObject({ code: 0 });
      const { api } = await fleet.join(where === "its own folder" ? { baseDir } : {});
      const { containers } = await api.listContainers({});
      expect(containers.map(({ state }) => state)).toEqual([Container_State.UNKNOWN]);
      expect(await refusal(api.createContainer(request))).toMatchObject({ reason: "CREATE_OUTCOME_UNKNOWN" });
      expect(creates).toHaveLength(1);
    },
  );

  it("and back again gives the file that it began with, byte for byte, with 100,000 containers", async () => {
    const secret = {
      dockerVm: { SSHUsername: "root", SSHPassword: "x".repeat(16), Ports: { Port: [22, 80] } },
    };
    const container = { id: "0123456789ab", spec: { image: "ubuntu", labels: [["owner", "x".repeat(100)]] } };
    const source = await openLmdbStore({ folder: join(folder, "source") });
    for (let n = 0; n < 100_000; n += 500) {
      const some = Array.from({ length: 500 }, (_, i) => n + i);
      const put = some.flatMap((id) => [
        { key: `c/10.0.0.1:8088/${id}`, value: { ...container, n: id } },
        { key: `s/10.0.0.1:8088/${id}`, value: secret },
      ]);
      await source.commit({ operationId: `fill/${n}`, expect: [], put, delete: [] });
    }
    await using server = await RedisServer.start();
    const shared = await openRedisStore({ url: server.url, namespace: "move", logger: silentLogger });
    const back = await openLmdbStore({ folder: join(folder, "back") });
    const [first, second, third] = ["first", "second", "third"].map((name) => join(folder, name));
    const times: string[] = [];
    const timed = async (name: string, work: Promise<unknown>): Promise<void> => {
      const start = performance.now();
      await work;
      times.push(`${name} ${((performance.now() - start) / 1_000).toFixed(1)} s`);
    };
    try {
      await timed("export", exportState(source, first!));
      await timed("import into Redis", importFile(shared, first!));
      await timed("export", exportState(shared, second!));
      await timed("import into the embedded state", importFile(back, second!));
      await exportState(back, third!);
      const [text, ...others] = await Promise.all([first, second, third].map((path) => readFile(path!)));
      for (const other of others) expect(other.equals(text!)).toBe(true);
      const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
      const rss = mib(process.memoryUsage().rss);
      process.stdout.write(
        `a move of 200,000 records, ${mib(text!.length)}: ${times.join(", ")}; at the end ${rss}\n`,
      );
    } finally {
      for (const store of [source, shared, back]) await store.close();
    }
  }, 300_000);
});

describe("an export from Redis", () => {
  it("goes beside the gateway of the same folder, and makes no state where there is none", async () => {
    await using fleet = await Fleet.open();
    const { api, baseDir } = await fleet.join();
    await api.createGroup({});
    const state = async (...words: readonly string[]): Promise<Ended> =>
      await runCli(["state", "export", ...words, "--redis", fleet.redis.url, "--base", baseDir], {
        cwd: folder,
      });
    expect(await state("copy")).toMatchObject({ code: 0, out: expect.stringContaining("records exported") });
    const other = await runCli(
      ["state", "export", "none", "--redis", fleet.redis.url, "--namespace", "mistyped"],
      { cwd: folder },
    );
    expect(other).toMatchObject({
      code: 1,
      err: expect.stringContaining("there is no state of this namespace"),
    });
    expect(await readdir(folder)).toEqual(["copy"]);
    expect(await fleet.redis.ask("KEYS", "*mistyped*")).toEqual([]);
    expect((await api.listGroups({})).groups).toHaveLength(1);
  });
});

describe("the command line", () => {
  const state = async (...words: readonly string[]): Promise<Ended> =>
    await runCli(["state", ...words, "--base", join(folder, "base")], { cwd: folder });
  beforeEach(async () => await mkdir(join(folder, "base")));

  it.each([
    [["export", "-"], 2, "not through a pipe"],
    [["import", "-"], 2, "not through a pipe"],
    [["import", "none"], 1, "/none cannot be read: ENOENT"],
    [["import", "base"], 1, "/base cannot be read: it is not a regular file"],
    [["export", "base"], 1, "/base is there already"],
    [["export", "new"], 1, "there is no state in"],
    [["export"], 2, "missing required argument"],
    [["expport"], 2, "unknown command 'expport'"],
  ])("says of %j why it is not done, with exit code %i, and makes nothing", async (words, code, text) => {
    expect(await state(...words)).toMatchObject({ code, out: "", err: expect.stringContaining(text) });
    expect(await readdir(folder)).toEqual(["base"]);
    // A state of the wrong kind would keep the folder from its real one.
    expect(await readdir(join(folder, "base"))).toEqual([]);
  });

  it("tells its words to who names none, as what makes no sense", async () => {
    const { code, out, err } = await runCli(["state"], { cwd: folder });
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("export [options] <FILE>");
  });
});

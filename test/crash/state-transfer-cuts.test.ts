/** An import that is cut short anywhere, or meets gateways and outages: repeated it ends as the file, and mixes nothing. */
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { Interruption } from "../../src/cli/surroundings.js";
import { silentLogger } from "../../src/observability/logger.js";
import type { StateStore } from "../../src/store/contract.js";
import { StoreError } from "../../src/store/errors.js";
import { openLmdbStore } from "../../src/store/lmdb/lmdb-store.js";
import { openRedisStore } from "../../src/store/redis/redis-store.js";
import { importKey, outsideImports } from "../../src/store/transfer/import-sign.js";
import { exportState } from "../../src/store/transfer/transfer.js";
import { CliProcess, runCli } from "../support/cli.js";
import { at, refusal } from "../support/container-bench.js";
import { Fleet } from "../support/fleet.js";
import { MemoryStore } from "../support/memory-store.js";
import { RedisServer } from "../support/redis-server.js";
import { aState, importFile, recordsOf } from "../support/state-files.js";
import { backends } from "../support/store-backends.js";
import { put, reasonOf } from "../support/store-calls.js";
import { TcpProxy } from "../support/tcp-proxy.js";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-cuts-"));
  file = join(folder, "state.jsonl");
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

class Cut extends Error {}

/** Ends whoever commits at the n-th commit, before it is done or when its answer is on its way. */
function cutAt(store: StateStore, n: number, place: "before" | "after"): StateStore {
  let count = 0;
  return {
    load: async () => await store.load(),
    head: async () => await store.head(),
    get: async (key) => await store.get(key),
    changes: (after, signal) => store.changes(after, signal),
    close: async () => await store.close(),
    commit: async (asked) => {
      count += 1;
      if (count === n && place === "before") throw new Cut();
      const result = await store.commit(asked);
      if (count === n) throw new Cut();
      return result;
    },
  };
}

/** Records of which a commit can delete only a few. */
async function fillOld(store: StateStore): Promise<void> {
  for (let n = 0; n < 8; n += 1) await put(store, `old/${n}`, { n, text: "x".repeat(1_500_000) });
  await put(store, "c/1", { old: true });
}

describe.each([{ name: "memory", create: undefined }, ...backends])("an import into $name", ({ create }) => {
  const open = async (): Promise<{ store: StateStore; destroy: () => Promise<void> }> => {
    if (create === undefined) return { store: new MemoryStore(), destroy: () => Promise.resolve() };
    const state = await create();
    return { store: state.store, destroy: async () => await state.destroy() };
  };

  it.each([
    ["an empty state", false],
    ["a state that it replaces", true],
  ])(
    "of %s, cut at any commit, is shut to gateways, and ends as the file when it is repeated",
    async (_, replaces) => {
      const from = await aState(1_300);
      await exportState(from, file);
      const wanted = await recordsOf(from);
      const other = join(folder, "other");
      await exportState(await aState(2), other);
      let cuts = 0;
      for (let n = 1, isOver = false; !isOver; n += 1) {
        for (const place of ["before", "after"] as const) {
          const { store, destroy } = await open();
          try {
            if (replaces) await fillOld(store);
            const failure: unknown = await importFile(cutAt(store, n, place), file, { replaces }).then(
              () => undefined,
              (error: unknown) => error,
            );
            isOver = failure === undefined;
            if (!isOver) expect(failure).toBeInstanceOf(Cut);
            cuts += isOver ? 0 : 1;
            const isShut = (await store.get(importKey)) !== undefined;
            if (isShut) {
              expect(await reasonOf(put(outsideImports(store), "c/1"))).toBe("STATE_STORE_UNAVAILABLE");
              await expect(exportState(store, join(folder, "half"))).rejects.toThrow("not finished");
            }
            const isPart = (await store.load()).records.size > (isShut ? 1 : 0);
            if (isPart && !isOver) await expect(importFile(store, other)).rejects.toThrow("--replace");
            await importFile(store, file, { replaces });
            expect(await recordsOf(store)).toEqual(wanted);
            await put(outsideImports(store), "c/1");
          } finally {
            await destroy();
          }
        }
      }
      expect(cuts).toBeGreaterThan(replaces ? 14 : 8);
    },
    300_000,
  );
});

describe("an import", () => {
  it("into a state that a gateway writes to before it is shut gives nothing of that up", async () => {
    await exportState(await aState(3), file);
    const to = new MemoryStore();
    const load = to.load.bind(to);
    to.load = async () => {
      to.load = load;
      const before = await load();
      await put(to, "c/late");
      return before;
    };
    await expect(importFile(to, file)).rejects.toThrow("is not empty (1 records)");
    expect(await recordsOf(to)).toEqual([["c/late", {}]]);
  });

  it("that is told to end ends between two commits, and goes on when it is repeated", async () => {
    const from = await aState(1_300);
    await exportState(from, file);
    const to = new MemoryStore();
    const leaving = new AbortController();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (to.commits.length === 1) leaving.abort(new Interruption("SIGINT"));
      return await commit(asked);
    };
    await expect(importFile(to, file, { signal: leaving.signal })).rejects.toThrow("ended by SIGINT");
    expect((await to.load()).records.size).toBe(501);
    await importFile(to, file);
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
    const words = ["state", "import", file, "--base", join(folder, "base")];
    expect(await runCli(words, { cwd: folder, signal: leaving.signal })).toMatchObject({ code: 130 });
  });

  it("during which Redis goes away fails within the time for it, and goes on when Redis is back", async () => {
    const from = await aState(3_000);
    await exportState(from, file);
    await using server = await RedisServer.start();
    await using proxy = await TcpProxy.start(server.port);
    const open = { url: proxy.url, namespace: "away", logger: silentLogger };
    const store = await openRedisStore({
      ...open,
      patienceMs: 50,
      commitTimeoutMs: 3_000,
      replyTimeoutMs: 3_000,
    });
    const commit = store.commit.bind(store);
    let commits = 0;
    store.commit = async (asked) => {
      commits += 1;
      proxy.isRefusing = commits > 4;
      if (proxy.isRefusing) proxy.reset();
      return await commit(asked);
    };
    const failure: unknown = await importFile(store, file).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure).toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
    await store.close();
    proxy.isRefusing = false;
    const again = await openRedisStore(open);
    expect((await again.load()).records.size).toBeGreaterThan(500);
    await importFile(again, file);
    expect(await recordsOf(again)).toEqual(await recordsOf(from));
    await again.close();
  });

  it("into a state of running gateways lets them change nothing until it is whole", async () => {
    await using fleet = await Fleet.open();
    const member = await fleet.join();
    const first = await member.api.createContainer(at(fleet.nodes[0]!));
    const open = { url: fleet.redis.url, namespace: "default", logger: silentLogger };
    const store = await openRedisStore(open);
    try {
      await exportState(store, file);
      await put(store, "c/zz-of-a-later-version");
      const created = fleet.devnet.ledger.creates.length;
      await expect(importFile(cutAt(store, 3, "after"), file, { replaces: true })).rejects.toThrow(Cut);
      expect(await refusal(member.api.createContainer(at(fleet.nodes[0]!)))).toMatchObject({
        reason: "STATE_STORE_UNAVAILABLE",
      });
      expect(fleet.devnet.ledger.creates).toHaveLength(created);
      await importFile(store, file, { replaces: true });
    } finally {
      await store.close();
    }
    await member.api.createContainer(at(fleet.nodes[0]!));
    const { containers } = await member.api.listContainers({});
    expect(containers).toHaveLength(2);
    expect(containers.map(({ name }) => name)).toContain(first.container!.name);
  });
});

describe("an import that is killed", () => {
  const count = 40_000;

  it.each(["embedded", "Redis"])(
    "again and again, into %s, ends as the file",
    async (backend) => {
      const from = new MemoryStore();
      const puts = Array.from({ length: count }, (_, n) => ({
        key: `c/${n}`,
        value: { n, text: "x".repeat(50) },
      }));
      await from.commit({ operationId: "all", expect: [], put: puts, delete: [] });
      await exportState(from, file);
      await using server = await RedisServer.start();
      const base = join(folder, "base");
      await mkdir(base);
      const target = backend === "Redis" ? ["--redis", server.url] : [];
      const openTarget = async (): Promise<StateStore> =>
        backend === "Redis"
          ? await openRedisStore({ url: server.url, namespace: "default", logger: silentLogger })
          : await openLmdbStore({ folder: join(base, ".p2prc/state") });
      /** Changes with each commit. */
      const sign = async (): Promise<string> =>
        backend === "Redis"
          ? String(await server.ask("HGET", "{p2prc:default}:records", importKey))
          : String(
              await stat(join(base, ".p2prc/state/data.mdb")).then(
                ({ mtimeMs }) => mtimeMs,
                () => "",
              ),
            );
      let [kills, inside] = [0, 0];
      for (let code = -1; code !== 0; ) {
        const before = await sign();
        const child = new CliProcess(["state", "import", file, "--base", base, ...target], folder);
        const isOver = child.ended.then(() => true);
        while (kills < 8 && (await sign()) === before)
          if (await Promise.race([isOver, delay(2, false)])) break;
        if (kills < 8) {
          await delay(Math.random() * 60);
          child.child.kill("SIGKILL");
        }
        ({ code } = await child.ended);
        // It was killed, or it was done.
        expect([0, -1]).toContain(code);
        if (code === 0) break;
        kills += 1;
        const store = await openTarget();
        inside += (await store.get(importKey)) === undefined ? 0 : 1;
        await store.close();
      }
      const store = await openTarget();
      expect(await recordsOf(store)).toEqual(await recordsOf(from));
      await store.close();
      process.stdout.write(
        `import into ${backend}: ${kills} kills -9, ${inside} inside the import, 0 lost\n`,
      );
    },
    300_000,
  );
});

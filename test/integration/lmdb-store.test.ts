/** What holds for the embedded store only: its files, its process, its disk. The rest is in test/contract. */
import { execFileSync, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { open } from "lmdb";
import { StoreError } from "../../src/store/errors.js";
import { openLmdbStore } from "../../src/store/lmdb/lmdb-store.js";
import { commit, put, reasonOf, startOf, take } from "../support/store-calls.js";

const isRoot = process.getuid?.() === 0;
const asRootOnLinux = isRoot && process.platform === "linux" ? it : it.skip;

// lmdb-js writes the error of each failed transaction to the console, and has no setting against it (3.5.6, startWriting in
// its write.js). Of a full disk that is a page, and what comes when the file is done would be one of Jest's own errors.
beforeAll(() => void jest.spyOn(console, "error").mockImplementation(() => undefined));

let base: string;
let folder: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "p2prc-lmdb-"));
  folder = join(base, "state.d");
});
afterEach(async () => {
  await rm(base, { recursive: true, force: true });
});

describe("the files", () => {
  it("are open to their owner only, whatever the umask and the folder were", async () => {
    await mkdir(folder, { mode: 0o777 });
    await chmod(folder, 0o777);
    const umask = process.umask(0);
    const store = await openLmdbStore({ folder });
    process.umask(umask);
    await put(store, "a");
    const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
    expect(await modeOf(folder)).toBe(0o700);
    expect(await modeOf(join(folder, "data.mdb"))).toBe(0o600);
    expect(await modeOf(join(folder, "lock.mdb"))).toBe(0o600);
    await store.close();
  });

  it("are opened once in a process, by whatever path, and again when closed", async () => {
    const store = await openLmdbStore({ folder });
    await symlink(folder, join(base, "link"));
    expect(await reasonOf(openLmdbStore({ folder }))).toBe("STATE_STORE_UNAVAILABLE");
    expect(await reasonOf(openLmdbStore({ folder: `${join(base, "link")}/.` }))).toBe(
      "STATE_STORE_UNAVAILABLE",
    );
    await store.close();
    await (await openLmdbStore({ folder: join(base, "link") })).close();
  });

  it.each([
    ["text", Buffer.from("no state at all\n".repeat(1_000))],
    ["zeros", Buffer.alloc(16_384)],
  ])("that are none (%s) are refused and stay as they are", async (_, bytes) => {
    await mkdir(folder);
    const path = join(folder, "data.mdb");
    await writeFile(path, bytes);
    expect(await reasonOf(openLmdbStore({ folder }))).toBe("STATE_UNREADABLE");
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  it("of another program that uses LMDB are refused and stay as they are", async () => {
    const other = open<string, string>({ path: folder, noSubdir: false, encoding: "string" });
    await other.put("setting", "value");
    await other.close();
    const before = await readFile(join(folder, "data.mdb"));
    expect(await reasonOf(openLmdbStore({ folder }))).toBe("STATE_UNREADABLE");
    expect((await readFile(join(folder, "data.mdb"))).equals(before)).toBe(true);
  });

  it("that were cut short are refused, where reading them would end the process", async () => {
    const store = await openLmdbStore({ folder });
    for (let n = 0; n < 20; n += 1) await put(store, `k${n}`, { t: "x".repeat(20_000) });
    await store.close();
    const path = join(folder, "data.mdb");
    await truncate(path, (await stat(path)).size / 2);
    expect(await reasonOf(openLmdbStore({ folder }))).toBe("STATE_UNREADABLE");
  });

  it("of a newer version are refused with words that say so", async () => {
    await (await openLmdbStore({ folder })).close();
    const files = open<string, string>({ path: folder, noSubdir: false, encoding: "string" });
    await files.openDB<string, string>({ name: "meta", encoding: "string" }).put("schema", "2");
    await files.close();
    const failure = await openLmdbStore({ folder }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StoreError);
    expect(failure).toMatchObject({ reason: "STATE_UNREADABLE", metadata: { schema: "2" } });
    expect((failure as StoreError).message).toContain("newer version (schema 2, this one knows 1)");
  });

  it("with a record that is damaged fail the read that meets it", async () => {
    const store = await openLmdbStore({ folder });
    await put(store, "good");
    await put(store, "bad");
    await store.close();
    const files = open<string, string>({ path: folder, noSubdir: false, encoding: "string" });
    await files.openDB<string, string>({ name: "records", encoding: "string" }).put("bad", "1-x {torn");
    await files.close();
    const reopened = await openLmdbStore({ folder });
    expect(await reopened.get("good")).toBeDefined();
    expect(await reasonOf(reopened.get("bad"))).toBe("STATE_UNREADABLE");
    expect(await reasonOf(reopened.load())).toBe("STATE_UNREADABLE");
    await reopened.close();
  });

  it("grow far beyond the map that they begin with, while a load is under way", async () => {
    const store = await openLmdbStore({ folder });
    for (let n = 0; n < 2_000; n += 1_000) {
      await commit(store, {
        put: Array.from({ length: 1_000 }, (_, i) => ({ key: `k${n + i}`, value: { n } })),
      });
    }
    const loads: Promise<number>[] = [];
    for (let n = 0; n < 64; n += 1) {
      if (n % 8 === 0) loads.push(store.load().then(({ records }) => records.size));
      await put(store, `large${n}`, { t: "x".repeat(1_000_000) });
    }
    expect(await Promise.all(loads)).toEqual(Array.from({ length: 8 }, (_, n) => 2_000 + n * 8));
    expect((await stat(join(folder, "data.mdb"))).size).toBeGreaterThan(64_000_000);
    await store.close();
  });

  (isRoot ? it.skip : it)(
    "in a folder without write permission are refused (needs a user who is not root)",
    async () => {
      await (await openLmdbStore({ folder })).close();
      await chmod(join(folder, "data.mdb"), 0o400);
      await chmod(base, 0o500);
      expect(await reasonOf(openLmdbStore({ folder }))).toBe("STATE_READ_ONLY");
      expect(await reasonOf(openLmdbStore({ folder: join(base, "new") }))).toBe("STATE_READ_ONLY");
      await chmod(base, 0o700);
    },
  );
});

describe("a file system of its own", () => {
  let mounted: string | undefined;
  afterEach(() => {
    if (mounted !== undefined) execFileSync("umount", ["--lazy", mounted]);
    mounted = undefined;
  });
  const mount = async (): Promise<string> => {
    const path = join(base, "disk");
    await mkdir(path);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", path]);
    mounted = path;
    return path;
  };

  asRootOnLinux(
    "that is full refuses commits, loses none that was acknowledged, and takes new ones when there is room (needs root and Linux)",
    async () => {
      const disk = await mount();
      let store = await openLmdbStore({ folder: join(disk, "state") });
      const start = await startOf(store);
      const acknowledged: string[] = [];
      const failures: unknown[] = [];
      for (let round = 0; failures.length < 100; round += 1) {
        await Promise.all(
          Array.from({ length: 8 }, async (_, n) => {
            const key = `${round}/${n}`;
            try {
              const both = [`a/${key}`, `b/${key}`].map((name) => ({
                key: name,
                value: { t: "x".repeat(2_000) },
              }));
              await commit(store, { put: both });
              acknowledged.push(key);
            } catch (error) {
              failures.push((error as StoreError).reason);
            }
          }),
        );
      }
      expect(new Set(failures)).toEqual(new Set(["DISK_FULL"]));
      expect(acknowledged.length).toBeGreaterThan(100);
      const requireAll = async (): Promise<void> => {
        const { records, revision } = await store.load();
        expect(records.size).toBe(2 * acknowledged.length);
        for (const key of acknowledged) {
          expect(records.get(`a/${key}`)?.revision).toBe(records.get(`b/${key}`)?.revision);
        }
        expect(Number(revision.split("-")[0])).toBe(acknowledged.length);
        expect((await take(store, start, acknowledged.length)).at(-1)?.revision).toBe(revision);
      };
      await requireAll();
      execFileSync("mount", ["-o", "remount,size=32m", disk]);
      for (let n = 0; n < 50; n += 1) {
        await commit(store, { put: ["a", "b"].map((side) => ({ key: `${side}/later/${n}`, value: {} })) });
        acknowledged.push(`later/${n}`);
      }
      await requireAll();
      await store.close();
      store = await openLmdbStore({ folder: join(disk, "state") });
      await requireAll();
      await store.close();
    },
  );

  asRootOnLinux("that is read-only is refused with STATE_READ_ONLY (needs root and Linux)", async () => {
    const disk = await mount();
    await (await openLmdbStore({ folder: join(disk, "state") })).close();
    execFileSync("mount", ["-o", "remount,ro", disk]);
    expect(await reasonOf(openLmdbStore({ folder: join(disk, "state") }))).toBe("STATE_READ_ONLY");
    expect(await reasonOf(openLmdbStore({ folder: join(disk, "new") }))).toBe("STATE_READ_ONLY");
  });
});

describe("kill -9", () => {
  const module = new URL("../../dist/store/lmdb/lmdb-store.js", import.meta.url);
  // Each commit writes two records that must never be apart, and one that all fight for.
  const program = (name: string): string => `
    import { writeSync } from "node:fs";
    import { openLmdbStore } from ${JSON.stringify(module.href)};
    const store = await openLmdbStore({ folder: ${JSON.stringify(folder)}, history: { commits: 500, bytes: 1e8 } });
    let n = 0;
    const work = async () => {
      for (;;) {
        const id = ${JSON.stringify(name)} + "/" + String(n++);
        const value = { id, text: "x".repeat(Math.random() * 3000) };
        const put = ["a/" + id, "b/" + id, "shared"].map((key) => ({ key, value }));
        const result = await store.commit({ operationId: id, expect: [], put, delete: [] });
        writeSync(1, id + " " + result.revision + "\\n");
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));`;

  /** Lets a process commit, and kills it. @returns what it acknowledged, by id */
  const killOne = async (name: string, afterMs: number): Promise<Map<string, string>> => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program(name)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (part: string) => (text += part));
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    await Promise.race([new Promise((resolve) => child.stdout.once("data", resolve)), closed]);
    await delay(afterMs);
    child.kill("SIGKILL");
    await closed;
    const lines = text.split("\n").slice(0, -1);
    return new Map(
      lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
    );
  };

  it("loses no commit that was acknowledged and tears none, in 20 kills", async () => {
    const acknowledged = new Map<string, string>();
    let inWindow = 0;
    for (let kill = 0; kill < 20; kill += 1) {
      const fresh = await killOne(String(kill), Math.random() * 60);
      expect(fresh.size).toBeGreaterThan(0);
      for (const [id, revision] of fresh) acknowledged.set(id, revision);
      const store = await openLmdbStore({ folder });
      const { records, revision: head } = await store.load();
      for (const [id, revision] of acknowledged) {
        expect(records.get(`a/${id}`)?.revision).toBe(revision);
        expect(records.get(`b/${id}`)?.revision).toBe(revision);
      }
      const commits = (records.size - 1) / 2;
      expect(Number(head.split("-")[0])).toBe(commits);
      expect(records.get("shared")?.revision).toBe(head);
      // Durable, and killed before it could say so: the kill fell between the two.
      const mine = [...records.keys()].filter((key) => key.startsWith(`a/${kill}/`)).length;
      if (mine > fresh.size) inWindow += 1;
      const last = [...fresh].at(-1)!;
      const again = { operationId: last[0], expect: [], put: [], delete: [] };
      expect(await store.commit(again)).toEqual({ kind: "committed", revision: last[1] });
      await store.close();
    }
    process.stdout.write(
      `kill -9: 20 kills, ${acknowledged.size} acknowledged commits, 0 lost; ${inWindow} kills between disk and answer\n`,
    );
  });
});

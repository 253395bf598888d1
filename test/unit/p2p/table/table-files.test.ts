import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { silentLogger } from "../../../../src/observability/logger.js";
import { keyOf } from "../../../../src/p2p/node-record.js";
import { aRecord, anAddress } from "../../../support/peers.js";

// The one fake of a library: a disk that is full, hangs or is written by others on command. All else is real files.
const actual = await import("node:fs/promises");
/** Which files cannot be written, after how many writes that still can. */
const full = { paths: [] as string[], code: "ENOSPC", sparedCount: 0 };
/** What happens while a file's successor is being written, and right after it took the file's place. */
const meanwhile = {
  path: "",
  write: async (): Promise<void> => undefined,
  rename: async (): Promise<void> => undefined,
};
/** Names whose opening gets no answer until `release`. */
const hung = { path: "", answer: Promise.resolve(), release: (): void => undefined };
const nothing = (): Promise<void> => Promise.resolve();

jest.unstable_mockModule("node:fs/promises", () => ({
  ...actual,
  open: async (path: string, flags: string | number, mode?: number) => {
    if (hung.path !== "" && path.includes(hung.path)) await hung.answer;
    const handle = await actual.open(path, flags, mode);
    if (flags !== "wx") return handle;
    if (full.paths.some((name) => path.includes(name)) && full.sparedCount-- <= 0) {
      handle.writeFile = () => Promise.reject(Object.assign(new Error("write"), { code: full.code }));
    }
    if (meanwhile.path !== "" && path.includes(meanwhile.path)) await meanwhile.write();
    return handle;
  },
  rename: async (from: string, to: string) => {
    await actual.rename(from, to);
    if (meanwhile.path !== "" && to.includes(meanwhile.path)) await meanwhile.rename();
  },
}));
const { IpTable } = await import("../../../../src/p2p/table/ip-table.js");
const { readOwnFile } = await import("../../../../src/p2p/table/table-files.js");
const { replaceFile } = await import("../../../../src/system/replace-file.js");

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

let tablePath = "";
let sidePath = "";
let warnings = 0;
const open = () =>
  new IpTable({ tablePath, sidePath }, { ...silentLogger, warn: () => void (warnings += 1) });
const node = (n: number) => aRecord({ address: anAddress(n), origin: "operator" });
const key = (n: number): string => keyOf(node(n));
const add = (table: ReturnType<typeof open>, n: number, options = {}) =>
  table.update((nodes) => void nodes.set(key(n), node(n)), options);

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), "table-files-"));
  folders.push(folder);
  tablePath = join(folder, "table.json");
  sidePath = join(folder, "side.json");
  full.paths = [];
  full.code = "ENOSPC";
  full.sparedCount = 0;
  warnings = 0;
  Object.assign(meanwhile, { path: "", write: nothing, rename: nothing });
  hung.path = "";
});
/** Makes files of this name give no answer. */
function hang(path: string): void {
  hung.path = path;
  hung.answer = new Promise((resolve) => (hung.release = resolve));
}
/** Adds a row to the table in place, as another program does. */
async function addForeign(n: number): Promise<void> {
  const { ip_address: rows } = JSON.parse(await readFile(tablePath, "utf8")) as { ip_address: unknown[] };
  await writeFile(tablePath, JSON.stringify({ ip_address: [...rows, { IPV4: anAddress(n).host }] }));
}

describe("a table on a disk that takes no more", () => {
  it.each([
    ["ENOSPC", "DISK_FULL"],
    ["EDQUOT", "DISK_FULL"],
    ["EROFS", "IP_TABLE_READ_ONLY"],
    ["EACCES", "IP_TABLE_READ_ONLY"],
    ["EIO", "IP_TABLE_READ_ONLY"],
  ])("refuses a change: %s is %s, and the old table stays", async (code, reason) => {
    const table = open();
    await add(table, 1);
    const before = await readFile(tablePath, "utf8");
    full.code = code;
    full.paths = ["table.json"];
    await expect(add(table, 2)).rejects.toMatchObject({ reason });
    expect(await readFile(tablePath, "utf8")).toBe(before);
    expect([...(await table.read()).keys()]).toEqual([key(1)]);
  });

  it("does not bring a refused change back at the next start", async () => {
    const table = open();
    await add(table, 1);
    await add(table, 2);
    full.paths = ["table.json"];
    await expect(add(table, 3)).rejects.toMatchObject({ reason: "DISK_FULL" });
    await expect(table.update((nodes) => void nodes.delete(key(1)))).rejects.toMatchObject({
      reason: "DISK_FULL",
    });
    full.paths = [];
    expect([...(await open().read()).keys()].sort()).toEqual([key(1), key(2)]);
  });

  it("brings what a crawl learnt back at the next start, though the table was not written", async () => {
    const table = open();
    await add(table, 1);
    full.paths = ["table.json"];
    await expect(add(table, 2, { keepInMemory: true })).rejects.toMatchObject({ reason: "DISK_FULL" });
    full.paths = [];
    expect((await open().read()).has(key(2))).toBe(true);
  });

  it("refuses a change before it touches the table when the side file cannot be written", async () => {
    const table = open();
    await add(table, 1);
    const before = await readFile(tablePath, "utf8");
    full.paths = ["side.json"];
    await expect(add(table, 2)).rejects.toMatchObject({ reason: "DISK_FULL" });
    expect(await readFile(tablePath, "utf8")).toBe(before);
  });

  it("confirms a change that stands in the table when only the last look at the side file failed", async () => {
    const table = open();
    await add(table, 1);
    full.paths = ["side.json"];
    full.sparedCount = 1;
    await table.update((nodes) => {
      nodes.set(key(2), node(2));
      nodes.delete(key(1));
    });
    full.paths = [];
    expect(warnings).toBe(1);
    const again = await open().read();
    expect([...again.values()].map((record) => [keyOf(record), record.origin])).toEqual([
      [key(2), "operator"],
    ]);
    expect([...(await table.read()).keys()]).toEqual([key(2)]);
  });

  it("names no path in what a caller is told", async () => {
    full.paths = ["table.json", "side.json"];
    const error = await add(open(), 1).catch((thrown: unknown) => thrown as Error);
    expect(error!.message).not.toContain(tmpdir());
  });
});

describe("a table that others write while we do", () => {
  it("keeps a row that they add while ours is being written", async () => {
    const table = open();
    await add(table, 1);
    meanwhile.path = "table.json";
    let times = 0;
    meanwhile.write = async () => {
      times += 1;
      if (times <= 2) await addForeign(10 + times);
    };
    await add(table, 2);
    expect(times).toBe(3);
    const keys = [1, 11, 12, 2].map(key);
    expect([...(await table.read()).keys()].sort()).toEqual(keys.sort());
    expect([...(await open().read()).keys()].sort()).toEqual(keys.sort());
    expect(await readdir(join(tablePath, ".."))).toHaveLength(2);
  });

  it("does not take a rewrite right after ours for its own", async () => {
    const table = open();
    await add(table, 1);
    meanwhile.path = "table.json";
    meanwhile.rename = () => addForeign(7);
    await add(table, 2);
    meanwhile.path = "";
    await add(table, 3);
    expect([...(await open().read()).keys()].sort()).toEqual([1, 2, 3, 7].map(key).sort());
  });

  it("is given up when they never pause; what a crawl learnt stays, and counts once", async () => {
    const table = open();
    await add(table, 1);
    meanwhile.path = "table.json";
    let n = 100;
    meanwhile.write = () => addForeign((n += 1));
    const count = (nodes: Map<string, ReturnType<typeof node>>): void => {
      const record = nodes.get(key(1))!;
      nodes.set(key(1), { ...record, silentCrawlCount: record.silentCrawlCount + 1 });
    };
    await expect(table.update(count)).rejects.toMatchObject({ reason: "IP_TABLE_READ_ONLY" });
    expect((await table.read()).get(key(1))!.silentCrawlCount).toBe(0);
    await expect(table.update(count, { keepInMemory: true })).rejects.toMatchObject({
      reason: "IP_TABLE_READ_ONLY",
    });
    expect((await table.read()).get(key(1))!.silentCrawlCount).toBe(1);
    expect((await table.read()).size).toBe(1 + n - 100);
  });
});

describe("a table on a disk that does not answer", () => {
  /** The work left to itself has to settle first; nobody is told when. */
  async function readOnceAnswered(table: ReturnType<typeof open>): ReturnType<typeof table.read> {
    for (;;) {
      try {
        return await table.read();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
  }
  const impatient = () => new IpTable({ tablePath, sidePath }, silentLogger, { diskTimeoutMs: 500 });

  it.each([
    ["table.json", "IP_TABLE_UNREADABLE"],
    ["side.json", "IP_TABLE_UNREADABLE"],
  ])(
    "fails a read that waits for %s, the next ones at once, and reads on once it answers",
    async (name, reason) => {
      await add(open(), 1);
      hang(name);
      const table = impatient();
      await expect(table.read()).rejects.toMatchObject({ reason });
      const startMs = performance.now();
      for (let call = 0; call < 20; call += 1) await expect(table.read()).rejects.toMatchObject({ reason });
      // Not 20 times 500 ms.
      expect(performance.now() - startMs).toBeLessThan(5_000);
      hung.release();
      hung.path = "";
      expect([...(await readOnceAnswered(table)).keys()]).toEqual([key(1)]);
    },
  );

  it("refuses a change, which does not happen later either", async () => {
    // By one that is patient: three files are synced, which takes a busy disk its time.
    await add(open(), 1);
    const table = impatient();
    hang(".table.json.");
    await expect(add(table, 2)).rejects.toMatchObject({ reason: "IP_TABLE_READ_ONLY" });
    hung.release();
    hung.path = "";
    expect([...(await readOnceAnswered(table)).keys()]).toEqual([key(1)]);
    expect([...(await open().read()).keys()]).toEqual([key(1)]);
  });
});

describe("a file that is replaced", () => {
  it("stays if it is not the expected one, and leaves nothing beside it", async () => {
    const mark = await replaceFile(tablePath, "one");
    await writeFile(tablePath, "two!");
    expect(await replaceFile(tablePath, "three", { expectedMark: mark! })).toBeUndefined();
    expect(await readFile(tablePath, "utf8")).toBe("two!");
    expect(await readdir(join(tablePath, ".."))).toEqual(["table.json"]);
  });

  it("is read up to its size limit, and not beyond", async () => {
    await writeFile(sidePath, "x".repeat(600_000));
    expect(await readOwnFile(sidePath, { maxBytes: 600_000 })).toHaveLength(600_000);
    await expect(readOwnFile(sidePath, { maxBytes: 599_999 })).rejects.toMatchObject({
      reason: "IP_TABLE_UNREADABLE",
    });
  });
});

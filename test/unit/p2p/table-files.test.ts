import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { silentLogger } from "../../../src/observability/logger.js";
import { keyOf } from "../../../src/p2p/node-record.js";
import { aRecord, anAddress } from "../../support/peers.js";

// The one fake of a library: a disk that is full on command. Everything else runs on real files.
const actual = await import("write-file-atomic");
/** Which files cannot be written, after how many writes that still can. */
const full = { paths: [] as string[], code: "ENOSPC", sparedCount: 0 };
jest.unstable_mockModule("write-file-atomic", () => ({
  default: async (path: string, text: string, options: object): Promise<void> => {
    if (full.paths.some((end) => path.endsWith(end)) && full.sparedCount-- <= 0)
      throw Object.assign(new Error("write"), { code: full.code });
    await actual.default(path, text, options);
  },
}));
const { IpTable } = await import("../../../src/p2p/ip-table.js");

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
});

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

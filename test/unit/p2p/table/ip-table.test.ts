import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../../../src/observability/logger.js";
import { P2pError } from "../../../../src/p2p/errors.js";
import { tableLimits } from "../../../../src/p2p/limits.js";
import { IpTable } from "../../../../src/p2p/table/ip-table.js";
import { keyOf, type NodeRecord } from "../../../../src/p2p/node-record.js";
import { addRecord } from "../../../../src/p2p/table/table-changes.js";
import { aRecord, anAddress, aRow, someSpecs } from "../../../support/peers.js";

let folder = "";
let tablePath = "";
let sidePath = "";
const warnings: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ip-table-"));
  tablePath = join(folder, "p2p", "iptable", "ip_table.json");
  sidePath = join(folder, ".p2prc", "ip_table.side.json");
  warnings.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (): IpTable =>
  new IpTable(
    { tablePath, sidePath },
    { ...silentLogger, warn: (_, message) => void warnings.push(message) },
  );
const key = (n: number): string => keyOf({ address: anAddress(n) });
const node = (n: number, overrides: Partial<NodeRecord> = {}): NodeRecord =>
  aRecord({ address: anAddress(n), ...overrides });
const add = (table: IpTable, ...records: NodeRecord[]): Promise<void> =>
  table.update((nodes) => records.forEach((record) => addRecord(nodes, record, false)));
const wire = (n: number, fields: Record<string, unknown> = {}): Record<string, unknown> => ({
  IPV4: anAddress(n).host,
  ServerPort: "8088",
  ...fields,
});

/** Writes the file as another program does: in place, whole. */
async function writeForeign(rows: unknown[], extra: Record<string, unknown> = {}): Promise<void> {
  await mkdir(join(tablePath, ".."), { recursive: true });
  await writeFile(tablePath, JSON.stringify({ ip_address: rows, ...extra }, null, 1));
}
const rowsInFile = async (): Promise<Record<string, unknown>[]> =>
  (JSON.parse(await readFile(tablePath, "utf8")) as { ip_address: Record<string, unknown>[] }).ip_address;
const hostsInFile = async (): Promise<unknown[]> => (await rowsInFile()).map((row) => row["IPV4"]);

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof P2pError) return error.reason;
    throw error;
  }
  throw new Error("nothing failed");
}

describe("the IP table on disk", () => {
  it("is empty where no file is, and reading makes none", async () => {
    expect((await open().read()).size).toBe(0);
    await expect(stat(tablePath)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("is read as the operator's rows the first time", async () => {
    await writeForeign([wire(1), wire(2, { Latency: 5_000 })]);
    const nodes = await open().read();
    expect([...nodes.values()].map(({ origin }) => origin)).toEqual(["operator", "operator"]);
    expect(nodes.get(key(2))!.measurement).toEqual({ latencyNs: 5_000, sampleCount: 0 });
  });

  it("is never torn, seen by a reader that never stops", async () => {
    const table = open();
    await add(table, node(0));
    let isDone = false;
    let readCount = 0;
    const reading = (async () => {
      let highest = 0;
      while (!isDone) {
        const rows = await rowsInFile();
        expect(rows.length).toBeGreaterThanOrEqual(highest);
        highest = rows.length;
        readCount += 1;
      }
    })();
    for (let n = 1; n <= 200; n += 1) await add(table, node(n));
    isDone = true;
    await reading;
    expect(readCount).toBeGreaterThan(50);
    expect(await hostsInFile()).toHaveLength(201);
    expect((await readdir(join(tablePath, ".."))).length).toBe(1);
  }, 300_000);

  it("makes changes one after the other: none is lost, however many come at once", async () => {
    const table = open();
    await Promise.all(Array.from({ length: 30 }, (_, n) => add(table, node(n))));
    expect((await open().read()).size).toBe(30);
  });

  it.each(["{", "[]", '{"ip_address":{}}', "\u0000\u0000", "<html>"])(
    "that cannot be read (%j) is an error and stays byte for byte",
    async (text) => {
      await writeForeign([]);
      await writeFile(tablePath, text);
      const table = open();
      expect(await reasonOf(table.read())).toBe("IP_TABLE_UNREADABLE");
      expect(await reasonOf(add(table, node(1)))).toBe("IP_TABLE_UNREADABLE");
      expect(await readFile(tablePath, "utf8")).toBe(text);
      await writeForeign([wire(1)]);
      expect((await table.read()).size).toBe(1);
    },
  );

  it("that becomes unreadable later keeps us from writing, and loses nothing of ours once it is whole again", async () => {
    const table = open();
    await add(table, node(1, { state: "ACTIVE" }));
    await writeFile(tablePath, "{ half");
    expect(await reasonOf(add(table, node(2)))).toBe("IP_TABLE_UNREADABLE");
    await writeForeign([wire(3)]);
    expect([...(await table.read()).keys()].sort()).toEqual([key(1), key(3)]);
  });

  it("is read again when somebody is half way through a rewrite in place", async () => {
    const table = open();
    await add(table, node(1), node(2));
    const whole = await readFile(tablePath, "utf8");
    await writeFile(tablePath, "");
    const reading = table.read();
    // At one instant: a busy disk may take longer than the file is waited for.
    setTimeout(() => writeFileSync(tablePath, whole), 60);
    expect((await reading).size).toBe(2);
  });

  it.each(["a folder", "a pipe", "a link to a device"])(
    "that is %s is an error at once, as is a side file that is one",
    async (kind) => {
      const make = async (path: string): Promise<void> => {
        await mkdir(join(path, ".."), { recursive: true });
        if (kind === "a folder") await mkdir(path);
        else if (kind === "a pipe") execFileSync("mkfifo", [path]);
        else await symlink("/dev/zero", path);
      };
      await make(tablePath);
      const table = open();
      await expect(table.read()).rejects.toThrow("not a regular file");
      expect(await reasonOf(add(table, node(1)))).toBe("IP_TABLE_UNREADABLE");
      await rm(tablePath, { recursive: true });
      await make(sidePath);
      await expect(open().read()).rejects.toThrow("side file of the IP table cannot be read");
    },
  );

  it("that is larger than its limit is an error", async () => {
    await writeForeign([]);
    await truncate(tablePath, tableLimits.maxFileBytes + 1);
    await expect(open().read()).rejects.toThrow("larger than");
  });

  it("refuses to grow beyond what it would read again", async () => {
    await writeForeign([], { Filler: "x".repeat(tableLimits.maxFileBytes - 100) });
    const table = open();
    expect(await reasonOf(add(table, node(1)))).toBe("IP_TABLE_FULL");
    expect((await table.read()).size).toBe(0);
    expect((await open().read()).size).toBe(0);
  });

  it.each(["a file", "a file that is yet to be made"])("is written through a link to %s", async (kind) => {
    const target = join(folder, "elsewhere.json");
    await mkdir(join(tablePath, ".."), { recursive: true });
    // Through two links, the second one relative.
    await symlink(join("..", "..", "elsewhere.json"), join(tablePath, "..", "link"));
    await symlink(join(tablePath, "..", "link"), tablePath);
    if (kind === "a file") await writeFile(target, '{"ip_address":[]}');
    await add(open(), node(1));
    expect((await lstat(tablePath)).isSymbolicLink()).toBe(true);
    expect((await lstat(target)).isFile()).toBe(true);
    expect([...(await open().read()).keys()]).toEqual([key(1)]);
  });

  it("is an error, and no empty table, behind a link into a folder that is missing", async () => {
    await mkdir(join(tablePath, ".."), { recursive: true });
    await symlink(join(folder, "not-mounted", "ip_table.json"), tablePath);
    const table = open();
    await expect(table.read()).rejects.toThrow("its link leads nowhere");
    expect(await reasonOf(add(table, node(1)))).toBe("IP_TABLE_UNREADABLE");
    expect((await lstat(tablePath)).isSymbolicLink()).toBe(true);
    await expect(stat(join(folder, "not-mounted"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("keeps the permissions of the file", async () => {
    await writeForeign([]);
    await chmod(tablePath, 0o664);
    await add(open(), node(1));
    expect((await stat(tablePath)).mode & 0o777).toBe(0o664);
  });

  it("takes in what others add between our changes, and keeps their unknown fields", async () => {
    const table = open();
    await add(table, node(1));
    await writeForeign([...(await rowsInFile()), wire(7, { Flavour: "mild" })], { Version: 9 });
    await add(table, node(2));
    expect(await hostsInFile()).toEqual([1, 7, 2].map((n) => anAddress(n).host));
    expect((await rowsInFile())[1]).toMatchObject({ Flavour: "mild" });
    expect(JSON.parse(await readFile(tablePath, "utf8"))).toMatchObject({ Version: 9 });
    expect((await table.read()).get(key(7))!.origin).toBe("peer");
  });

  it("counts rows as the operator's at the first import only, though nothing was written since", async () => {
    await writeForeign([wire(1)]);
    const table = open();
    await table.read();
    await writeForeign([wire(1), wire(2)]);
    const nodes = await table.read();
    expect([nodes.get(key(1))!.origin, nodes.get(key(2))!.origin]).toEqual(["operator", "peer"]);
  });

  it("counts rows as the operator's at the first import only, though all we did since was to read", async () => {
    await writeForeign([wire(1)]);
    await open().read();
    await writeForeign([wire(1), wire(2)]);
    const nodes = await open().read();
    expect([nodes.get(key(1))!.origin, nodes.get(key(2))!.origin]).toEqual(["operator", "peer"]);
  });

  it("counts rows of a file that was not there at the first look as peers', now and later", async () => {
    await open().read();
    await writeForeign([wire(1)]);
    expect((await open().read()).get(key(1))!.origin).toBe("peer");
  });

  it("is read with a warning where the first import cannot be recorded", async () => {
    await writeForeign([wire(1)]);
    // A folder behind a link that leads nowhere: nobody writes there, root neither.
    await symlink(join("nowhere", "at-all"), join(folder, ".p2prc"));
    expect((await open().read()).get(key(1))!.origin).toBe("operator");
    expect(warnings).toHaveLength(1);
  });

  it("loses a row that others added and later removed, though we wrote neither time", async () => {
    const table = open();
    await add(table, node(1));
    const ours = await rowsInFile();
    await writeForeign([...ours, wire(7)]);
    expect((await table.read()).has(key(7))).toBe(true);
    await writeForeign(ours);
    expect((await table.read()).has(key(7))).toBe(false);
    await add(table, node(2));
    expect(await hostsInFile()).toEqual([1, 2].map((n) => anAddress(n).host));
  });

  it("follows three changes by others between two of ours, now and after a restart", async () => {
    const table = open();
    await add(table, node(1));
    const ours = await rowsInFile();
    await writeForeign([...ours, wire(7), wire(8)]);
    await table.read();
    await writeForeign([...ours, wire(8, { Name: "changed" }), wire(9)]);
    await table.read();
    await writeForeign([...ours, wire(8, { Name: "changed" })]);
    expect([...(await table.read()).keys()]).toEqual([key(1), key(8)]);
    expect([...(await open().read()).keys()]).toEqual([key(1), key(8)]);
    await add(table, node(2));
    await table.update((nodes) => void nodes.delete(key(8)));
    expect([...(await open().read()).keys()]).toEqual([key(1), key(2)]);
  });

  it("takes over none of the rows of earlier files, and leaves a row alone that stands there twice", async () => {
    const table = open();
    for (let round = 1; round <= 5; round += 1) {
      await writeForeign([wire(round, { Name: "a" }), wire(round, { Name: "b" })]);
      expect([...(await table.read()).keys()]).toEqual([key(round)]);
    }
    await table.update((nodes) => void nodes.delete(key(5)));
    expect(await hostsInFile()).toEqual([]);
  });

  it("takes back a row that we removed when others write it anew", async () => {
    const table = open();
    await add(table, node(1), node(2));
    const before = await rowsInFile();
    await table.update((nodes) => void nodes.delete(key(1)));
    await writeForeign(before);
    expect((await table.read()).has(key(1))).toBe(true);
  });

  it("loses a row that others removed, unless its node answered in our last crawl", async () => {
    const table = open();
    await add(table, node(1), node(2, { state: "ACTIVE" }));
    await writeForeign([]);
    expect([...(await table.read()).keys()]).toEqual([key(2)]);
  });

  it("keeps rows that name no node where they stood, and the order of the file", async () => {
    await writeForeign([{ IPV4: "0.0.0.0", Name: "myself" }, wire(5), "odd", wire(1)]);
    await add(open(), node(3));
    const rows = await rowsInFile();
    expect(rows[0]).toEqual({ IPV4: "0.0.0.0", Name: "myself" });
    expect(rows[2]).toBe("odd");
    expect([1, 3, 4].map((at) => rows[at]!["IPV4"])).toEqual([5, 1, 3].map((n) => anAddress(n).host));
  });

  it("carries what we measured, and a value of the file until then", async () => {
    await writeForeign([wire(1, { Latency: 5_000 }), wire(2, { Latency: 6_000, Download: 7.5 })]);
    const table = open();
    await table.update((nodes) => {
      nodes.set(key(1), { ...nodes.get(key(1))!, measurement: { latencyNs: 42, sampleCount: 3 } });
    });
    expect((await rowsInFile()).map((row) => row["Latency"])).toEqual([42, 6_000]);
    expect((await rowsInFile())[1]).toMatchObject({ Download: 7.5 });
  });

  it("remembers across a restart where a node came from, whose word it is and what was measured", async () => {
    const record = node(1, {
      origin: "operator",
      state: "ACTIVE",
      silentCrawlCount: 1,
      measurement: { latencyNs: 42, jitterNs: 3, sampleCount: 3, measureTimeMs: 9 },
      specs: { ...someSpecs, observeTimeMs: 9 },
      provenance: { viaNodes: ["nodes/45.0.0.9:8088"], hopCount: 2, witnessCount: 4, firstSeenTimeMs: 1 },
      observeTimeMs: 9,
    });
    await add(open(), record);
    expect(await open().read()).toEqual(new Map([[key(1), record]]));
  });

  it("keeps its side file to ourselves", async () => {
    await add(open(), node(1));
    expect((await stat(sidePath)).mode & 0o777).toBe(0o600);
  });

  it.each([
    "",
    "{",
    "null",
    '{"version":2}',
    '{"version":1,"nodes":[{}],"base":{}}',
    '{"version":1,"nodes":[null],"base":{}}',
    '{"version":1,"nodes":[{"address":{"host":"45.0.0.1","port":1}}],"base":{}}',
    "\u0000".repeat(100),
  ])(
    "starts anew with a warning when its side file is damaged (%j), and trusts no row any more",
    async (text) => {
      await add(open(), node(1, { origin: "operator" }));
      await writeFile(sidePath, text);
      const nodes = await open().read();
      expect(nodes.get(key(1))!.origin).toBe("peer");
      expect(warnings).toHaveLength(1);
    },
  );

  it("remembers what is learnt while a change is being written", async () => {
    const table = open();
    await add(table, node(1));
    const changing = add(table, node(2));
    table.remember(key(1), { specs: { ...someSpecs, observeTimeMs: 7 } });
    table.remember(key(9), { specs: { ...someSpecs, observeTimeMs: 7 } });
    await changing;
    expect((await table.read()).get(key(1))!.specs).toEqual({ ...someSpecs, observeTimeMs: 7 });
    expect((await table.read()).size).toBe(2);
  });

  it("is unchanged when a change throws", async () => {
    const table = open();
    await add(table, node(1));
    const before = await readFile(tablePath, "utf8");
    const failing = table.update((nodes) => {
      nodes.clear();
      throw new P2pError("IP_TABLE_FULL", "no");
    });
    expect(await reasonOf(failing)).toBe("IP_TABLE_FULL");
    expect((await table.read()).size).toBe(1);
    expect(await readFile(tablePath, "utf8")).toBe(before);
  });
});

describe("the IP table that cannot be written", () => {
  /** A file where a folder should be: nobody writes there, root neither. */
  async function blockTable(): Promise<() => Promise<void>> {
    await rm(join(folder, "p2p"), { recursive: true, force: true });
    await writeFile(join(folder, "p2p"), "in the way");
    return () => rm(join(folder, "p2p"));
  }

  async function blockSide(): Promise<void> {
    await rm(join(folder, ".p2prc"), { recursive: true, force: true });
    await writeFile(join(folder, ".p2prc"), "in the way");
  }

  it("refuses a change, and nothing has changed, now or after a restart", async () => {
    const table = open();
    const unblock = await blockTable();
    // With a file in the way there is no table to read: that it cannot be made shows when it is written.
    expect(["IP_TABLE_READ_ONLY", "IP_TABLE_UNREADABLE"]).toContain(await reasonOf(add(table, node(1))));
    await unblock();
    expect((await table.read()).size).toBe(0);
    expect((await open().read()).size).toBe(0);
  });

  const isRoot = process.getuid?.() === 0;
  (isRoot ? it.skip : it)(
    "in a read-only folder is refused and stays as it is, now and after a restart (cannot be seen as root)",
    async () => {
      const table = open();
      await add(table, node(1));
      const before = await readFile(tablePath, "utf8");
      await chmod(join(tablePath, ".."), 0o500);
      expect(await reasonOf(add(table, node(2)))).toBe("IP_TABLE_READ_ONLY");
      expect(await reasonOf(table.update((nodes) => nodes.clear()))).toBe("IP_TABLE_READ_ONLY");
      await chmod(join(tablePath, ".."), 0o700);
      expect(await readFile(tablePath, "utf8")).toBe(before);
      expect([...(await table.read()).keys()]).toEqual([key(1)]);
      expect([...(await open().read()).keys()]).toEqual([key(1)]);
    },
  );

  it("keeps in memory what a crawl learnt, for the next write", async () => {
    const table = open();
    await table.read();
    await blockSide();
    const writing = table.update((nodes) => void nodes.set(key(1), node(1)), { keepInMemory: true });
    expect(await reasonOf(writing)).toBe("IP_TABLE_READ_ONLY");
    expect((await table.read()).size).toBe(1);
    await rm(join(folder, ".p2prc"));
    await add(table, node(2));
    expect(await hostsInFile()).toEqual([anAddress(1).host, anAddress(2).host]);
  });

  it("keeps out what a crawl took out, though its row stands twice in the file and others write another", async () => {
    const twice = [wire(1, { Name: "a" }), wire(1, { Name: "b" })];
    await writeForeign(twice);
    const table = open();
    await table.read();
    await blockSide();
    const writing = table.update((nodes) => void nodes.delete(key(1)), { keepInMemory: true });
    expect(await reasonOf(writing)).toBe("IP_TABLE_READ_ONLY");
    await writeForeign([...twice, wire(7)]);
    expect([...(await table.read()).keys()]).toEqual([key(7)]);
  });

  it("forgets any other change", async () => {
    const table = open();
    await table.read();
    await blockSide();
    expect(await reasonOf(add(table, node(1)))).toBe("IP_TABLE_READ_ONLY");
    expect((await table.read()).size).toBe(0);
    await expect(stat(tablePath)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("the IP table beside another writer", () => {
  it("loses no row of theirs and none of ours in 40 rounds of taking turns", async () => {
    const table = open();
    await add(table, node(0));
    for (let round = 1; round <= 40; round += 1) {
      await writeForeign([...(await rowsInFile()), wire(1_000 + round)]);
      await add(table, aRecord({ row: aRow({ address: anAddress(round) }) }));
    }
    expect(new Set(await hostsInFile()).size).toBe(81);
  });
});

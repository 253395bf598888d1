/** A state file that somebody, or something, has been at; and places where none can be written. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { transferLimits } from "../../src/store/limits.js";
import { importKey } from "../../src/store/transfer/import-sign.js";
import { exportState } from "../../src/store/transfer/transfer.js";
import { TransferError } from "../../src/store/transfer/transfer-error.js";
import { MemoryStore } from "../support/memory-store.js";
import { aState, importFile, recordsOf, sealed } from "../support/state-files.js";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-state-file-"));
  file = join(folder, "state.jsonl");
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

/** Imports what must not be imported. @returns why it was not */
async function refusalOf(path = file, replaces = false): Promise<string> {
  const to = new MemoryStore();
  const failure: unknown = await importFile(to, path, { replaces }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(to.commits).toEqual([]);
  if (!(failure instanceof TransferError)) throw new Error("it was imported", { cause: failure });
  return failure.message;
}

const head = (recordCount: number): string => JSON.stringify({ p2prcState: 1, recordCount });
const line = (key: string, value: unknown = {}): string => JSON.stringify({ key, value });

describe("a state file", () => {
  it("cut at any byte, or with any byte changed, is refused before anything is imported", async () => {
    const from = new MemoryStore();
    const put = [
      { key: "c/1", value: { text: 'é "\\', n: 1.5, list: [null, true, {}] } },
      { key: "c/2", value: { deep: { er: [] } } },
    ];
    await from.commit({ operationId: "one", expect: [], put, delete: [] });
    await exportState(from, file);
    const whole = await readFile(file);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(file, whole.subarray(0, length));
      expect([length, await refusalOf()]).toEqual([length, expect.stringContaining("nothing was imported")]);
    }
    for (let at = 0; at < whole.length; at += 1) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const changed = Buffer.from(whole);
        changed[at]! ^= mask;
        await writeFile(file, changed);
        expect([at, await refusalOf()]).toEqual([at, expect.stringContaining("nothing was imported")]);
      }
    }
    await writeFile(file, whole);
    const to = new MemoryStore();
    await importFile(to, file);
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  const records = [line("c/1", { n: 1 }), line("c/2", { n: 2 })];
  it.each<[string, string, string]>([
    ["nothing", "", "its end is missing"],
    ["another program's text", "hello\n", "not as an export writes it"],
    ["another program's JSON", sealed([JSON.stringify({ name: "x" })]), "no state that p2prc exported"],
    [
      "a format to come",
      sealed([JSON.stringify({ p2prcState: 2, recordCount: 0 })]),
      "written by another version (format 2, this one knows 1)",
    ],
    ["a digest of other lines", sealed([head(1), records[0]!]).replace('"n":1', '"n":2'), "digest"],
    ["fewer lines than it says", sealed([head(3), ...records]), "digest"],
    ["a line twice", sealed([head(3), records[0]!, ...records]), "not in their order"],
    ["lines in another order", sealed([head(2), ...records.toReversed()]), "not in their order"],
    ["a sign of an import", sealed([head(1), line(importKey)]), "no record"],
    ["a key that is none", sealed([head(1), line("c/é")]), "a key is none"],
    ["a key too long", sealed([head(1), line("c".repeat(513))]), "a key is none"],
    ["a value that is a list", sealed([head(1), line("c/1", [])]), "no record"],
    ["a value that is null", sealed([head(1), line("c/1", null)]), "no record"],
    ["a third field", sealed([head(1), '{"key":"c/1","value":{},"more":1}']), "no record"],
    ["a field twice", sealed([head(1), '{"key":"c/1","value":{"a":1,"a":2}}']), "not as an export"],
    ["a space more", sealed([head(1), '{"key":"c/1", "value":{}}']), "not as an export"],
    ["another prototype", sealed([head(1), '{"__proto__":{},"key":"c/1","value":{}}']), "no record"],
    ["lines of Windows", sealed([head(0)]).replaceAll("\n", "\r\n"), "not as an export"],
    ["a line behind its end", `${sealed([head(2), ...records])}${line("c/9")}\n`, "lines behind its digest"],
    ["two states", sealed([head(0)]).repeat(2), "lines behind its digest"],
  ])("with %s is refused in words, and nothing is imported", async (_, text, words) => {
    await writeFile(file, text);
    for (const replaces of [false, true]) expect(await refusalOf(file, replaces)).toContain(words);
  });

  it("with a line longer than a record can be is refused, however long, without being kept", async () => {
    const longest = line("c/1", { text: "x".repeat(transferLimits.maxLineBytes - 50) });
    await writeFile(file, sealed([head(1), longest]));
    const to = new MemoryStore();
    expect((await importFile(to, file)).recordCount).toBe(1);
    await writeFile(file, sealed([head(1), line("c/1", { text: "x".repeat(transferLimits.maxLineBytes) })]));
    expect(await refusalOf()).toContain("a line is too long");
    // Three gigabytes of no line break, which take no room on the disk.
    await writeFile(file, `${head(1)}\n`);
    await truncate(file, 3 * 1024 ** 3);
    const before = process.memoryUsage().rss;
    expect(await refusalOf()).toContain("a line is too long");
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 ** 2);
  });

  it("that is larger than may be is refused unread, and such a state is not written", async () => {
    await exportState(await aState(20), file);
    const { size } = await stat(file);
    const to = new MemoryStore();
    await expect(importFile(to, file, { maxFileBytes: size - 1 })).rejects.toThrow("it is larger than");
    await importFile(to, file, { maxFileBytes: size });
    const other = join(folder, "other");
    await expect(exportState(await aState(20), other, { maxFileBytes: size - 1 })).rejects.toThrow(
      "it would be larger than",
    );
    expect(await readdir(folder)).toEqual(["state.jsonl"]);
    await truncate(file, transferLimits.maxFileBytes + 1);
    expect(await refusalOf()).toContain(`it is larger than ${transferLimits.maxFileBytes} bytes`);
  });

  it.each<[string, () => Promise<string>, string]>([
    ["nothing", () => Promise.resolve(join(folder, "none")), "ENOENT"],
    ["a folder", () => Promise.resolve(folder), "not a regular file"],
    [
      "a pipe that nobody writes to",
      () => {
        execFileSync("mkfifo", [file]);
        return Promise.resolve(file);
      },
      "not a regular file",
    ],
    ["a device without end", () => Promise.resolve("/dev/zero"), "not a regular file"],
    [
      "a link that leads nowhere",
      async () => {
        await symlink(join(folder, "none"), file);
        return file;
      },
      "ENOENT",
    ],
  ])("that is %s is refused at once", async (_, make, words) => {
    expect(await refusalOf(await make())).toContain(words);
  });

  it("is read through a link", async () => {
    await exportState(await aState(3), join(folder, "there"));
    await symlink(join(folder, "there"), file);
    expect((await importFile(new MemoryStore(), file)).recordCount).toBe(3);
  });

  it.each([
    ["changed", (text: string) => text.replace('"n":999,', '"n":998,')],
    ["cut short", (text: string) => text.slice(0, text.length / 2)],
    ["replaced in its place", () => sealed([head(1), line("c/9")])],
  ])("that is %s while it is imported gives nothing of that, and shuts the state", async (_, change) => {
    // More than is read at once.
    const from = await aState(1_300, 1_000);
    await exportState(from, file);
    const whole = await readFile(file, "utf8");
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      if (asked.put.length > 1) await writeFile(file, change(whole));
      return await commit(asked);
    };
    await expect(importFile(to, file)).rejects.toThrow("the file has changed since it was checked");
    expect(await to.get(importKey)).toBeDefined();
    const known = new Map(await recordsOf(from));
    for (const [key, value] of await recordsOf(to))
      if (key !== importKey) expect(value).toEqual(known.get(key));
    to.commit = commit;
    await writeFile(file, whole);
    await importFile(to, file);
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });

  it("that another file takes the name of while it is imported is imported as it was", async () => {
    const from = await aState(1_300, 1_000);
    await exportState(from, file);
    const to = new MemoryStore();
    const commit = to.commit.bind(to);
    to.commit = async (asked) => {
      await rm(file, { force: true });
      await writeFile(file, "another");
      return await commit(asked);
    };
    await importFile(to, file);
    expect(await recordsOf(to)).toEqual(await recordsOf(from));
  });
});

describe("an export", () => {
  it.each([
    ["a file", async () => await writeFile(file, "mine")],
    ["a folder", async () => await mkdir(file)],
    [
      "a link to a file",
      async () => {
        await writeFile(join(folder, "there"), "mine");
        await symlink(join(folder, "there"), file);
      },
    ],
  ])("over %s that is there is refused, and it stays", async (_, make) => {
    await make();
    const before = await readdir(folder);
    await expect(exportState(await aState(3), file)).rejects.toThrow(TransferError);
    expect(await readdir(folder)).toEqual(before);
    if ((await stat(file)).isFile()) expect(await readFile(file, "utf8")).toBe("mine");
  });

  it("does not replace a file that came while it was written", async () => {
    const from = await aState(3);
    const load = from.load.bind(from);
    from.load = async () => {
      await writeFile(file, "mine");
      return await load();
    };
    await expect(exportState(from, file)).rejects.toThrow("is there already");
    expect(await readFile(file, "utf8")).toBe("mine");
  });

  it("that is told to end leaves no file, and takes away what a killed one left", async () => {
    const left = join(folder, `.state.jsonl.1-${"0".repeat(12)}.tmp`);
    await writeFile(left, "secret");
    const leaving = new AbortController();
    leaving.abort(new Error("enough"));
    await expect(exportState(await aState(3), file, { signal: leaving.signal })).rejects.toThrow("enough");
    expect(await readdir(folder)).toEqual([]);
  });

  const asRootOnLinux = process.getuid?.() === 0 && process.platform === "linux" ? it : it.skip;
  asRootOnLinux("onto a full disk leaves nothing that looks like a file, and says so", async () => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    try {
      await expect(exportState(await aState(100, 2_000), join(disk, "state"))).rejects.toThrow(
        /state was not written: the disk is full \(ENOSPC\)/,
      );
      expect(await readdir(disk)).toEqual([]);
    } finally {
      execFileSync("umount", ["--lazy", disk]);
    }
  });
});

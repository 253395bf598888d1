import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { readFileWithin } from "../../src/system/read-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "read-file-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("reading a file of limited size", () => {
  // Around one reading at once, which is a mebibyte.
  it.each([0, 1, 1_048_575, 1_048_576, 1_048_577, 3_000_000])("gives all of %i bytes", async (size) => {
    const bytes = randomBytes(size);
    const path = join(folder, `of-${String(size)}`);
    await writeFile(path, bytes);
    expect((await readFileWithin(path, size, undefined)).equals(bytes)).toBe(true);
    expect((await readFileWithin(path, 10_000_000, undefined)).equals(bytes)).toBe(true);
    if (size > 0) await expect(readFileWithin(path, size - 1, undefined)).rejects.toThrow("larger than");
  });

  it("reads a file that grows meanwhile to its end, or to the limit", async () => {
    const path = join(folder, "grows");
    await writeFile(path, randomBytes(2_000_000));
    const reading = readFileWithin(path, 100_000_000, undefined);
    const growing = writeFile(path, randomBytes(3_000_000), { flag: "a" });
    expect((await reading).length).toBeGreaterThanOrEqual(2_000_000);
    await growing;
    const limited = readFileWithin(path, 5_000_000, undefined);
    expect((await limited).length).toBe(5_000_000);
  });

  const tellsNoSize = "/proc/self/maps";
  it("reads a file that tells no size", async () => {
    const text = (await readFileWithin(tellsNoSize, 10_000_000, undefined)).toString();
    expect(text).toContain("node");
    await expect(readFileWithin(tellsNoSize, 1_000, undefined)).rejects.toThrow("larger than 1000 bytes");
  });
});

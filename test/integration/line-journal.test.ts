import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { LineJournal } from "../../src/system/line-journal.js";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "line-journal-"));
  path = join(folder, "journal");
});
afterEach(() => rm(folder, { recursive: true }));

describe("a journal of lines", () => {
  it("gives the lines back in their order, and none after it was cleared", async () => {
    const journal = new LineJournal(path);
    await Promise.all(["one", "two"].map((line) => journal.append(line, true)));
    expect(await journal.read()).toEqual(["one", "two"]);
    await journal.clear();
    await journal.append("three", false);
    expect(await journal.read()).toEqual(["three"]);
    await journal.close();
  });

  it("leaves out a last line that was cut short", async () => {
    await writeFile(path, "one\ntw");
    expect(await new LineJournal(path).read()).toEqual(["one"]);
  });

  it.each(["tw", "one\ntw"])("keeps the line that follows one which was cut short: %j", async (before) => {
    await writeFile(path, before);
    const journal = new LineJournal(path);
    await journal.append("three", true);
    expect((await journal.read()).at(-1)).toBe("three");
    await journal.close();
  });

  it("says why it cannot be written", async () => {
    await expect(new LineJournal("/dev/full").append("one", true)).rejects.toMatchObject({ failure: "FULL" });
    const journal = new LineJournal(join(folder, "none", "journal"));
    await expect(journal.append("one", true)).rejects.toMatchObject({ failure: "READ_ONLY" });
  });
});

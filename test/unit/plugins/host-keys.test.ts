import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { HostKeys } from "../../../src/plugins/host-keys.js";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-host-keys-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("host keys", () => {
  it("forgets those of containers that are tracked no more", async () => {
    const keys = new HostKeys(folder);
    for (const name of ["kept", "gone"]) await writeFile(keys.pathOf(name), "");
    await keys.keepOnly(() => Promise.resolve(["kept", "another"]));
    expect((await readdir(folder)).map((name) => join(folder, name))).toEqual([keys.pathOf("kept")]);
  });

  it("asks nobody for the tracked containers where there are no keys", async () => {
    let asked = 0;
    await new HostKeys(folder).keepOnly(() => {
      asked += 1;
      return Promise.resolve([]);
    });
    expect(asked).toBe(0);
  });
});

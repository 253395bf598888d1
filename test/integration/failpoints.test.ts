/** Failpoints are for test builds: every name has its place in the source, and none is left in a release. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { failpointNames } from "../../src/system/failpoint.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const filesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(js|ts|map)$/.test(name))
    .map((name) => join(root, folder, name));

describe("failpoints", () => {
  it.each(failpointNames)("mark the place of %s", (name) => {
    const calls = filesIn("src").flatMap(
      (path) => readFileSync(path, "utf8").match(/failpoint\([^)]*\)/g) ?? [],
    );
    expect(calls.filter((call) => call.includes(`"${name}"`))).toHaveLength(1);
  });

  it("are not in a release", () => {
    const files = filesIn("dist");
    expect(files.filter((path) => path.endsWith("creates.js"))).toHaveLength(1);
    expect(files.filter((path) => /failpoint/i.test(readFileSync(path, "utf8")))).toEqual([]);
    expect(existsSync(join(root, "dist/system/failpoint.js"))).toBe(false);
  });
});

/** Documents that state facts of the code are compared with it, both ways. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { Code } from "@connectrpc/connect";
import { parseFilter } from "../../src/filter/filter.js";
import { filterLimits } from "../../src/filter/limits.js";
import { defaultLimits } from "../../src/gateway/limits.js";
import { crawlLimits, tableLimits } from "../../src/p2p/limits.js";
import { quarantineLimits, quarantineReasons } from "../../src/p2p/crawl/quarantine.js";
import { rowRejections } from "../../src/peer-api/contract.js";
import { routeLimits, speedLimits } from "../../src/peer-api/limits.js";
import { codeOf } from "../../src/rpc/errors.js";
import { mirrorLimits } from "../../src/store/mirror/limits.js";
import { containerFields, groupFields } from "../../src/containers/fields.js";
import { containerLimits } from "../../src/containers/limits.js";
import { pluginLimits } from "../../src/plugins/limits.js";
import { nodeFields } from "../../src/p2p/node-fields.js";
import { redisLimits, storeLimits, transferLimits } from "../../src/store/limits.js";

/** Reads the table below a heading as rows of cells, without its two heading rows. */
function tableBelow(file: string, heading: string, index = 0): string[][] {
  const text = readFileSync(new URL(`../../docs/${file}`, import.meta.url), "utf8");
  const section = text.split(new RegExp(`^#+ ${heading}$`, "m"))[1]?.split(/^#+ /m)[0] ?? "";
  const tables = section.split(/\n\n+/).filter((block) => block.trim().startsWith("|"));
  const rows = (tables[index] ?? "").trim().split("\n").slice(2);
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const camel = (code: string): string =>
  code.toLowerCase().replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());

const numbersIn = (rows: readonly string[][]): Record<string, number> =>
  Object.fromEntries(rows.map(([name = "", value]) => [name, Number(value)]));

describe("docs/errors.md", () => {
  it("lists every reason with its code, and no other", () => {
    const listed = tableBelow("errors.md", "Errors").map(([reason, code = ""]) => [reason, camel(code)]);
    const inCode = Object.entries(codeOf).map(([reason, code]) => [reason, Code[code]]);
    expect(listed.sort()).toEqual(inCode.sort());
  });
});

describe("docs/limits.md", () => {
  it("lists every call to nodes with its limits, and no other", () => {
    const listed = tableBelow("limits.md", "Calls to nodes").map(([call, time, size]) => [
      call,
      Number(time),
      Number(size),
    ]);
    expect(listed).toEqual(
      Object.entries(routeLimits).map(([call, { timeoutMs, maxBodyBytes }]) => [
        call,
        timeoutMs,
        maxBodyBytes,
      ]),
    );
  });

  it("lists every limit of a measurement of bandwidth, and no other", () => {
    expect(numbersIn(tableBelow("limits.md", "Measuring bandwidth"))).toEqual(speedLimits);
  });

  it("lists every reason to leave out a row, and no other", () => {
    const listed = tableBelow("limits.md", "A crawl", 1).map(([reason]) => reason);
    expect(listed).toEqual([...rowRejections]);
  });

  it("lists every limit and reason of a quarantine, and no other", () => {
    expect(numbersIn(tableBelow("limits.md", "Quarantine"))).toEqual(quarantineLimits);
    const text = readFileSync(new URL("../../docs/limits.md", import.meta.url), "utf8");
    for (const reason of quarantineReasons) expect(text).toContain(`${reason}, `);
  });

  it("lists every limit of a crawl, of the table, of the state, of filters and of callers, and no other", () => {
    expect(numbersIn(tableBelow("limits.md", "A crawl"))).toEqual(crawlLimits);
    expect(numbersIn(tableBelow("limits.md", "The IP table"))).toEqual(tableLimits);
    expect(numbersIn(tableBelow("limits.md", "Containers and groups"))).toEqual(containerLimits);
    expect(numbersIn(tableBelow("limits.md", "Plugins"))).toEqual(pluginLimits);
    expect(numbersIn(tableBelow("limits.md", "State"))).toEqual(storeLimits);
    expect(numbersIn(tableBelow("limits.md", "State in Redis"))).toEqual(redisLimits);
    expect(numbersIn(tableBelow("limits.md", "Moving a state"))).toEqual(transferLimits);
    expect(numbersIn(tableBelow("limits.md", "The tracking files"))).toEqual(mirrorLimits);
    expect(numbersIn(tableBelow("limits.md", "Filters and orders"))).toEqual(filterLimits);
    expect(numbersIn(tableBelow("limits.md", "Callers"))).toEqual(defaultLimits);
  });
});

describe("docs/filters.md", () => {
  it.each([
    ["node", "Fields of ListNodes", nodeFields],
    ["container", "Fields of ListContainers", containerFields],
    ["group", "Fields of ListGroups", groupFields],
  ] as [string, string, Record<string, { type: string }>][])(
    "lists every field of a %s with its type, and no other",
    (_, heading, fields) => {
      const listed = tableBelow("filters.md", heading).map(([field = "", type]) => [
        field.replaceAll("`", ""),
        type,
      ]);
      expect(listed).toEqual(Object.entries(fields).map(([name, { type }]) => [name, type]));
    },
  );

  it("begins with examples that a node list takes", () => {
    const text = readFileSync(new URL("../../docs/filters.md", import.meta.url), "utf8");
    const examples = text.split("```")[1]?.trim().split("\n") ?? [];
    expect(examples.length).toBeGreaterThan(1);
    for (const example of examples) expect(() => parseFilter(example, nodeFields)).not.toThrow();
  });
});

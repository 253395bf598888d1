import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { JsonValue } from "../../../../src/store/contract.js";
import {
  formatElement,
  formatListText,
  type Layout,
  type ListText,
  parseListText,
} from "../../../../src/store/mirror/list-text.js";
import { Slices } from "../../../../src/store/mirror/slices.js";
import { systemClock } from "../../../../src/system/clock.js";

const tabs: Layout = { indent: "\t", lineEnd: "\n", endsWithNewline: false };
const slices = new Slices(systemClock);
const parse = (text: string): Promise<ListText> => parseListText(Buffer.from(text), "List", tabs, slices);

async function format({ list, ...rest }: ListText): Promise<string> {
  const elements = typeof list === "string" ? [] : list.map((value) => formatElement(value, rest.layout));
  let text = "";
  for await (const piece of formatListText(rest, elements, slices)) text += piece;
  return text;
}

describe("a file with one list", () => {
  it("is spelled as JSON.stringify spells it, and read back as it was", async () => {
    const layout = fc.record({
      indent: fc.constantFrom("\t", " ", "  "),
      lineEnd: fc.constantFrom("\n" as const, "\r\n" as const),
      endsWithNewline: fc.boolean(),
    });
    // A digit first would come first in an object, whatever the order in the file.
    const key = fc.string().map((text) => `_${text}`);
    const fields = fc.dictionary(key, fc.jsonValue()) as fc.Arbitrary<Record<string, JsonValue>>;
    const property = fc.asyncProperty(
      fc.array(fc.jsonValue()),
      fields,
      layout,
      async (values, extra, manner) => {
        const list = values as JsonValue[];
        const text = await format({ list, listKey: "List", fields: extra, layout: manner });
        const plain = JSON.stringify(
          Object.fromEntries([["List", list], ...Object.entries(extra)]),
          null,
          manner.indent,
        );
        expect(text.replaceAll("\r\n", "\n").trimEnd()).toBe(plain);
        const read = await parse(text);
        expect(JSON.stringify(read.list)).toBe(JSON.stringify(list));
        expect(read.layout).toEqual(manner);
        expect(await format(read)).toBe(text);
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });

  it("is accepted if and only if JSON.parse accepts it", async () => {
    const property = fc.asyncProperty(
      fc.array(fc.jsonValue(), { maxLength: 4 }),
      fc.array(
        fc.tuple(fc.nat(), fc.constantFrom("", ",", "]", "}", "[", "{", '"', "x", "0", " ", "\\", ":")),
      ),
      async (list, edits) => {
        let text = JSON.stringify({ a: 1, List: list, b: { c: [] } });
        for (const [place, sign] of edits.slice(0, 3)) {
          const at = place % text.length;
          text = text.slice(0, at) + sign + text.slice(at + 1);
        }
        let value: unknown;
        try {
          value = JSON.parse(text);
        } catch {
          await expect(parse(text)).rejects.toThrow(SyntaxError);
          return;
        }
        const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
        if (!isObject) return;
        const read = await parse(text).catch((error: unknown) => error as Error);
        // The only more that it asks for: its list is one.
        if (read instanceof Error) expect(read.message).toMatch(/is not a list/);
        else if (Array.isArray(read.list)) expect(read.list).toEqual((value as { List: unknown }).List);
      },
    );
    await fc.assert(property, { numRuns: 500 });
  });

  it.each([
    ["", "NO_BYTES"],
    [" \n", "NO_BYTES"],
    ["\ufeff", "NO_BYTES"],
    ["{}", "MISSING"],
    ['{"other":1}', "MISSING"],
    ['{"List":null}', "NULL"],
    ['{"List":[]}', []],
    ['{"list":[1],"LIST":[2],"List":[3]}', [3, 1, 2]],
    ['\ufeff{"List":[1]}', [1]],
  ])("of %j says what stands in the list's place", async (text, list) => {
    expect((await parse(text)).list).toEqual(list);
  });

  it("does not follow more brackets than the limit, and quotes nothing of what it refuses", async () => {
    await expect(parse(`{"List":${"[".repeat(66)}${"]".repeat(66)}}`)).rejects.toThrow(/nested too deep/);
    await expect(parse('{"List":[{"SSHPassword":"hunter2" "x":1}]}')).rejects.not.toThrow(/hunter2/);
  });

  it("holds keys that reach for the prototype as any other", async () => {
    const text = '{"List":[{"__proto__":{"polluted":1}}],"__proto__":{"polluted":2}}';
    const read = await parse(text);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(await format({ ...read, layout: { ...tabs, indent: "" } })).toBe(text);
  });
});

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { cutLists } from "../../../src/peer-api/json-lists.js";

const limits = { maxElements: 2, maxValues: 1_000 };
const cut = (text: string, overrides: Partial<typeof limits> = {}): string | undefined =>
  cutLists(Buffer.from(text), { ...limits, ...overrides })?.toString();

describe("lists of a stranger's JSON", () => {
  it.each([
    ['{"a":[1,2,3,4]}', '{"a":[1,2,2]}'],
    ['{"a":[1,2],"b":[{"c":[1,2,3]},[],{},"]"]}', '{"a":[1,2],"b":[{"c":[1,2,3]},[],2]}'],
    ['{"a":[ {} , {} , {"x":"]}\\\\\\",["} ] , "b":1}', '{"a":[ {} , {} ,1] , "b":1}'],
    ['{"a":["\\\\","\\"",","],"b":[1,2,3]}', '{"a":["\\\\","\\"",1],"b":[1,2,1]}'],
  ])("are cut, and the rest is counted: %s", (text, expected) => {
    expect(cut(text)).toBe(expected);
  });

  it.each(['{"a":{"b":1,"c":2,"d":3}}', "[1,2,3]", "7", "", '{"a":[1,2]}', '{"a":"[1,2,3]"}'])(
    "leave everything else as it is: %s",
    (text) => {
      expect(cut(text)).toBe(text);
    },
  );

  it.each(['{"a":[1,2,3,4', '{"a":[1,2,"3,4]}', '{"a":[1,2,3}'])(
    "make no JSON of what is none: %s",
    (text) => {
      const parse = (): unknown => JSON.parse(cut(text)!);
      expect(parse).toThrow(SyntaxError);
    },
  );

  it("with more values than allowed are refused, also when they stand deep in one element", () => {
    expect(cut(`{"a":[[${"{},".repeat(1_000)}1]]}`)).toBeUndefined();
    expect(cut(`{"a":[1,2,${"{},".repeat(1_000)}1]}`)).toBe('{"a":[1,2,1001]}');
  });

  it("keep their first elements whatever they hold", () => {
    fc.assert(
      fc.property(fc.array(fc.json()), fc.nat(5), fc.nat(1), (elements, maxElements, indent) => {
        const values = elements.map((element) => JSON.parse(element) as unknown);
        const text = JSON.stringify({ list: values, last: true }, undefined, indent);
        const parsed = JSON.parse(cut(text, { maxElements: maxElements + 1, maxValues: 1e9 })!) as object;
        const leftOut = values.length - maxElements - 1;
        const expected = leftOut > 0 ? [...values.slice(0, maxElements + 1), leftOut] : values;
        expect(parsed).toEqual(JSON.parse(JSON.stringify({ list: expected, last: true })));
      }),
    );
  });
});

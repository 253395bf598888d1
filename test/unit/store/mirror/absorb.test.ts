import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { JsonValue } from "../../../../src/store/contract.js";
import { absorb } from "../../../../src/store/mirror/absorb.js";

const port = (isUsed: boolean, extra = {}) => ({ PortName: "SSH", IsUsed: isUsed, ...extra });

describe("what others changed in a container", () => {
  it.each<[string, JsonValue, JsonValue, JsonValue | undefined, JsonValue]>([
    ["comes in", { A: 1 }, { A: 2 }, { A: 1 }, { A: 2 }],
    ["does not undo what we changed since", { A: 5, B: 1 }, { A: 1, B: 2 }, { A: 1, B: 1 }, { A: 5, B: 2 }],
    ["wins where both changed it", { A: 5 }, { A: 2 }, { A: 1 }, { A: 2 }],
    [
      "is no field that they do not know",
      { A: 1, Mood: "good" },
      { A: 1 },
      undefined,
      { A: 1, Mood: "good" },
    ],
    [
      "is no field that they fill in empty",
      { A: 1 },
      { A: 1, B: "", C: null, D: 0, E: false },
      undefined,
      { A: 1 },
    ],
    ["is a field that they fill in", { A: 1 }, { A: 1, B: "x" }, undefined, { A: 1, B: "x" }],
    [
      "is found inside of lists",
      { P: [port(false, { Note: 1 }), port(false)] },
      { P: [port(true), port(false)] },
      undefined,
      { P: [port(true, { Note: 1 }), port(false)] },
    ],
    ["replaces a list of another length", { P: [1, 2] }, { P: [3] }, { P: [1, 2] }, { P: [3] }],
    ["replaces null", { P: null }, { P: [1] }, undefined, { P: [1] }],
  ])("%s", (_, ours, theirs, base, expected) => {
    expect(absorb(ours, theirs, base)).toEqual(expected);
  });

  it("is nothing, and ours the same object, when they rewrote what we wrote", () => {
    const value = fc.jsonValue() as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(value, (ours) => {
        expect(absorb(ours, structuredClone(ours), undefined)).toBe(ours);
      }),
    );
  });

  it("never takes a field away, nor reaches a prototype", () => {
    const record = fc.dictionary(fc.string(), fc.jsonValue()) as fc.Arbitrary<Record<string, JsonValue>>;
    fc.assert(
      fc.property(record, record, (ours, theirs) => {
        expect(Object.keys(absorb(ours, theirs, undefined) as object)).toEqual(
          expect.arrayContaining(Object.keys(ours)),
        );
      }),
    );
    absorb({ A: 1 }, JSON.parse('{"__proto__":{"polluted":1}}') as JsonValue, undefined);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

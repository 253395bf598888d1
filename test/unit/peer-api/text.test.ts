import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { cleanText } from "../../../src/peer-api/text.js";

const codes = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const unprintable = [
  ...codes(0x00, 0x1f),
  ...codes(0x7f, 0x9f),
  0xad,
  0x61c,
  ...codes(0x200b, 0x200f),
  ...codes(0x2028, 0x202e),
  ...codes(0x2060, 0x2069),
  0xfeff,
  ...codes(0xfff9, 0xfffb),
];

describe("a stranger's text", () => {
  it.each(unprintable.map((code) => [code.toString(16).padStart(4, "0"), code] as const))(
    "loses U+%s, wherever it stands",
    (_, code) => {
      const mark = String.fromCharCode(code);
      expect(cleanText(`${mark}a${mark}${mark}b${mark}`)).toBe("ab");
    },
  );

  it.each(codes(0x20, 0x7e).map((code) => String.fromCharCode(code)))("keeps %j", (character) => {
    expect(cleanText(`a${character}b`)).toBe(`a${character}b`);
  });

  it.each(["Köln", "名前", "أبو", "🦊", "e\u0301"])("keeps the letters of %s", (text) => {
    expect(cleanText(text)).toBe(text);
  });

  it.each([
    ["a\ud800b", "ab"],
    ["\udc00a", "a"],
    ["a\ud83e", "a"],
    ["\udd8a\ud83e", ""],
    ["\ud83e\ud83e\udd8a", "🦊"],
    ["🦊\udd8a", "🦊"],
  ])("loses lone surrogates: %j", (text, clean) => {
    expect(cleanText(text)).toBe(clean);
  });

  it("is cut to its limit, and never through the middle of a character", () => {
    expect(cleanText("abcdef", 4)).toBe("abcd");
    expect(cleanText("abc🦊", 4)).toBe("abc");
    expect(cleanText("abc🦊", 5)).toBe("abc🦊");
  });

  it.each([undefined, null, 1, true, {}, ["a"]])("is empty where %j stands", (value) => {
    expect(cleanText(value)).toBe("");
  });

  it("is within its limit, well formed, clean, and the same when cleaned again, whatever it was", () => {
    const anyText = fc.string({ unit: "binary", maxLength: 600 });
    const loneSurrogates = fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
      .map((units) => String.fromCharCode(...units));
    fc.assert(
      fc.property(fc.oneof(anyText, loneSurrogates), fc.integer({ min: 0, max: 300 }), (text, maxLength) => {
        const clean = cleanText(text, maxLength);
        expect(clean.length).toBeLessThanOrEqual(maxLength);
        expect(Buffer.from(clean).toString()).toBe(clean);
        expect(Array.from(clean).some((character) => unprintable.includes(character.codePointAt(0)!))).toBe(
          false,
        );
        expect(cleanText(clean, maxLength)).toBe(clean);
      }),
    );
  });
});

/** What stands in two rooms because neither may import the other. */
import { describe, expect, it } from "@jest/globals";
import { plainText } from "../../src/cli/plain-text.js";
import { maxSocketPathBytes } from "../../src/config/socket-path.js";
import { maxListenPathBytes } from "../../src/gateway/private-listen.js";
import { cleanText } from "../../src/peer-api/text.js";

describe("what two rooms say of one thing", () => {
  it("is the same set of unprintable characters, whichever code point is asked about", () => {
    const judgedDifferently: string[] = [];
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint += 1) {
      // Between letters: a surrogate is judged by its neighbours.
      const text = `a${String.fromCodePoint(codePoint)}b`;
      if (plainText(text) !== cleanText(text)) judgedDifferently.push(codePoint.toString(16));
    }
    expect(judgedDifferently).toEqual([]);
  });

  it("is the same set of unprintable surrogates, paired or not", () => {
    const halves = ["\ud800", "\udbff", "\udc00", "\udfff"];
    for (const first of halves) {
      for (const second of halves) {
        const text = `a${first}${second}b`;
        expect(plainText(text)).toBe(cleanText(text));
      }
    }
  });

  it("is the same longest path of a socket", () => {
    expect(maxListenPathBytes).toBe(maxSocketPathBytes);
  });
});

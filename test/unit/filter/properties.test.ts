import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { FilterError } from "../../../src/filter/errors.js";
import { parseFilter } from "../../../src/filter/filter.js";
import { Lexer } from "../../../src/filter/lexer.js";
import { parseOrder } from "../../../src/filter/order.js";
import { parseTree } from "../../../src/filter/parser.js";
import type { Token } from "../../../src/filter/tokens.js";
import { aFilter, aMachine } from "../../support/filter-arbitraries.js";
import { machineFields } from "../../support/filter-records.js";

const someMachines = fc.array(aMachine, { minLength: 1, maxLength: 5 });

describe("every filter", () => {
  it("says of a record what its tree says", () => {
    fc.assert(
      fc.property(aFilter(2), someMachines, ({ text, holds }, machines) => {
        expect(machines.map(parseFilter(text, machineFields))).toEqual(machines.map(holds));
      }),
      { numRuns: 2_000 },
    );
  });

  it("obeys De Morgan", () => {
    fc.assert(
      fc.property(aFilter(1), aFilter(1), someMachines, (a, b, machines) => {
        const met = (filter: string): boolean[] => machines.map(parseFilter(filter, machineFields));
        expect(met(`NOT ((${a.text}) AND (${b.text}))`)).toEqual(met(`NOT (${a.text}) OR -(${b.text})`));
        expect(met(`NOT ((${a.text}) OR (${b.text}))`)).toEqual(met(`NOT (${a.text}) AND -(${b.text})`));
      }),
      { numRuns: 300 },
    );
  });
});

const pieces = [
  "name",
  "labels",
  "specs.cores",
  "load",
  "x",
  "k",
  ".",
  "=",
  "!=",
  "<",
  ">=",
  ":",
  "*",
  "(",
  ")",
  "AND",
  "OR",
  "NOT",
  "-",
  ",",
  '"',
  "'",
  "\\",
  "1",
  "0.5s",
  "true",
  " ",
  " ",
  "😀",
  "\u0000",
  "\ud800",
  "__proto__",
  "desc",
];
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.array(fc.constantFrom(...pieces), { maxLength: 60 }).map((parts) => parts.join("")),
  fc
    .tuple(fc.constantFrom(...pieces), fc.integer({ min: 1, max: 5_000 }))
    .map(([piece, n]) => piece.repeat(n)),
  fc
    .tuple(aFilter(1), fc.nat(), fc.constantFrom(...pieces))
    .map(
      ([{ text }, at, piece]) =>
        text.slice(0, at % (text.length + 1)) + piece + text.slice(at % (text.length + 1)),
    ),
);

describe("any text", () => {
  it.each([
    ["filter", (text: string) => void parseFilter(text, machineFields)],
    ["order", (text: string) => void parseOrder(text, machineFields)],
  ])("as a %s is taken, or refused with a column inside it or one past its end", (_, parse) => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof FilterError)) throw error;
          expect(error.column).toBeGreaterThanOrEqual(1);
          expect(error.column).toBeLessThanOrEqual(Array.from(text).length + 1);
          expect(error.message.length).toBeLessThan(500);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it("costs a number of steps that grows with its length and no faster", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const characters = Array.from(text);
        let characterReads = 0;
        const counted = new Proxy(characters, {
          get(target, key, receiver): unknown {
            if (typeof key === "string" && /^[0-9]+$/.test(key)) characterReads += 1;
            return Reflect.get(target, key, receiver);
          },
        });
        const lexer = new Lexer(counted);
        let tokenReads = 0;
        const next = (): Token => {
          tokenReads += 1;
          return lexer.next();
        };
        try {
          parseTree({ next });
        } catch (error) {
          if (!(error instanceof FilterError)) throw error;
        }
        expect(tokenReads).toBeLessThanOrEqual(characters.length + 3);
        expect(characterReads).toBeLessThanOrEqual(10 * (characters.length + 1));
      }),
      { numRuns: 1_000 },
    );
  });
});

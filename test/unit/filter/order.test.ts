import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { integer, type FieldTable } from "../../../src/filter/fields.js";
import { parseOrder } from "../../../src/filter/order.js";
import { machineFields, type Machine } from "../../support/filter-records.js";
import { aMachine } from "../../support/filter-arbitraries.js";

const sorted = (order: string, machines: readonly Machine[]): Machine[] =>
  machines.toSorted(parseOrder(order, machineFields));

describe("an order", () => {
  it("lets the first field decide and the next one where it does not", () => {
    const machines: Machine[] = [
      { name: "a", latencyNs: 2, cores: 1 },
      { name: "b", latencyNs: 1, cores: 1 },
      { name: "c", latencyNs: 1, cores: 4 },
    ];
    const names = (order: string): (string | undefined)[] => sorted(order, machines).map(({ name }) => name);
    expect(names("latency, specs.cores desc")).toEqual(["c", "b", "a"]);
    expect(names(" latency\tasc,specs.cores asc ")).toEqual(["b", "c", "a"]);
    expect(names("name desc")).toEqual(["c", "b", "a"]);
  });

  it("puts records in which the field is unset last, in both directions", () => {
    const machines: Machine[] = [{ cores: 0 }, { cores: 2 }, {}, { cores: 1 }];
    expect(sorted("specs.cores", machines)).toEqual([{ cores: 1 }, { cores: 2 }, { cores: 0 }, {}]);
    expect(sorted("specs.cores desc", machines)).toEqual([{ cores: 2 }, { cores: 1 }, { cores: 0 }, {}]);
  });

  it("orders enumerations as listed, booleans false first, and NaN as unset", () => {
    expect(sorted("state", [{ state: "LOST" }, { state: "ACTIVE" }])[0]).toEqual({ state: "ACTIVE" });
    expect(sorted("nat", [{ nat: true }, { nat: false }])[0]).toEqual({ nat: false });
    expect(sorted("load", [{ load: Number.NaN }, { load: 5 }])[0]).toEqual({ load: 5 });
  });

  it("leaves records as they were where it says nothing or calls them equal", () => {
    const machines: Machine[] = [
      { name: "b", cores: 1 },
      { name: "a", cores: 1 },
    ];
    expect(sorted("", machines)).toEqual(machines);
    expect(sorted("  ", machines)).toEqual(machines);
    expect(sorted("specs.cores desc", machines)).toEqual(machines);
  });

  it("takes 8 fields and no more", () => {
    const names = Array.from({ length: 9 }, (_, index) => `f${index}`);
    const fields: FieldTable<number> = Object.fromEntries(
      names.map((name) => [name, integer((n: number) => n)]),
    );
    expect(() => parseOrder(names.slice(0, 8).join(), fields)).not.toThrow();
    expect(() => parseOrder(names.join(), fields)).toThrow("column 25: more than 8 fields");
  });

  const anOrder = fc
    .uniqueArray(
      fc.tuple(
        fc.constantFrom("name", "specs.cores", "load", "latency", "seen", "nat", "state"),
        fc.constantFrom("", " asc", " desc"),
      ),
      { selector: ([name]) => name },
    )
    .map((fields) => fields.map((field) => field.join("")).join(", "));

  it("is a total preorder", () => {
    fc.assert(
      fc.property(anOrder, aMachine, aMachine, aMachine, (order, a, b, c) => {
        const compare = parseOrder(order, machineFields);
        expect(compare(a, a)).toBe(0);
        expect(Math.sign(compare(a, b)) + Math.sign(compare(b, a))).toBe(0);
        if (compare(a, b) <= 0 && compare(b, c) <= 0) expect(compare(a, c)).toBeLessThanOrEqual(0);
        if (compare(a, b) === 0 && compare(b, c) === 0) expect(compare(a, c)).toBe(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

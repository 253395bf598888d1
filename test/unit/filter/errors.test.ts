import { describe, expect, it } from "@jest/globals";
import { FilterError } from "../../../src/filter/errors.js";
import { parseFilter } from "../../../src/filter/filter.js";
import { parseOrder } from "../../../src/filter/order.js";
import { machineFields } from "../../support/filter-records.js";

function refusal(parse: () => unknown): { column: number; message: string } {
  try {
    parse();
  } catch (error) {
    if (error instanceof FilterError) return { column: error.column, message: error.message };
    throw error;
  }
  throw new Error("was not refused");
}

describe("a filter is refused at the column that is wrong, with what is accepted", () => {
  it.each([
    // grammar
    ["RTX", 1, "stands alone"],
    ['load > 1 "RTX"', 10, "stands alone"],
    ["tags:RTX A4000", 10, "a text with spaces needs quotes"],
    ["name", 1, "stands alone"],
    ['name "x"', 6, "comes one of = != < <= > >= :"],
    ["= 5", 1, "met = where a field or ("],
    ["load >", 7, "met the end where the value of >"],
    ["name = AND load > 1", 8, "met AND where the value of ="],
    ["name = )", 8, "met ) where the value of ="],
    ["tags:(a OR b)", 6, "write a = 1 OR a = 2"],
    ["load > 1 AND", 13, "met the end where a field"],
    ["OR load > 1", 1, "met OR where a field"],
    ["load > 1 OR OR load > 2", 13, "met OR where a field"],
    ["NOT NOT nat = true", 5, "met NOT where a field"],
    ["load > 1 and nat = true", 10, "write AND in capitals"],
    ["startsWith(name)", 1, "functions"],
    ["(load > 1", 10, "parenthesis of column 1 is not closed"],
    ["(load > 1 = 2)", 11, "met = after a value"],
    ["load > 1)", 9, "no parenthesis is open"],
    ["()", 2, "met ) where a field"],
    ["load > 1, nat = true", 9, "met , where AND, OR, a comparison or the end"],
    ["name = a=b", 9, "met = after a value"],
    ["name == a", 7, 'met "=" where a value begins'],
    ['name = "abc', 12, 'column 8 lacks its closing "'],
    [String.raw`name = "a\n"`, 10, "a backslash stands only before"],
    ["labels. = x", 8, "a name is missing after the dot"],
    ["labels..a = x", 8, "a name is missing after the dot"],
    ['labels."" = x', 10, "a name is missing after the dot"],
    ["load > 1 && nat = true", 10, 'unexpected "&"; write AND'],
    ["load > 1 | nat = true", 10, "write OR"],
    ["!nat = true", 1, "write NOT or !="],
    ["name = “x”", 8, "put such a value in quotes"],
    ["😀 = 1", 1, 'unexpected "😀"'],
    ['name = "😀" ! 1', 12, "write NOT or !="],
    // fields
    ["nmae = x", 1, 'unknown field "nmae"; the nearest are name'],
    ["load > 1 AND cores > 1", 14, "the nearest are specs.cores"],
    ["specsCores > 1", 1, "specs.cores"],
    ["specs = 1", 1, "it holds specs.cores"],
    ["constructor = x", 1, "unknown field"],
    ["__proto__ = x", 1, "unknown field"],
    ["name.length = 1", 1, "unknown field"],
    ["labels.a.b = x", 1, 'a key with dots needs quotes: labels."KEY"'],
    // operators
    ["nat < true", 5, "does not take <; it takes = != :*"],
    ["state:ACTIVE", 6, "does not take :; it takes = != :*"],
    ["load:1", 5, "does not take :; it takes = != < <= > >= :*"],
    ["tags != x", 6, "write NOT tags = value"],
    ["labels = x", 8, "write labels.KEY = value, or labels:KEY"],
    ["labels:a*", 7, "is a map"],
    // values
    ["specs.cores > 1.5", 15, '"specs.cores" takes a whole number such as 8, not "1.5"'],
    ["specs.cores > 9007199254740993", 15, "a whole number"],
    ["specs.cores = *", 15, "specs.cores:* asks whether it is set"],
    ["load > 0x10", 8, "a number such as"],
    ["load > 1e999", 8, "a number such as"],
    ["load > NaN", 8, "a number such as"],
    ["latency < 50ms", 11, "a duration in seconds such as 0.05s"],
    ["latency < 5", 11, "a duration"],
    ["latency < 999999999999s", 11, "a duration"],
    ["seen > 2026-02-30T00:00:00Z", 8, "a time such as"],
    ["seen > 2026-01-31T24:00:00Z", 8, "a time such as"],
    ["seen > 2026-01-31", 8, "a time such as"],
    ["nat = TRUE", 7, "true or false"],
    ["state = IDLE", 9, "one of ACTIVE, LOST"],
    ["state = STATE_UNSPECIFIED", 9, "one of ACTIVE, LOST"],
    ["sizes:x", 7, "a whole number"],
    // what would never pass, or not as meant
    ['name = ""', 8, "write name:* or NOT name:*"],
    ['name:""', 6, "is unset when it is"],
    ['tags = ""', 8, "is unset when it is"],
    ["specs.cores = 0", 15, "write specs.cores:* or NOT specs.cores:*"],
    ["name = a*b", 8, "a * stands first or last"],
    ["name:RTX*", 6, "leave the * out"],
    ['name:"*"', 6, "leave the * out"],
    ["name < a*", 8, "leave the * out"],
  ])("%s", (filter, column, part) => {
    const { message, ...met } = refusal(() => parseFilter(filter, machineFields));
    expect({ ...met, message }).toEqual({ column, message: expect.stringContaining(part) });
    expect(message.startsWith(`column ${column}: `)).toBe(true);
  });

  it("repeats no more than 40 characters of the caller's text, with control characters escaped", () => {
    const { message } = refusal(() => parseFilter(`load = "\u0000${"x".repeat(4_000)}"`, machineFields));
    expect(message).toContain(`"\\u0000${"x".repeat(39)}…"`);
    expect(message.length).toBeLessThan(200);
  });

  it("stays short for an unknown field of thousands of characters", () => {
    const { message } = refusal(() => parseFilter(`${"a.".repeat(2_000)}a = 1`, machineFields));
    expect(message.length).toBeLessThan(200);
  });
});

describe("an order is refused at the column that is wrong, with what is accepted", () => {
  it.each([
    ["nmae", 1, "the nearest are name"],
    ["load, ", 7, "met the end where a field"],
    [", load", 1, "met , where a field"],
    ["load,,name", 6, "met , where a field"],
    ["load DESC", 6, 'met "DESC" where a comma, desc or the end'],
    ["load desc desc", 11, 'met "desc" where a comma'],
    ["-load", 1, "met - where a field"],
    ["load = 1", 6, "met = where a comma"],
    ['"load"', 1, 'met "load" where a field'],
    ["load, name, load desc", 13, '"load" stands in the order twice'],
    ["tags", 1, "is a repeated text, which has no order"],
    ["load, labels", 7, "is a map of text, which has no order"],
    ["labels.env", 1, "is a key of a map, which has no order"],
    [" ".repeat(5_000), 4_097, "longer than 4096 characters"],
  ])("%s", (order, column, part) => {
    expect(refusal(() => parseOrder(order, machineFields))).toEqual({
      column,
      message: expect.stringContaining(part),
    });
  });
});

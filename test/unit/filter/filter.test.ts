import { describe, expect, it } from "@jest/globals";
import { FilterError } from "../../../src/filter/errors.js";
import { parseFilter } from "../../../src/filter/filter.js";
import { machineFields, type Machine } from "../../support/filter-records.js";

const passes = (filter: string, machine: Machine): boolean => parseFilter(filter, machineFields)(machine);

const seenMs = Date.UTC(2026, 0, 31, 12);
const known: Machine = {
  name: "Render-Box 7",
  cores: 8,
  load: 0.5,
  latencyNs: 20_000_000,
  seenMs,
  nat: false,
  state: "ACTIVE",
  tags: ["NVIDIA RTX A4000", "spare"],
  sizes: [3, undefined, 41],
  labels: new Map([
    ["env", "prod"],
    ["app/x.y", "web"],
    ["empty", ""],
  ]),
};
const blank: Machine = {};

describe("a comparison", () => {
  it.each([
    // text
    ['name = "Render-Box 7"', "name = 'render-box 7'"],
    ["name != other", 'name != "Render-Box 7"'],
    ['name >= "Render-Box 7"', 'name > "Render-Box 7"'],
    ['name < "Render-Box 8"', "name <= Render"],
    ["name:BOX", "name:boxes"],
    ["name = Render*", "name = render*"],
    ['name = "*7"', 'name = "*8"'],
    ['name = "*Box*"', 'name = "*box*"'],
    ["name = *", 'name = "\\*"'],
    ['name != "*8"', 'name != "*7"'],
    // numbers
    ["specs.cores = 8", "specs.cores = 9"],
    ["specs.cores != 9", "specs.cores != 8"],
    ["specs.cores < 9", "specs.cores < 8"],
    ["specs.cores <= 8", "specs.cores <= 7"],
    ["specs.cores > -1", "specs.cores > 8"],
    ["specs.cores >= 8", 'specs.cores >= "9"'],
    ["load = 0.5", "load = 0.50001"],
    ["load > 1e-3", "load > 5e-1"],
    // durations and times
    ["latency = 0.02s", "latency = 0.020000001s"],
    ["latency < 0.05s", "latency < 0.02s"],
    ["latency > -1s", "latency > 1s"],
    ["seen = 2026-01-31T12:00:00Z", "seen = 2026-01-31T12:00:00.001Z"],
    ['seen = "2026-01-31T13:00:00+01:00"', 'seen = "2026-01-31T13:00:00-01:00"'],
    ["seen > 2026-01-31T11:59:59.999Z", "seen > 2026-01-31T12:00:00Z"],
    // booleans and enumerations
    ["nat = false", "nat = true"],
    ["nat != true", "nat != false"],
    ["state = ACTIVE", "state = LOST"],
    ['state = "STATE_ACTIVE"', "state = STATE_LOST"],
    ["state != LOST", "state != STATE_ACTIVE"],
    // repeated
    ["tags:rtx", "tags:gtx"],
    ["tags = spare", "tags = SPARE"],
    ['tags = "NVIDIA*"', 'tags = "*NVIDIA"'],
    ["sizes:41", "sizes:4"],
    ["sizes = 3", "sizes = 4"],
    ["sizes > 40", "sizes > 41"],
    ["sizes < 4", "sizes < 3"],
    // maps
    ["labels.env = prod", "labels.env = test"],
    ["labels.env != test", "labels.none != test"],
    ["labels.env:RO", "labels.env:x"],
    ['labels."app/x.y" = web', 'labels."app/x.z" = web'],
    ['labels.empty = ""', 'labels.none = ""'],
    ["labels:env", "labels:prod"],
    ['labels:"app/x.y"', "labels:toString"],
    ["labels.env:*", "labels.none:*"],
    ["labels.empty:*", "labels.constructor:*"],
  ])("of its field's type passes where it is true (%s) and not where it is false (%s)", (yes, no) => {
    expect([passes(yes, known), passes(no, known)]).toEqual([true, false]);
  });

  it.each([
    "name",
    "specs.cores",
    "load",
    "latency",
    "seen",
    "nat",
    "state",
    "tags",
    "sizes",
    "labels",
    "labels.env",
  ])("with :* asks whether %s is set", (field) => {
    expect([passes(`${field}:*`, known), passes(`${field}:*`, blank)]).toEqual([true, false]);
  });

  it.each([
    "name != x",
    "specs.cores != 1",
    "load < 1e9",
    "latency >= 0s",
    "nat = false",
    "state != LOST",
    "tags:x",
  ])("with an unset field is false, and NOT of it true: %s", (filter) => {
    expect([passes(filter, blank), passes(`NOT ${filter}`, blank)]).toEqual([false, true]);
  });

  it("takes an empty text, the number that means unset, NaN and empty elements for unset", () => {
    const hollow: Machine = {
      name: "",
      cores: 0,
      load: Number.NaN,
      tags: [""],
      sizes: [undefined],
      labels: new Map(),
    };
    for (const field of ["name", "specs.cores", "load", "tags", "sizes", "labels"]) {
      expect([field, passes(`${field}:*`, hollow)]).toEqual([field, false]);
    }
    expect(passes("specs.cores < 5", hollow)).toBe(false);
  });

  it("reads values without quotes as far as they cannot be taken for grammar", () => {
    expect(passes("name = nodes/[2001:db8::7]:8088", { name: "nodes/[2001:db8::7]:8088" })).toBe(true);
    expect(passes("(name=Zürich)", { name: "Zürich" })).toBe(true);
    expect(passes("name:a:b", { name: "xA:Bx" })).toBe(true);
    expect(passes("name = a-b -nat = true", { name: "a-b" })).toBe(true);
  });

  it("reads escapes, the other quote and line ends in quotes", () => {
    expect(passes(String.raw`name = "a\"b\'c\\d\*"`, { name: String.raw`a"b'c\d*` })).toBe(true);
    expect(passes(`name = "it's"`, { name: "it's" })).toBe(true);
    expect(passes(`name = 'a\n"b"'`, { name: 'a\n"b"' })).toBe(true);
    expect(passes(`name = "AND"`, { name: "AND" })).toBe(true);
  });
});

describe("joined comparisons", () => {
  const truths = (filter: string): string[] =>
    ["", "a", "b", "c", "ab", "ac", "bc", "abc"].filter((letters) =>
      passes(filter, { tags: Array.from(letters) }),
    );

  it("bind OR tighter than AND, as AIP-160 has it", () => {
    expect(truths("tags=a AND tags=b OR tags=c")).toEqual(truths("tags=a AND (tags=b OR tags=c)"));
    expect(truths("tags=a OR tags=b AND tags=c")).toEqual(truths("(tags=a OR tags=b) AND tags=c"));
    expect(truths("tags=a AND tags=b OR tags=c")).not.toEqual(truths("(tags=a AND tags=b) OR tags=c"));
  });

  it("mean AND where nothing stands between them", () => {
    expect(truths("tags=a tags=b OR tags=c")).toEqual(["ab", "ac", "abc"]);
    expect(truths("tags=a(tags=b)")).toEqual(["ab", "abc"]);
  });

  it("bind NOT and - tightest", () => {
    expect(truths("NOT tags=a tags=b")).toEqual(["b", "bc"]);
    expect(truths("-tags=a OR tags=b")).toEqual(["", "b", "c", "ab", "bc", "abc"]);
    expect(truths("NOT(tags=a OR tags=b)")).toEqual(["", "c"]);
    expect(truths("NOT (NOT (-tags=a))")).toEqual(truths("NOT tags=a"));
  });

  it("pass everything where there is none", () => {
    expect(truths("")).toHaveLength(8);
    expect(truths(" \t\r\n")).toHaveLength(8);
  });
});

describe("a filter at its limits", () => {
  const nested = (depth: number): string => `${"(".repeat(depth)}name=a${")".repeat(depth)}`;
  const columnOf = (filter: string): number | undefined => {
    try {
      parseFilter(filter, machineFields);
      return undefined;
    } catch (error) {
      return error instanceof FilterError ? error.column : Number.NaN;
    }
  };

  it("holds 4,096 characters and no more, counted in code points", () => {
    const longest = `name = "${"😀".repeat(4_096 - 9)}"`;
    expect(Array.from(longest)).toHaveLength(4_096);
    expect([columnOf(longest), columnOf(`${longest} `)]).toEqual([undefined, 4_097]);
    expect(columnOf(" ".repeat(1_000_000))).toBe(4_097);
  });

  it("opens 32 parentheses at once and no more", () => {
    expect([columnOf(nested(32)), columnOf(nested(33))]).toEqual([undefined, 33]);
    expect(columnOf(`${nested(32)} ${nested(32)}`)).toBeUndefined();
  });

  it("makes 128 comparisons and no more", () => {
    const most = "load>1 ".repeat(128);
    expect([columnOf(most), columnOf(`${most}nat=true`)]).toEqual([undefined, most.length + 1]);
  });
});

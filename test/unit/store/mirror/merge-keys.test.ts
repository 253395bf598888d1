import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { Slices } from "../../../../src/store/mirror/slices.js";
import { systemClock } from "../../../../src/system/clock.js";
import { type HeldEntry, hold, mergeKeys, type Removal } from "../../../../src/store/mirror/merge-keys.js";

const times = { holdMs: 5_000, removalKeptMs: 7 * 86_400_000 };
const held = (sinceMs: number, fingerprint = "a", more: Partial<HeldEntry> = {}): HeldEntry => ({
  fingerprint,
  sinceMs,
  textSinceMs: sinceMs,
  ...more,
});
const slices = new Slices(systemClock);
const noRemovals = new Map<string, Removal>();
const nothing = { added: [], touched: [], removed: [], kept: [], leftOut: [] };

describe("a merge by identity", () => {
  const merge = (
    theirs: Record<string, string>,
    ours: string[],
    base: Record<string, HeldEntry>,
    more = {},
  ) =>
    mergeKeys(
      {
        theirs: new Map(Object.entries(theirs)),
        hasOurs: (key) => ours.includes(key),
        base: new Map(Object.entries(base)),
        removals: noRemovals,
        appearedMs: 10_000,
        ...more,
      },
      times,
      slices,
    );

  it("takes an absence for a removal from 5 s on, and not before", async () => {
    const changes = await merge({}, ["x", "y"], { x: held(5_000), y: held(5_001) });
    expect(changes).toEqual({ ...nothing, removed: ["x"], kept: ["y"] });
  });

  it("does not take the absence of what was never in the file for a removal", async () => {
    expect(await merge({}, ["x"], {})).toEqual(nothing);
  });

  it("takes nothing for removed at the first import", async () => {
    expect(await merge({ x: "a" }, ["y"], {}, { base: undefined })).toEqual({ ...nothing, added: ["x"] });
  });

  it("leaves out what we removed, before the file says so and afterwards", async () => {
    expect(await merge({ x: "a" }, [], { x: held(0) })).toEqual({ ...nothing, leftOut: ["x"] });
    const removals = new Map([["x", { fingerprint: "a", atMs: 0 }]]);
    expect(await merge({ x: "a" }, [], {}, { removals })).toEqual({ ...nothing, leftOut: ["x"] });
    // As somebody would who wants it back: with another text, some time later.
    expect(await merge({ x: "b" }, [], {}, { removals })).toEqual({ ...nothing, added: ["x"] });
    expect(await merge({ x: "b" }, [], {}, { removals, appearedMs: 4_999 })).toEqual({
      ...nothing,
      leftOut: ["x"],
    });
    expect(await merge({ x: "a" }, [], {}, { removals, appearedMs: times.removalKeptMs })).toEqual({
      ...nothing,
      added: ["x"],
    });
  });

  it("does not take the text before ours for a change of theirs", async () => {
    const base = { x: held(0, "new", { textSinceMs: 8_000, previous: "old" }) };
    expect(await merge({ x: "old" }, ["x"], base)).toEqual(nothing);
    expect(await merge({ x: "other" }, ["x"], base)).toEqual({ ...nothing, touched: ["x"] });
    expect(await merge({ x: "old" }, ["x"], base, { appearedMs: 13_000 })).toEqual({
      ...nothing,
      touched: ["x"],
    });
  });

  it("never loses an addition, and nothing of ours that was held for less than 5 s", async () => {
    const keys = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"));
    const holding = fc.dictionary(
      fc.constantFrom("a", "b", "c", "d", "e", "f"),
      fc.integer({ min: 0, max: 12_000 }),
    );
    await fc.assert(
      fc.asyncProperty(
        keys,
        keys,
        holding,
        fc.integer({ min: 0, max: 12_000 }),
        async (theirs, ours, base, appearedMs) => {
          const changes = await merge(
            Object.fromEntries(theirs.map((key) => [key, "a"])),
            ours,
            Object.fromEntries(Object.entries(base).map(([key, sinceMs]) => [key, held(sinceMs)])),
            { appearedMs },
          );
          const isIn = (key: string): boolean => Object.hasOwn(base, key);
          const after = new Set([...ours, ...changes.added].filter((key) => !changes.removed.includes(key)));
          for (const key of theirs) if (!isIn(key)) expect(after.has(key)).toBe(true);
          for (const key of ours) {
            const isLongHeld = isIn(key) && appearedMs - (base[key] ?? 0) >= times.holdMs;
            expect(after.has(key)).toBe(theirs.includes(key) || !isLongHeld);
          }
        },
      ),
    );
  });
});

describe("what a file holds", () => {
  it("is held since it is there without a gap", async () => {
    const first = await hold(new Map([["x", "a"]]), new Map(), 1, slices);
    expect((await hold(new Map([["x", "a"]]), first, 5, slices)).get("x")).toEqual(held(1));
    expect((await hold(new Map([["x", "b"]]), first, 5, slices)).get("x")).toEqual(
      held(1, "b", { textSinceMs: 5, previous: "a" }),
    );
    const gone = await hold(new Map(), first, 5, slices);
    expect((await hold(new Map([["x", "a"]]), gone, 9, slices)).get("x")).toEqual(held(9));
  });
});

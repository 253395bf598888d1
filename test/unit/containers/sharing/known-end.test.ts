/** A gateway that was behind when the state was lost, and comes after one that was not. */
import { describe, expect, it } from "@jest/globals";
import { hasKnownEnd } from "../../../../src/containers/sharing/known-end.js";
import type { JsonValue, RecordValue, StoredRecord } from "../../../../src/store/contract.js";
import { planRescue } from "../../../../src/store/rescue.js";
import { makeRevision } from "../../../../src/store/revision.js";
import { aContainerRecord } from "../../../support/tracked.js";

const state = (values: Readonly<Record<string, object>>): Map<string, StoredRecord> => {
  const revision = makeRevision(Object.keys(values).length);
  return new Map(
    Object.entries(values).map(([key, value]) => [key, { key, value: value as RecordValue, revision }]),
  );
};
const removed = (life: number): object => ({
  container: aContainerRecord({ life }) as unknown as JsonValue,
  groups: [],
  reason: "NODE_CONFIRMED",
  removeTimeMs: 9,
});
/** Keys that it would bring back. */
function broughtBack(before: Map<string, StoredRecord>, now: Map<string, StoredRecord>): readonly string[] {
  const seen = makeRevision(99);
  const snapshot = { records: now, revision: makeRevision(now.size) };
  const past = { records: before, seen, recent: new Set([seen]) };
  const rescue = planRescue(past, snapshot, { hasKnownEnd });
  return (typeof rescue === "string" ? [] : rescue).map(({ key }) => key).sort();
}

describe("what a gateway that was behind brings back", () => {
  const container = aContainerRecord({ life: 5 });
  const before = state({ "c/a": container, "s/a": {}, "m/a": {}, "c/b": container, "s/b": {} });

  it("leaves out a container whose removal the state tells of, with all that is its own", () => {
    expect(broughtBack(before, state({ "t/a": removed(5) }))).toEqual(["c/b", "s/b"]);
  });

  it("has a container whose node gave it the id of a removed one", () => {
    expect(broughtBack(before, state({ "t/a": removed(4) }))).toHaveLength(5);
  });

  it("is everything where the state tells of no end", () => {
    expect(broughtBack(before, state({}))).toHaveLength(5);
  });

  it("leaves out a group that ended, and has one of its id from after that", () => {
    const group = (createTimeMs: number): object => ({
      id: "g",
      createTimeMs,
      memberCount: 0,
      changeCount: 1,
    });
    const groups = state({ "g/old": group(3), "g/new": group(8) });
    const now = state({ "e/old": { id: "old", endTimeMs: 7 }, "e/new": { id: "new", endTimeMs: 7 } });
    expect(broughtBack(groups, now)).toEqual(["g/new"]);
  });
});

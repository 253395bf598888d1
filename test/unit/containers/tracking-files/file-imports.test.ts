import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { fileImports } from "../../../../src/containers/tracking-files/file-imports.js";
import { endGroup, enterGroup } from "../../../../src/containers/membership.js";
import { untrack } from "../../../../src/containers/life/untrack.js";
import type { ForeignChanges, TrackedEntry } from "../../../../src/containers/tracking-files/contract.js";
import { storeLimits } from "../../../../src/store/limits.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import { aContainerRecord, openTracked, someNode, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
beforeEach(async () => {
  tracked = await openTracked();
});
afterEach(() => tracked.close());

const key = "45.0.0.1:8088/abc";
const entry: TrackedEntry = { key, address: someNode, id: "abc", raw: {}, ipAddressText: "45.0.0.1:8088" };
const nothing: ForeignChanges = {
  addedContainers: [],
  changedContainers: [],
  removedContainers: [],
  addedGroups: [],
  removedGroups: [],
  addedMembers: [],
  removedMembers: [],
};

/** Imports a file that was written so long after now. */
async function importWritten(afterMs: number, changes: Partial<ForeignChanges>): Promise<void> {
  const appearedMs = tracked.clock.nowMs() + afterMs;
  const imports = fileImports({ ...tracked, logger: silentLogger });
  await imports({ ...nothing, ...changes }, { containersMs: appearedMs, groupsMs: appearedMs });
}

describe("an import of tracking files", () => {
  it("leaves out a container that was forgotten after the file was written, however long ago that was", async () => {
    await tracked.track([aContainerRecord()]);
    await change(tracked, (draft) => void untrack(draft, tracked, key, "FORGOTTEN"));
    const wroteMs = -1_000 - 3_600_000;
    await tracked.clock.advance(3_600_000);
    await importWritten(wroteMs, { addedContainers: [entry] });
    expect(tracked.state.get("container", key)).toBeUndefined();
    await importWritten(0, { addedContainers: [entry] });
    expect(tracked.state.get("container", key)).toBeDefined();
  });

  it("leaves out a group that ended after the file was written, with its members", async () => {
    await tracked.track([aContainerRecord()]);
    const member = { key, address: someNode, id: "abc" };
    await change(tracked, (draft) => {
      draft.put("group", "grp1", { id: "grp1", createTimeMs: 0, memberCount: 0, changeCount: 0 });
      enterGroup(draft, "grp1", [member]);
    });
    await change(tracked, (draft) => endGroup(draft, "grp1", [member], tracked.clock.nowMs()));
    const group = { id: "grp1", memberKeys: [key] };
    await tracked.clock.advance(60_000);
    await importWritten(-61_000, { addedGroups: [group] });
    expect(tracked.state.get("group", "grp1")).toBeUndefined();
    await importWritten(0, { addedGroups: [group] });
    expect(tracked.state.membersOf("grp1")).toEqual([key]);
  });

  it("makes no commit that a store refuses, however many come or go and however much each of them says", async () => {
    const port = (external: number): Record<string, string | number> => ({
      ExternalPort: external,
      Description: "x".repeat(900),
    });
    const raw = { Ports: { Port: Array.from({ length: 128 }, (_, index) => port(index + 1)) } };
    const many = Array.from({ length: 200 }, (_, index): TrackedEntry => {
      const id = `abc${String(index)}`;
      return { ...entry, id, key: `45.0.0.1:8088/${id}`, raw: { ...raw, ID: id } };
    });
    const groups = Array.from({ length: 16 }, (_, index) => ({
      id: `grp${String(index)}`,
      memberKeys: many.map(({ key: member }) => member),
    }));
    await importWritten(0, { addedContainers: many, addedGroups: groups });
    expect(tracked.state.containerCount).toBe(many.length);
    expect(tracked.state.membersOf("grp15")).toHaveLength(many.length);
    await importWritten(60_000, { removedContainers: many.map(({ key: gone }) => gone) });
    expect(tracked.state.containerCount).toBe(0);
    for (const { put, delete: deleted, expect: expectations } of tracked.store.commits) {
      expect(put.length + deleted.length).toBeLessThanOrEqual(storeLimits.maxOperations);
      expect(expectations.length).toBeLessThanOrEqual(storeLimits.maxExpectations);
      expect(Buffer.byteLength(JSON.stringify(put))).toBeLessThanOrEqual(storeLimits.maxCommitBytes);
    }
  });
});

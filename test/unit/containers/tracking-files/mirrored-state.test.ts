import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { enterGroup, leaveGroup } from "../../../../src/containers/membership.js";
import { MirroredState } from "../../../../src/containers/tracking-files/mirrored-state.js";
import { mirrorLimits } from "../../../../src/store/mirror/limits.js";
import { aContainerRecord, openTracked, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
let mirrored: MirroredState;
let key: string;
const member = () => ({ key, address: aContainerRecord().address, id: aContainerRecord().id });
beforeEach(async () => {
  tracked = await openTracked();
  [key = ""] = await tracked.track([aContainerRecord()]);
  mirrored = await MirroredState.open(tracked.state, "lineage", tracked.clock);
  await change(tracked, (draft) => {
    draft.put("group", "grp1", { id: "grp1", createTimeMs: 1, memberCount: 0, changeCount: 0 });
    enterGroup(draft, "grp1", [member()]);
  });
});
afterEach(() => tracked.close());

describe("when a member left", () => {
  it("is told for as long as others may not know it", async () => {
    expect(mirrored.leftMs("grp1", key)).toBeUndefined();
    await change(tracked, (draft) => leaveGroup(draft, "grp1", [member()]));
    const leftMs = tracked.clock.nowMs();
    expect(mirrored.leftMs("grp1", key)).toBe(leftMs);
    await tracked.clock.advance(mirrorLimits.holdMs);
    await change(tracked, (draft) => enterGroup(draft, "grp1", [member()]));
    expect(mirrored.leftMs("grp1", key)).toBeUndefined();
  });

  it("is told of all its groups where its container goes", async () => {
    await tracked.remove(key);
    expect(mirrored.leftMs("grp1", key)).toBe(tracked.clock.nowMs());
  });
});

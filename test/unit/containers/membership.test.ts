/** Who is in a group, and until when. */
import { afterEach, expect, it } from "@jest/globals";
import { change } from "../../../src/containers/change.js";
import { endGroup } from "../../../src/containers/membership.js";
import { hasEnded } from "../../../src/containers/sharing/mend-plans.js";
import { openTracked, type Tracked } from "../../support/tracked.js";

let tracked: Tracked;
afterEach(() => tracked.close());

it("a group ends after it began, also by a clock that is behind the one of its maker", async () => {
  tracked = await openTracked();
  const group = { id: "grp1", createTimeMs: 60_000, memberCount: 0, changeCount: 0 };
  await change(tracked, (draft) => draft.put("group", "grp1", group));
  await change(tracked, (draft) => endGroup(draft, "grp1", [], 50_000));
  expect(hasEnded(group, tracked.state.get("ended", "grp1")!)).toBe(true);
});

/** What a gateway left half-done when it ended. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { settleUnfinished } from "../../../../src/containers/life/recovery.js";
import { OpenWorkIndex } from "../../../../src/containers/sharing/open-work.js";
import { storeLimits } from "../../../../src/store/limits.js";
import { aContainerRecord, openTracked, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
beforeEach(async () => {
  tracked = await openTracked();
});
afterEach(() => tracked.close());

it("is settled in commits that have room for it, however large the records are", async () => {
  const spec = { ...aContainerRecord().spec, sshPublicKey: "k".repeat(12_000) };
  for (let n = 0; n < 200; n += 1)
    await tracked.track([aContainerRecord({ id: `c${String(n)}`, spec, state: "REMOVING", owner: "gone" })]);
  const before = tracked.store.commits.length;
  await settleUnfinished(tracked, new OpenWorkIndex(tracked.state), () => true);
  const made = tracked.store.commits.slice(before);
  expect(made.flatMap(({ put }) => put)).toHaveLength(200);
  for (const commit of made) expect(JSON.stringify(commit).length).toBeLessThan(storeLimits.maxCommitBytes);
});

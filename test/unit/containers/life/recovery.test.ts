/** What a gateway left half-done when it ended, and what is cleared away. */
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { settleUnfinished, sweep } from "../../../../src/containers/life/recovery.js";
import { containerLimits } from "../../../../src/containers/limits.js";
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

it("keeps what ended a second time while what ended long ago is cleared away", async () => {
  const { clock, state, store } = tracked;
  const tombstoneOf = (n: number) => ({
    container: aContainerRecord({ id: `c${String(n)}` }),
    groups: [],
    reason: "NODE_CONFIRMED" as const,
    removeTimeMs: clock.nowMs(),
  });
  const keyOf = (n: number): string => tracked.keyOf({ id: `c${String(n)}` });
  const bury = async (...all: readonly number[]): Promise<void> =>
    await change(tracked, (draft) => {
      for (const n of all) draft.put("tombstone", keyOf(n), tombstoneOf(n));
      for (const n of all)
        draft.put("ended", `grp${String(n)}`, { id: `grp${String(n)}`, endTimeMs: clock.nowMs() });
    });
  const all = Array.from({ length: 450 }, (_, n) => n);
  await bury(...all);
  await clock.advance(containerLimits.tombstoneKeptMs);
  const commit = store.commit.bind(store);
  let hasEnded = false;
  store.commit = async (asked) => {
    if (!hasEnded && asked.delete.length > 0) {
      hasEnded = true;
      await bury(...all.slice(-2));
    }
    return await commit(asked);
  };
  await sweep(tracked);
  expect([...state.named("tombstone")].map(([key]) => key)).toEqual(all.slice(-2).map(keyOf));
  expect([...state.all("ended")]).toHaveLength(2);
});

it("is kept of the latest ends only, of groups as of containers: callers may make and end as many as they like", async () => {
  const { clock, state } = tracked;
  const tooMany = 3;
  const count = containerLimits.maxTombstones + tooMany;
  const batch = 500;
  for (let first = 0; first < count; first += batch) {
    await change(tracked, (draft) => {
      for (let n = first; n < Math.min(first + batch, count); n += 1) {
        const id = `grp${String(n)}`;
        draft.put("ended", id, { id, endTimeMs: clock.nowMs() + n });
      }
    });
  }
  await sweep(tracked);
  const left = new Set([...state.all("ended")].map(({ id }) => id));
  expect(left.size).toBe(containerLimits.maxTombstones);
  expect(["grp0", "grp2", "grp3", `grp${String(count - 1)}`].map((id) => left.has(id))).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

/** What must not stand side by side, put there by hand, as older copies and later writes leave it after a loss. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import { type IntentRecord, keyOf, type TombstoneRecord } from "../../../../src/containers/records.js";
import { Mends } from "../../../../src/containers/sharing/mends.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import { StoreError } from "../../../../src/store/errors.js";
import { FakeClock, settle } from "../../../support/fake-clock.js";
import { MemoryStore } from "../../../support/memory-store.js";
import { aContainerRecord, anIntent, openTracked, someNode, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
let mends: Mends;
const key = "45.0.0.1:8088/abc";
beforeEach(async () => {
  tracked = await openTracked();
  mends = new Mends({ ...tracked, logger: silentLogger });
});
afterEach(async () => {
  await mends.close();
  await tracked.close();
});

const tombstoneOf = (record = aContainerRecord()): TombstoneRecord => ({
  container: record,
  groups: [],
  reason: "NODE_CONFIRMED",
  removeTimeMs: 5,
});
const group = (id: string, memberCount: number, createTimeMs = 1) => ({
  id,
  createTimeMs,
  memberCount,
  changeCount: memberCount,
});
const membershipIn = (...groups: readonly string[]) => ({
  address: someNode,
  id: "abc",
  groups: groups.map((id) => ({ id, place: 1 })),
});
const request = (intent: IntentRecord) => ({
  argumentsHash: "h",
  expireTimeMs: 1e15,
  outcome: { kind: "running" as const, intent: intent.id },
});
const has = (kind: "container" | "secret" | "membership" | "group" | "intent", subject: string): boolean =>
  tracked.state.get(kind, subject) !== undefined;

describe("a container beside its tombstone", () => {
  it("is untracked again, and leaves its groups; the tombstone tells what it told", async () => {
    await tracked.track([aContainerRecord({ lastSeenTimeMs: 9 })]);
    await change(tracked, (draft) => {
      draft.put("tombstone", key, tombstoneOf());
      draft.put("group", "grp1", group("grp1", 1));
      draft.put("membership", key, membershipIn("grp1"));
    });
    await mends.open();
    expect([has("container", key), has("secret", key), has("membership", key)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(tracked.state.get("group", "grp1")).toMatchObject({ memberCount: 0, changeCount: 2 });
    expect(tracked.state.get("tombstone", key)).toEqual(tombstoneOf());
    expect(tracked.state.subjectOf(`nodes/45.0.0.1:8088/containers/abc`)?.kind).toBe("tombstone");
  });

  it("stays where it is of a later life: the tombstone goes, and it is listed", async () => {
    await change(tracked, (draft) => draft.put("tombstone", key, tombstoneOf()));
    await tracked.track([aContainerRecord({ life: 2 })]);
    await mends.open();
    expect([has("container", key), tracked.state.get("tombstone", key)]).toEqual([true, undefined]);
    expect(tracked.state.subjectOf(`nodes/45.0.0.1:8088/containers/abc`)?.kind).toBe("container");
  });
});

describe("a group that has ended", () => {
  const end = { id: "grp1", endTimeMs: 7 };

  it("ends again with all of its memberships, in as many commits as it takes", async () => {
    const ids = Array.from({ length: 1_200 }, (_, n) => `container-${String(n)}`);
    const keys = await tracked.track(ids.slice(0, 600).map((id) => aContainerRecord({ id })));
    keys.push(...(await tracked.track(ids.slice(600).map((id) => aContainerRecord({ id })))));
    await change(tracked, (draft) => {
      for (const one of keys) draft.put("membership", one, membershipIn("grp1"));
      draft.put("group", "grp1", group("grp1", 600));
      draft.put("ended", "grp1", end);
    });
    await mends.open();
    expect([has("group", "grp1"), tracked.state.memberCountOf("grp1")]).toEqual([false, 0]);
    expect(tracked.state.get("ended", "grp1")).toEqual(end);
    expect(tracked.state.containerCount).toBe(1_200);
    for (const { put, delete: gone } of tracked.store.commits.slice(3))
      expect(put.length + gone.length).toBeLessThanOrEqual(1_024);
  });

  it("stays where a file brought one of its name back later", async () => {
    await change(tracked, (draft) => {
      draft.put("group", "grp1", group("grp1", 0, 8));
      draft.put("ended", "grp1", end);
    });
    await mends.open();
    expect(has("group", "grp1")).toBe(true);
  });
});

it("counts the members of a group anew", async () => {
  await tracked.track([aContainerRecord()]);
  await change(tracked, (draft) => {
    draft.put("membership", key, membershipIn("grp1"));
    draft.put("group", "grp1", group("grp1", 4));
  });
  await mends.open();
  expect(tracked.state.get("group", "grp1")?.memberCount).toBe(1);
});

describe("an intent", () => {
  const intent = anIntent({ requestId: "r1" });
  const record = aContainerRecord({ intent: intent.id });

  it.each(["tracked", "removed"])(
    "beside the container that came of it, which is %s, is closed",
    async (how) => {
      if (how === "tracked") await tracked.track([record]);
      else await change(tracked, (draft) => draft.put("tombstone", key, tombstoneOf(record)));
      await change(tracked, (draft) => {
        draft.put("intent", intent.id, intent);
        draft.put("request", "r1", request(intent));
      });
      await mends.open();
      expect(has("intent", intent.id)).toBe(false);
      expect(tracked.state.get("request", "r1")?.outcome).toEqual({ kind: "tracked", container: key });
    },
  );

  it("stays open beside a container of another one", async () => {
    await tracked.track([aContainerRecord({ intent: "int2" })]);
    await change(tracked, (draft) => draft.put("intent", intent.id, intent));
    await mends.open();
    expect(has("intent", intent.id)).toBe(true);
  });
});

describe("a record without what it belongs to", () => {
  it("is taken away once a later look finds it alone again", async () => {
    await change(tracked, (draft) => {
      draft.put("membership", key, membershipIn("grp1"));
      draft.put("secret", key, { dockerVm: {}, ipAddressText: "" });
      draft.put("group", "grp1", group("grp1", 1));
      draft.put("request", "r1", request(anIntent()));
    });
    await mends.open();
    expect([has("membership", key), has("secret", key)]).toEqual([true, true]);
    await tracked.clock.advance(containerLimits.orphanMs);
    await mends.look();
    expect([has("membership", key), has("secret", key)]).toEqual([false, false]);
    expect(tracked.state.get("group", "grp1")?.memberCount).toBe(0);
    expect(tracked.state.get("request", "r1")?.outcome.kind).toBe("unknown");
  });

  it("stays where the later look comes too soon, however many there are", async () => {
    await change(tracked, (draft) => draft.put("secret", key, { dockerVm: {}, ipAddressText: "" }));
    await mends.open();
    await tracked.clock.advance(containerLimits.orphanMs - 1);
    await Promise.all([mends.look(), mends.look()]);
    expect(has("secret", key)).toBe(true);
  });

  it("has looks enough of its own where a loss comes while a look goes on", async () => {
    await change(tracked, (draft) => draft.put("group", "grp1", group("grp1", 3)));
    await change(tracked, (draft) => draft.put("lineage", "state", { id: "lost" }));
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const commit = tracked.store.commit.bind(tracked.store);
    tracked.store.commit = async (asked) => {
      if (asked.put.some((record) => record.key === keyOf.group("grp1"))) await held;
      return await commit(asked);
    };
    const opening = mends.open();
    await settle();
    const { resyncCount } = tracked.state.place;
    tracked.store.loseAfter(1);
    while (tracked.state.place.resyncCount === resyncCount) await settle();
    await change(tracked, (draft) => draft.put("secret", key, { dockerVm: {}, ipAddressText: "" }));
    goOn();
    await opening;
    await settle();
    await tracked.clock.advance(containerLimits.orphanMs - 1);
    await mends.look();
    expect(has("secret", key)).toBe(true);
    await tracked.clock.advance(containerLimits.orphanMs);
    await mends.look();
    expect(has("secret", key)).toBe(false);
  });

  it("is taken away at once where that has ended", async () => {
    await change(tracked, (draft) => {
      draft.put("membership", key, membershipIn("grp1"));
      draft.put("secret", key, { dockerVm: {}, ipAddressText: "" });
      draft.put("tombstone", key, tombstoneOf());
    });
    await mends.open();
    expect([has("membership", key), has("secret", key)]).toEqual([false, false]);
  });

  it("stays if that comes meanwhile: others are still bringing it back", async () => {
    await change(tracked, (draft) => draft.put("membership", key, membershipIn("grp1")));
    await mends.open();
    await tracked.track([aContainerRecord()]);
    await change(tracked, (draft) => draft.put("group", "grp1", group("grp1", 0)));
    await tracked.clock.advance(containerLimits.orphanMs);
    await mends.look();
    expect(tracked.state.get("membership", key)).toEqual(membershipIn("grp1"));
    expect(tracked.state.get("group", "grp1")?.memberCount).toBe(1);
  });
});

describe("a record that cannot be mended", () => {
  beforeEach(async () => {
    await tracked.track([aContainerRecord()]);
    await change(tracked, (draft) => {
      draft.put("tombstone", key, tombstoneOf());
      draft.put("group", "grp1", group("grp1", 3));
    });
    const commit = tracked.store.commit.bind(tracked.store);
    tracked.store.commit = async (asked) => {
      if (asked.delete.includes(keyOf.container(key))) throw failure;
      return await commit(asked);
    };
  });
  let failure: Error;

  it("keeps no other one, and not the start, from it", async () => {
    failure = new StoreError("STATE_TOO_LARGE", "as told");
    await mends.open();
    expect([has("container", key), tracked.state.get("group", "grp1")?.memberCount]).toEqual([true, 0]);
  });

  it("ends the look where the store is away: the next one tries again", async () => {
    failure = new StoreError("STATE_STORE_UNAVAILABLE", "as told");
    await expect(mends.open()).rejects.toBe(failure);
    expect(tracked.state.get("group", "grp1")?.memberCount).toBe(3);
  });
});

it("writes nothing where nothing is wrong, and once where two gateways look", async () => {
  const store = new MemoryStore();
  const one = await openTracked({ store, clock: new FakeClock() });
  const two = await openTracked(one);
  await one.track([aContainerRecord(), aContainerRecord({ id: "other" })]);
  await change(one, (draft) => draft.put("tombstone", key, tombstoneOf()));
  const count = store.commits.length;
  const both = [one, two].map((seat) => new Mends({ ...seat, logger: silentLogger }));
  await Promise.all(both.map((each) => each.open()));
  expect(store.commits.length).toBe(count + 1);
  for (const each of both) await each.close();
  for (const seat of [one, two]) await seat.close();
});

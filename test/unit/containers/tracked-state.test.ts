import { expect, it } from "@jest/globals";
import { change } from "../../../src/containers/change.js";
import { enterGroup, leaveGroup } from "../../../src/containers/membership.js";
import { write } from "../../../src/containers/records.js";
import { TrackedState } from "../../../src/containers/tracked-state.js";
import { silentLogger } from "../../../src/observability/logger.js";
import { RecordView } from "../../../src/store/view.js";
import { systemClock } from "../../../src/system/clock.js";
import { FakeClock } from "../../support/fake-clock.js";
import { MemoryStore } from "../../support/memory-store.js";
import { aContainerRecord, openTracked, someNode } from "../../support/tracked.js";

it("indexes what is committed while it is built, once", async () => {
  const store = new MemoryStore();
  const put = async (operationId: string, ids: readonly string[], removed: readonly string[] = []) => {
    const records = ids.map((id) => ({
      key: `c/${id}`,
      value: write("container", aContainerRecord({ id })),
    }));
    const gone = removed.map((id) => `c/${id}`);
    const result = await store.commit({ operationId, expect: [], put: records, delete: gone });
    if (result.kind !== "committed") throw new Error("the commit was refused");
    return result.revision;
  };
  await put("before", ["one", "two", "three", "four"]);
  const view = await RecordView.open(store, silentLogger);
  // A slice is over after each record.
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => (nowMs += 10) };
  const opening = TrackedState.open(view, clock);
  await put("meanwhile", ["one", "five"], ["two", "four"]);
  const state = await opening;
  await state.reached(await put("after", ["six"]));
  const left = ["five", "one", "six", "three"];
  expect(state.names).toEqual(left.map((id) => `nodes/${someNode.host}:8088/containers/${id}`));
  expect(state.containerCount).toBe(4);
  expect([...state.all("container")].map(({ id }) => id).sort()).toEqual(left);
  await view.close();
});

it("shows the members of a group in the order in which they came, after each change", async () => {
  const tracked = await openTracked();
  const { state } = tracked;
  const [first = "", second = ""] = await tracked.track([
    aContainerRecord({ id: "zzz" }),
    aContainerRecord({ id: "aaa" }),
  ]);
  const member = (key: string) => ({ key, address: someNode, id: key });

  await change(tracked, (draft) =>
    draft.put("group", "grp1", { id: "grp1", createTimeMs: 1, memberCount: 0, changeCount: 0 }),
  );
  expect(state.membersOf("grp1")).toEqual([]);
  await change(tracked, (draft) => enterGroup(draft, "grp1", [member(first)]));
  expect(state.membersOf("grp1")).toEqual([first]);
  await change(tracked, (draft) => enterGroup(draft, "grp1", [member(second)]));
  expect(state.membersOf("grp1")).toEqual([first, second]);
  await change(tracked, (draft) => leaveGroup(draft, "grp1", [member(first)]));
  expect(state.membersOf("grp1")).toEqual([second]);
  expect(state.isMember("grp1", first)).toBe(false);
  await tracked.close();
});

it("goes on beside a record that is none of ours, and does not begin with one", async () => {
  const tracked = await openTracked();
  const { store, state } = tracked;
  const heard: unknown[] = [];
  state.subscribe(() => {
    throw new Error("as told");
  });
  state.subscribe(({ kind }) => heard.push(kind));
  const values = [
    { key: "m/foreign", value: {} },
    { key: "c/foreign", value: { address: null } },
    { key: "c/ours", value: write("container", aContainerRecord({ id: "ours" })) },
  ];
  await store.commit({ operationId: "foreign", expect: [], put: values, delete: [] });
  await tracked.track([aContainerRecord({ id: "next" })]);
  const shown = ["next", "ours"].map((id) => `nodes/${someNode.host}:8088/containers/${id}`);
  expect([state.names, heard]).toEqual([shown, ["changed", "changed"]]);
  await tracked.close();
  await expect(openTracked({ store, clock: new FakeClock() })).rejects.toMatchObject({
    reason: "STATE_UNREADABLE",
    metadata: { key: "m/foreign" },
  });
});

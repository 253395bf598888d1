/** The state takes a commit and its answer is lost: what was written down is not done a second time. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { settleCreated, settleUnanswered } from "../../../../src/containers/life/intents.js";
import type { Commit, CommitResult } from "../../../../src/store/contract.js";
import { StoreError } from "../../../../src/store/errors.js";
import { type ContainersRoom, openContainersRoom, untilOver } from "../../../support/containers-room.js";
import { MemoryStore } from "../../../support/memory-store.js";
import { aNodeContainer } from "../../../support/peers.js";
import { aContainerRecord, anIntent, openTracked, type Tracked } from "../../../support/tracked.js";

/** Takes a commit and does not say so, once. */
class SilentOnceStore extends MemoryStore {
  isSilentOn: (commit: Commit) => boolean = () => false;
  lostCount = 0;

  override async commit(commit: Commit): Promise<CommitResult> {
    const result = await super.commit(commit);
    if (this.lostCount > 0 || !this.isSilentOn(commit)) return result;
    this.lostCount += 1;
    throw new StoreError("STATE_STORE_UNAVAILABLE", "no answer came");
  }
}

let room: ContainersRoom | undefined;
let tracked: Tracked | undefined;
afterEach(async () => {
  await room?.close();
  await tracked?.close();
  [room, tracked] = [undefined, undefined];
});

describe("a commit whose answer is lost", () => {
  it("of a creation leaves one tracked container, which the caller gets", async () => {
    const store = new SilentOnceStore();
    store.isSilentOn = ({ put }) => put.some(({ key }) => key.startsWith("c/"));
    room = await openContainersRoom({ store, machineCount: 1 });
    const placement = { case: "node" as const, value: room.nodes[0] ?? "" };
    const call = room.api.createContainer({ placement, requestId: "3f0c5f4e-8f1c-4f4e-9d55-0a4c6a2f7b11" });
    const { container } = await untilOver(room, call);
    expect(store.lostCount).toBe(1);
    const { containers } = await room.api.listContainers({});
    expect(containers.map(({ name }) => name)).toEqual([container?.name]);
  });

  it("of a removal is a removal that went well", async () => {
    const store = new SilentOnceStore();
    room = await openContainersRoom({ store, machineCount: 1 });
    const placement = { case: "node" as const, value: room.nodes[0] ?? "" };
    const { container } = await room.api.createContainer({ placement });
    store.isSilentOn = (commit) => commit.delete.some((key) => key.startsWith("c/"));
    const call = room.api.removeContainer({ container: container?.name ?? "" });
    const removed = await untilOver(room, call);
    expect(store.lostCount).toBe(1);
    expect(removed.container?.name).toBe(container?.name);
    expect((await room.api.listContainers({})).containers).toEqual([]);
  });

  it("of a creation does not bring back a container that was removed meanwhile", async () => {
    tracked = await openTracked();
    const [key = ""] = await tracked.track([aContainerRecord()]);
    await tracked.remove(key);
    const described = { ...aNodeContainer(), id: "abc" };
    await change(tracked, (draft) => settleCreated(draft, anIntent(), described, ""));
    expect(tracked.state.get("container", key)).toBeUndefined();
    expect(tracked.state.get("tombstone", key)).toBeDefined();
  });
});

describe("a creation that another gateway showed as UNKNOWN, and a caller closed", () => {
  it("stays closed when no answer of the node comes", async () => {
    tracked = await openTracked();
    await change(tracked, (draft) => settleUnanswered(draft, anIntent(), new Error("reset")));
    expect(tracked.state.get("intent", "int1")).toBeUndefined();
  });

  it("is tracked all the same when its node names the container", async () => {
    tracked = await openTracked();
    const described = { ...aNodeContainer(), id: "abc" };
    await change(tracked, (draft) => settleCreated(draft, anIntent(), described, ""));
    expect(tracked.state.get("container", tracked.keyOf())).toBeDefined();
  });
});

/** What a removal must not overtake: a change of the groups that its etag tells of, and the end of the gateway. */
import { afterEach, describe, expect, it } from "@jest/globals";
import type { Commit, CommitResult } from "../../../../src/store/contract.js";
import { failureOf } from "../../../support/container-bench.js";
import {
  type ContainersRoom,
  openContainersRoom,
  type RoomOptions,
} from "../../../support/containers-room.js";
import { MemoryStore } from "../../../support/memory-store.js";

let room: ContainersRoom;
afterEach(() => room.close());

/** A store in which somebody comes first, once. */
class OvertakenStore extends MemoryStore {
  comesFirst: (() => Promise<unknown>) | undefined;

  override async commit(commit: Commit): Promise<CommitResult> {
    const first = this.comesFirst;
    this.comesFirst = undefined;
    await first?.();
    return await super.commit(commit);
  }
}

async function openWithContainer(options: RoomOptions): Promise<string> {
  room = await openContainersRoom({ machineCount: 1, ...options });
  const placement = { case: "node" as const, value: room.nodes[0] ?? "" };
  return (await room.api.createContainer({ placement })).container?.name ?? "";
}

const removedIds = (): readonly string[] => room.machines.flatMap(({ removals }) => removals);

describe("a removal guarded by an etag", () => {
  it("asks no node if the container joins a group while it begins", async () => {
    const store = new OvertakenStore();
    const name = await openWithContainer({ store });
    const etag = (await room.api.getContainer({ container: name })).container?.etag ?? "";
    store.comesFirst = () => room.api.createGroup({ containers: [name] });
    expect(await failureOf(room.api.removeContainer({ container: name, etag }))).toMatchObject({
      reason: "ETAG_MISMATCH",
      metadata: { container: name },
    });
    expect(removedIds()).toEqual([]);
  });
});

describe("RemoveGroup with remove_containers", () => {
  it("ends the group also if others take a member away while it comes to it", async () => {
    const store = new OvertakenStore();
    const name = await openWithContainer({ store });
    const group = (await room.api.createGroup({ containers: [name] })).group?.name ?? "";
    store.comesFirst = () => room.api.removeContainer({ container: name, forgetOnly: true });
    const answer = await room.api.removeGroup({ group, removeContainers: true });
    expect([answer.removed, answer.results.map(({ code }) => code)]).toEqual([true, [0]]);
    expect((await failureOf(room.api.getGroup({ group }))).reason).toBe("GROUP_NOT_FOUND");
    expect(removedIds()).toEqual([]);
  });

  it("is refused once the gateway drains, and asks no node", async () => {
    const drain = new AbortController();
    const name = await openWithContainer({ draining: drain.signal });
    const { group } = await room.api.createGroup({ containers: [name] });
    drain.abort();
    const call = room.api.removeGroup({ group: group?.name ?? "", removeContainers: true });
    expect((await failureOf(call)).reason).toBe("DRAINING");
    expect(removedIds()).toEqual([]);
    expect((await room.api.getGroup({ group: group?.name ?? "" })).group?.containers).toEqual([name]);
  });

  it("leaves the members that it has not come to when the gateway drains, and says so of each", async () => {
    const drain = new AbortController();
    const first = await openWithContainer({ draining: drain.signal });
    const names = [first];
    const placement = { case: "node" as const, value: room.nodes[0] ?? "" };
    while (names.length < 12)
      names.push((await room.api.createContainer({ placement })).container?.name ?? "");
    const { group } = await room.api.createGroup({ containers: names });
    const [machine] = room.machines;
    if (machine !== undefined)
      machine.turnsOf = () => {
        drain.abort();
        return 1;
      };
    const answer = await room.api.removeGroup({ group: group?.name ?? "", removeContainers: true });
    expect(answer.removed).toBe(false);
    const reasons = answer.results.map(({ error }) => error?.reason ?? "");
    expect(reasons.filter((reason) => reason === "").length).toBe(removedIds().length);
    expect(reasons.filter((reason) => reason === "DRAINING").length).toBe(12 - removedIds().length);
    expect(removedIds().length).toBeLessThan(12);
    expect(answer.group?.containers.length).toBe(12 - removedIds().length);
  });
});

/** Request ids of plugin runs, among gateways that share a state. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { containerLimits } from "../../../../src/containers/limits.js";
import { type ContainersRoom, openContainersRoom } from "../../../support/containers-room.js";
import { MemoryStore } from "../../../support/memory-store.js";

let store: MemoryStore;
let rooms: ContainersRoom[];
let first: ContainersRoom;
let second: ContainersRoom;

async function open(gatewayNumber: number, isShared = true): Promise<ContainersRoom> {
  const room = await openContainersRoom({ store, isShared, machineCount: 1, gatewayNumber });
  rooms.push(room);
  return room;
}

beforeEach(async () => {
  [store, rooms] = [new MemoryStore(), []];
  [first, second] = [await open(0), await open(1)];
});
afterEach(async () => {
  for (const room of rooms) await room.close();
});

const take = ({ service }: ContainersRoom, hash = "hash", validateOnly = false): Promise<boolean> =>
  service.takeRunRequest("one", hash, validateOnly);

describe("the request id of a run", () => {
  it("is taken by one gateway, which may begin the run again, and by no other one", async () => {
    expect(await take(first)).toBe(true);
    expect([await take(second), await take(second, "hash", true)]).toEqual([false, false]);
    expect(await take(first)).toBe(true);
  });

  it("is taken by one of those that ask at once", async () => {
    const taken = await Promise.all([take(first), take(second), take(first), take(second)]);
    expect(taken[0]).toBe(taken[2]);
    expect(taken[1]).toBe(taken[3]);
    expect(taken[0]).not.toBe(taken[1]);
  });

  it("is that of other arguments nowhere", async () => {
    await take(first);
    for (const room of [first, second])
      await expect(take(room, "other")).rejects.toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  it("is not taken by who only checks", async () => {
    expect(await take(first, "hash", true)).toBe(true);
    expect(await take(second, "other")).toBe(true);
  });

  it("is free again when its gateway gives it back, and only that one can", async () => {
    await take(first);
    await second.service.freeRunRequest("one");
    expect(await take(second)).toBe(false);
    await first.service.freeRunRequest("one");
    expect(await take(second)).toBe(true);
  });

  it("is free again after 24 hours", async () => {
    await take(first);
    await second.clock.advance(containerLimits.requestIdKeptMs);
    expect(await take(second, "other")).toBe(true);
  });

  it("is no creation's and no group's", async () => {
    await first.api.createGroup({ requestId: "one" });
    expect(await take(second)).toBe(true);
  });

  it("belongs to the gateways that come after one another on a base folder", async () => {
    await take(first);
    expect(await take(await open(2, false))).toBe(true);
  });
});

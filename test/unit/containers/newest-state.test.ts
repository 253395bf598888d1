/** What another gateway has confirmed, and this one does not show yet: no change is refused for that, and none passes over it. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { WaitContainerRequest_Condition } from "../../../src/gen/p2prc/client/v1/container_pb.js";
import { StoreError } from "../../../src/store/errors.js";
import { type Api, refusal } from "../../support/container-bench.js";
import { type ContainersRoom, openContainersRoom } from "../../support/containers-room.js";
import { settle } from "../../support/fake-clock.js";
import { Seat } from "../../support/losing-store.js";
import { MemoryStore } from "../../support/memory-store.js";

let first: ContainersRoom;
let second: ContainersRoom;
let seat: Seat;
beforeEach(async () => {
  const store = new MemoryStore();
  seat = new Seat(store);
  first = await openContainersRoom({ store, isShared: true, machineCount: 1 });
  const { machines } = first;
  second = await openContainersRoom({ store: seat, isShared: true, machines, gatewayNumber: 1 });
});
afterEach(async () => {
  seat.release();
  await first.close();
  await second.close();
});

const create = async (spec: { readonly portCount?: number } = {}): Promise<string> => {
  const placement = { case: "node" as const, value: first.nodes[0] ?? "" };
  return (await first.api.createContainer({ placement, spec })).container?.name ?? "";
};
const group = async (...containers: readonly string[]): Promise<string> =>
  (await first.api.createGroup({ containers: [...containers] })).group?.name ?? "";

/** Asks the second gateway, which hears only then of what the first has done. */
async function later<T>(ask: (api: Api) => Promise<T>): Promise<T> {
  const asking = ask(second.api);
  asking.catch(() => undefined);
  await settle();
  seat.release();
  return await asking;
}

describe("at a gateway that hears late", () => {
  it.each<[string, (api: Api, container: string, group: string) => Promise<unknown>]>([
    ["shown", (api, container) => api.getContainer({ container })],
    ["told how to log in to", (api, container) => api.getContainerAccess({ container })],
    ["shown in its group", (api, _, name) => api.getGroup({ group: name })],
  ])("a container made elsewhere is %s", async (_, ask) => {
    seat.hold();
    const one = await create();
    const made = await group(one);
    await later((api) => ask(api, one, made));
  });

  it("a removal elsewhere, of a container made elsewhere, can be waited for", async () => {
    seat.hold();
    const container = await create();
    await first.api.removeContainer({ container });
    const condition = WaitContainerRequest_Condition.REMOVED;
    expect((await later((api) => api.waitContainer({ container, condition }))).met).toBe(true);
  });

  it("a port of a container made elsewhere is asked of its node", async () => {
    seat.hold();
    const value = await create();
    const target = { case: "container" as const, value };
    // The node was asked; the machines of this room have no answer to that.
    expect((await refusal(later((api) => api.mapPort({ target, port: 22 })))).reason).toBe(
      "MAP_OUTCOME_UNKNOWN",
    );
  });

  it("a request id that was used elsewhere is known to who only checks", async () => {
    seat.hold();
    const asked = { placement: { case: "node" as const, value: first.nodes[0] ?? "" }, requestId: "one" };
    const { container } = await first.api.createContainer(asked);
    const checked = await later((api) => api.createContainer({ ...asked, validateOnly: true }));
    expect([checked.container?.name, checked.replayed]).toEqual([container?.name, true]);
  });

  it("a creation in a group made elsewhere can be checked", async () => {
    seat.hold();
    const made = await group();
    const placement = { case: "node" as const, value: first.nodes[0] ?? "" };
    const checked = await later((api) => api.createContainer({ placement, group: made, validateOnly: true }));
    expect(checked.container?.groups).toEqual([made]);
  });

  it("no port is asked for of a container that is removed elsewhere", async () => {
    const value = await create();
    await second.quiet();
    seat.hold();
    await first.api.removeContainer({ container: value });
    const target = { case: "container" as const, value };
    expect((await refusal(later((api) => api.mapPort({ target, port: 22 })))).reason).toBe(
      "CONTAINER_NOT_TRACKED",
    );
  });

  it("a port is asked for while the store does not answer", async () => {
    const value = await create();
    await second.quiet();
    seat.head = () => Promise.reject(new StoreError("STATE_STORE_UNAVAILABLE", "away"));
    const target = { case: "container" as const, value };
    expect((await refusal(second.api.mapPort({ target, port: 22 }))).reason).toBe("MAP_OUTCOME_UNKNOWN");
  });

  it("members that joined elsewhere are shown to who is about to work on them", async () => {
    const made = await group();
    await second.quiet();
    seat.hold();
    const one = await create();
    await first.api.addContainersToGroup({ group: made, containers: [one] });
    const members = await later(async () => {
      await second.service.catchUp();
      return (await second.service.getGroup(made)).group.containers;
    });
    expect(members).toEqual([one]);
  });

  it("ports that are freed elsewhere can be taken", async () => {
    const name = await create({ portCount: 2 });
    const taken = await first.service.takePorts(name, 2);
    await second.quiet();
    seat.hold();
    await first.service.freePorts(name, taken);
    expect(await later(() => second.service.takePorts(name, 2))).toEqual(taken);
  });

  it("what is missing is said to be so while the store does not answer", async () => {
    seat.head = () => Promise.reject(new StoreError("STATE_STORE_UNAVAILABLE", "away"));
    const container = `${first.nodes[0] ?? ""}/containers/abcdef`;
    expect((await refusal(second.api.getContainer({ container }))).reason).toBe("CONTAINER_NOT_TRACKED");
  });

  it("whoever waits in vain for what others have made is told that nothing was done", async () => {
    seat.hold();
    const made = await group();
    const away = (): never => {
      throw new StoreError("STATE_STORE_UNAVAILABLE", "away");
    };
    Object.assign(seat, { load: away, get: away, changes: away });
    const ending = refusal(second.api.removeGroup({ group: made }));
    await settle();
    // What is on its way to this gateway goes with the store.
    seat.noteLoss();
    seat.release();
    await second.clock.advance(11_000);
    expect(await ending).toEqual({
      reason: "STATE_STORE_UNAVAILABLE",
      metadata: { outcome: "not_done" },
    });
  });

  it("a group made elsewhere can be ended", async () => {
    seat.hold();
    const made = await group();
    expect((await later((api) => api.removeGroup({ group: made }))).removed).toBe(true);
  });

  it("a group is ended together with the member that joined last", async () => {
    const [one, two] = [await create(), await create()];
    const made = await group(one);
    await second.quiet();
    seat.hold();
    await first.api.addContainersToGroup({ group: made, containers: [two] });
    const answer = await later((api) => api.removeGroup({ group: made, removeContainers: true }));
    expect([answer.removed, answer.results.map(({ target }) => target)]).toEqual([true, [one, two]]);
    expect((await second.api.listContainers({})).containers).toEqual([]);
  });

  it("the newest etag of a group is taken", async () => {
    const [one, two] = [await create(), await create()];
    const made = await group();
    await second.quiet();
    seat.hold();
    const changed = await first.api.addContainersToGroup({ group: made, containers: [one] });
    const etag = changed.group?.etag ?? "";
    const answer = await later((api) => api.addContainersToGroup({ group: made, containers: [two], etag }));
    expect(answer.group?.containers).toEqual([one, two]);
  });

  it.each([[false], [true]])(
    "the newest etag of a container is taken, forget_only %s",
    async (forgetOnly) => {
      const one = await create();
      await second.quiet();
      seat.hold();
      await group(one);
      const etag = (await first.api.getContainer({ container: one })).container?.etag ?? "";
      await later((api) => api.removeContainer({ container: one, etag, forgetOnly }));
      expect((await second.api.listContainers({})).containers).toEqual([]);
    },
  );
});

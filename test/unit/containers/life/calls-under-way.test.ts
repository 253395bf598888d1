/** How many calls to nodes there are at once, and which of them the end of a gateway waits for. */
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "@jest/globals";
import { containerLimits } from "../../../../src/containers/limits.js";
import type { RemoveAnswer } from "../../../../src/peer-api/contract.js";
import type { Commit, CommitResult } from "../../../../src/store/contract.js";
import { StoreError } from "../../../../src/store/errors.js";
import { type Api, refusal } from "../../../support/container-bench.js";
import {
  type ContainersRoom,
  openContainersRoom,
  RoomClock,
  untilOver,
} from "../../../support/containers-room.js";
import { DevnetMachine } from "../../../support/devnet-machine.js";
import { MemoryStore } from "../../../support/memory-store.js";

/** Has no room for containers while it is full; intents fit. */
class FullStore extends MemoryStore {
  isFull = false;

  override async commit(commit: Commit): Promise<CommitResult> {
    const tracks = commit.put.some(({ key }) => key.startsWith("c/"));
    if (this.isFull && tracks) throw new StoreError("DISK_FULL", "full");
    return await super.commit(commit);
  }
}

/** Runs something between a commit and its answer. */
class WaitingStore extends MemoryStore {
  beforeAnswer: (() => void) | undefined;

  override async commit(commit: Commit): Promise<CommitResult> {
    const result = await super.commit(commit);
    this.beforeAnswer?.();
    return result;
  }
}

/** Takes its time for a removal. */
class SlowMachine extends DevnetMachine {
  readonly #clock: RoomClock;
  readonly #removeMs: number;

  constructor(host: string, clock: RoomClock, removeMs: number) {
    super(host);
    this.#clock = clock;
    this.#removeMs = removeMs;
  }

  override async remove(id: string): Promise<RemoveAnswer> {
    await new Promise<void>((resolve) => void this.#clock.after(this.#removeMs, resolve));
    return await super.remove(id);
  }
}

let room: ContainersRoom;
afterEach(() => room.close());

const placed = () => ({ placement: { case: "node" as const, value: room.nodes[0] ?? "" } });

describe("creations at once", () => {
  it("are as many as the limit allows, also where all of them begin in one moment", async () => {
    const { maxCreates } = containerLimits;
    const machine = new DevnetMachine("45.0.0.1");
    machine.turnsOf = () => 200;
    room = await openContainersRoom({ machines: [machine] });
    const calls = Array.from({ length: maxCreates + 3 }, () => room.api.createContainer(placed()));
    const settled = await Promise.allSettled(calls);
    expect(settled.filter(({ status }) => status === "fulfilled").length).toBe(maxCreates);
    const refused = calls.filter((_, n) => settled[n]?.status === "rejected");
    for (const call of refused) expect((await refusal(call)).reason).toBe("TOO_MANY_CREATES");
    expect(machine.creates).toHaveLength(maxCreates);
    await room.api.createContainer(placed());
  });
});

describe("a caller who leaves before the node is asked", () => {
  it.each([
    ["without a request id has nothing asked for, and leaves nothing behind", "", 0],
    ["with a request id gets its container: it can come back for it", "one", 1],
  ])("%s", async (_, requestId, creates) => {
    const store = new WaitingStore();
    room = await openContainersRoom({ store, machineCount: 1 });
    const leaving = new AbortController();
    store.beforeAnswer = () => leaving.abort();
    const call = room.api.createContainer({ ...placed(), requestId }, { signal: leaving.signal });
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await room.quiet();
    expect(room.machines.flatMap((machine) => machine.creates)).toHaveLength(creates);
    expect((await room.api.listContainers({})).containers).toHaveLength(creates);
  });
});

describe("a gateway that ends", () => {
  it("asks no node for a creation that was still on its way to the disk, and leaves nothing of it", async () => {
    const store = new WaitingStore();
    const draining = new AbortController();
    room = await openContainersRoom({ store, machineCount: 1, draining: draining.signal });
    store.beforeAnswer = () => draining.abort();
    const call = room.api.createContainer({ ...placed(), requestId: "one" });
    expect((await refusal(call)).reason).toBe("DRAINING");
    expect(room.machines.flatMap((machine) => machine.creates)).toEqual([]);
    const { records } = await store.load();
    expect([...records.keys()].filter((key) => /^[ir]\//.test(key))).toEqual([]);
  });

  it.each<[string, (api: Api, container: string, etag: string) => Promise<unknown>]>([
    ["a removal", (api, container, etag) => api.removeContainer({ container, etag })],
    [
      "the removal of a container that is not tracked",
      (api, container) => api.removeContainer({ container: `${container}x` }),
    ],
    ["a forgetting", (api, container, etag) => api.removeContainer({ container, etag, forgetOnly: true })],
    [
      "a port",
      (api, value) => api.mapPort({ target: { case: "container", value }, port: 22, domainName: "" }),
    ],
  ])("asks no node for %s that was still waiting for the newest state", async (_, ask) => {
    const store = new MemoryStore();
    const draining = new AbortController();
    room = await openContainersRoom({ store, machineCount: 1, draining: draining.signal });
    const { container } = await room.api.createContainer(placed());
    const before = await store.head();
    store.head = () => {
      draining.abort();
      return Promise.resolve(before);
    };
    const call = ask(room.operator, container?.name ?? "", container?.etag ?? "");
    expect((await refusal(call)).reason).toBe("DRAINING");
    expect(room.machines.flatMap(({ removals }) => removals)).toEqual([]);
    expect((await room.api.listContainers({})).containers).toHaveLength(1);
  });

  it("waits for a container to be written down, though its caller was told already that this takes long", async () => {
    const store = new FullStore();
    room = await openContainersRoom({ store, machineCount: 1 });
    store.isFull = true;
    const requestId = "3f0c5f4e-8f1c-4f4e-9d55-0a4c6a2f7b11";
    const call = refusal(room.api.createContainer({ ...placed(), requestId }));
    expect((await untilOver(room, call)).reason).toBe("DISK_FULL");
    const ending = room.stop();
    await room.clock.advance(containerLimits.drainMs / 2);
    store.isFull = false;
    await untilOver(room, ending);
    const { records } = await store.load();
    expect([...records.keys()].filter((key) => key.startsWith("c/"))).toHaveLength(1);
  });

  it("waits for its operator's removal of a container that is not tracked", async () => {
    const clock = new RoomClock();
    const machine = new SlowMachine("45.0.0.1", clock, containerLimits.drainMs - 1_000);
    room = await openContainersRoom({ clock, machines: [machine] });
    const call = room.operator.removeContainer({ container: `${room.nodes[0] ?? ""}/containers/abcdef` });
    let isAnswered = false;
    const answered = refusal(call).finally(() => (isAnswered = true));
    await clock.advance(0);
    await untilOver(room, room.stop());
    expect(isAnswered).toBe(true);
    expect((await answered).reason).toBe("REMOVE_FAILED");
  });
});

/** Watch: what it tells, in which order, and to whom it stops telling. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import {
  Change_Type,
  WatchRequest_Kind,
  type WatchResponse,
  WatchResponse_Type,
} from "../../src/gen/p2prc/client/v1/watch_pb.js";
import type { WatchMessage } from "../../src/containers/contract.js";
import { containerLimits } from "../../src/containers/limits.js";
import { type Api, at, refusal } from "../support/container-bench.js";
import { type ContainersRoom, openContainersRoom, type RoomOptions } from "../support/containers-room.js";
import type { ChangeSet, StateStore } from "../../src/store/contract.js";
import { settle } from "../support/fake-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openTemporaryStore, type TemporaryStore } from "../support/state-store.js";
import { WatchTap } from "../support/watch-tap.js";

const rooms: ContainersRoom[] = [];
const stores: TemporaryStore[] = [];
afterEach(async () => {
  for (const room of rooms.splice(0)) await room.close();
  for (const store of stores.splice(0)) await store.destroy();
});

async function aRoom(options: RoomOptions = {}): Promise<ContainersRoom> {
  const room = await openContainersRoom(options);
  rooms.push(room);
  return room;
}

async function aRoomOnDisk(historyCommits?: number): Promise<ContainersRoom> {
  const history =
    historyCommits === undefined ? {} : { history: { commits: historyCommits, bytes: 2 ** 24 } };
  const temporary = await openTemporaryStore(history);
  stores.push(temporary);
  return await aRoom({ store: temporary.store });
}

async function made({ api, nodes }: ContainersRoom, labels: Record<string, string> = {}): Promise<string> {
  return (await api.createContainer({ ...at(nodes[0] ?? ""), spec: { labels } })).container?.name ?? "";
}

/** What a stream says until enough of it came. */
async function until(
  stream: AsyncIterable<WatchResponse>,
  isEnough: (message: WatchResponse) => boolean,
): Promise<readonly WatchResponse[]> {
  const messages: WatchResponse[] = [];
  for await (const message of stream) {
    messages.push(message);
    if (isEnough(message)) break;
  }
  return messages;
}

/** Tells of commits only when it is let. */
class Latecomer implements StateStore {
  isHeld = false;
  readonly #store: StateStore;
  #wake: () => void = () => undefined;

  constructor(store: StateStore) {
    this.#store = store;
  }

  release(): void {
    this.isHeld = false;
    this.#wake();
  }

  async *changes(after: string, signal: AbortSignal): AsyncIterable<ChangeSet> {
    for await (const changeSet of this.#store.changes(after, signal)) {
      if (this.isHeld) await new Promise<void>((resolve) => (this.#wake = resolve));
      yield changeSet;
    }
  }

  load: StateStore["load"] = () => this.#store.load();
  head: StateStore["head"] = () => this.#store.head();
  get: StateStore["get"] = (key) => this.#store.get(key);
  commit: StateStore["commit"] = (commit) => this.#store.commit(commit);
  close: StateStore["close"] = () => this.#store.close();
}

const told = ({ changes }: WatchResponse): string[] =>
  changes.map(({ type, item, previous }) =>
    [Change_Type[type], item.case, previous.value === undefined ? "new" : "known"].join(" "),
  );

describe("what exists", () => {
  it("is told as it was in one moment, in parts, while commits go on", async () => {
    const room = await aRoom();
    const { api } = room;
    const names: string[] = [];
    const filler = "x".repeat(1_900);
    for (let n = 0; n < 600; n += 1) names.push(await made(room, { filler }));
    names.sort();
    const { group } = await api.createGroup({ containers: names.slice(0, 2) });
    const tap = new WatchTap(api);
    const messages: WatchResponse[] = [];
    const stream = api.watch({ sendInitialState: true });
    const { revision } = await api.listContainers({ pageSize: 1 });
    for await (const message of stream) {
      messages.push(message);
      tap.take(message);
      const parts = messages.filter(({ type }) => type === WatchResponse_Type.INITIAL).length;
      if (messages.length === 1) {
        // After the first part: the last ones of the list go, come into a group, or are new.
        await api.removeContainer({ container: names.at(-1) ?? "" });
        await api.addContainersToGroup({ group: group?.name ?? "", containers: names.slice(-3, -1) });
        await made(room);
      }
      if (message.type === WatchResponse_Type.INITIAL_DONE) {
        expect(parts).toBeGreaterThanOrEqual(2);
        expect(message.revision).toBe(revision);
        expect([...tap.seen.keys()].sort()).toEqual([...names, group?.name].sort());
      }
      if (
        messages
          .at(-1)
          ?.changes.some(
            ({ item }) =>
              item.case === "container" && !names.includes(item.value.name) && item.value.id !== "",
          ) === true
      )
        break;
    }
    const listed = await api.listContainers({ pageSize: 1_000 });
    expect([...tap.seen.keys()].sort()).toEqual(
      [...listed.containers.map(({ name }) => name), group?.name].sort(),
    );
  });

  it("is told through the filters only, and by kind", async () => {
    const room = await aRoom();
    const render = await made(room, { role: "render" });
    await made(room, { role: "train" });
    const { group } = await room.api.createGroup({ containers: [render] });
    await room.api.createGroup({});
    const begin = async (request: object): Promise<string[]> =>
      (
        await until(
          room.api.watch({ sendInitialState: true, ...request }),
          ({ type }) => type === WatchResponse_Type.INITIAL_DONE,
        )
      ).flatMap(({ changes }) => changes.map(({ item }) => item.value?.name ?? ""));
    expect(
      await begin({ containerFilter: "spec.labels.role = render", groupFilter: "container_count > 0" }),
    ).toEqual([group?.name, render]);
    expect(
      await begin({ kinds: [WatchRequest_Kind.CONTAINER], containerFilter: "spec.labels.role = render" }),
    ).toEqual([render]);
    expect(await begin({ kinds: [WatchRequest_Kind.GROUP] })).toHaveLength(2);
  });
});

describe("a commit", () => {
  it("is one message, however much it changes", async () => {
    const room = await aRoom();
    const names = [await made(room), await made(room), await made(room)];
    const { group } = await room.api.createGroup({ containers: names });
    const { revision } = await room.api.listGroups({});
    await room.api.removeGroup({ group: group?.name ?? "" });
    const [message] = await until(room.api.watch({ startRevision: revision }), () => true);
    expect(told(message!).sort()).toEqual([
      "MODIFIED container known",
      "MODIFIED container known",
      "MODIFIED container known",
      "REMOVED group known",
    ]);
  });

  it("that takes something out of the filter removes it, and one that brings it in adds it", async () => {
    const room = await aRoom();
    const name = await made(room);
    const { group } = await room.api.createGroup({});
    const asked = { group: group?.name ?? "", containers: [name] };
    const { revision } = await room.api.listGroups({});
    await room.api.addContainersToGroup(asked);
    await room.api.removeContainersFromGroup(asked);
    room.machines[0]!.removeFault = "stuck-remove";
    await room.api.removeContainer({ container: name }).catch(() => undefined);
    const watch = async (request: object, count: number): Promise<string[][]> => {
      let left = count;
      const stream = room.api.watch({ startRevision: revision, ...request });
      return (await until(stream, () => (left -= 1) === 0)).map(told);
    };
    const kinds = [WatchRequest_Kind.CONTAINER];
    expect(await watch({ kinds, containerFilter: `groups:"grp"` }, 2)).toEqual([
      ["ADDED container new"],
      ["REMOVED container known"],
    ]);
    expect(await watch({ kinds, containerFilter: "state = ACTIVE" }, 3)).toEqual([
      ["MODIFIED container known"],
      ["MODIFIED container known"],
      ["REMOVED container known"],
    ]);
    expect(await watch({ kinds: [WatchRequest_Kind.GROUP], groupFilter: "container_count = 0" }, 2)).toEqual([
      ["REMOVED group known"],
      ["ADDED group new"],
    ]);
  });
});

describe("a bookmark", () => {
  it("comes when nothing passes the filter, and can be resumed from", async () => {
    const room = await aRoom();
    const seconds = { seconds: 1n, nanos: 0 };
    const leaving = new AbortController();
    const stream = room.api.watch(
      {
        containerFilter: "spec.gpu = true",
        kinds: [WatchRequest_Kind.CONTAINER],
        heartbeatInterval: seconds,
      },
      { signal: leaving.signal },
    );
    const messages = until(stream, () => true);
    await settle();
    const name = await made(room);
    const { revision } = await room.api.listContainers({});
    // The room's clock stands still but for this.
    await room.clock.advance(1_000);
    const [bookmark] = await messages;
    expect([bookmark?.type, bookmark?.changes, bookmark?.revision]).toEqual([
      WatchResponse_Type.BOOKMARK,
      [],
      revision,
    ]);
    await room.api.removeContainer({ container: name, forgetOnly: true });
    const [next] = await until(room.api.watch({ startRevision: bookmark?.revision ?? "" }), () => true);
    expect(told(next!)).toEqual(["REMOVED container known"]);
  });
});

describe("a watcher that comes back", () => {
  it("again and again is told each commit once, in order, while others go on", async () => {
    const room = await aRoomOnDisk();
    const steady = new WatchTap(room.api);
    steady.connect();
    const restless = Array.from({ length: 4 }, () => new WatchTap(room.api));
    for (const tap of restless) tap.connect();
    await settle();
    let isOver = false;
    const moving = restless.map(async (tap) => {
      while (!isOver) {
        const turns = Math.floor(Math.random() * 8);
        for (let turn = 0; turn < turns; turn += 1) await settle();
        await tap.disconnect();
        tap.connect();
      }
    });
    const names: string[] = [];
    for (let round = 0; round < 40; round += 1) {
      const more = await Promise.all([made(room), made(room)]);
      names.push(...more);
      await room.api.createGroup({ containers: more });
      const old = names.length > 8 ? names.shift() : undefined;
      if (old !== undefined) await room.api.removeContainer({ container: old });
    }
    isOver = true;
    await Promise.all(moving);
    const last = (await room.api.listContainers({})).revision;
    const numberOf = (revision: string | undefined): number => Number(revision?.split("-")[0]);
    for (const tap of [steady, ...restless]) {
      tap.connect();
      while (numberOf(tap.commits.at(-1)) < numberOf(last)) {
        tap.requireSound();
        await settle();
      }
      await tap.disconnect();
    }
    expect(steady.commits.length).toBeGreaterThan(200);
    for (const tap of restless) {
      const missed = steady.commits.slice(steady.commits.indexOf(tap.commits[0] ?? ""));
      expect(tap.commits).toEqual(missed);
      expect(Object.fromEntries(tap.seen)).toEqual(Object.fromEntries(steady.seen));
    }
  });

  /** What it is told first that comes with a revision which its gateway does not show before the other one has done more. */
  async function toldLate(more: (api: Api, container: string) => Promise<unknown>): Promise<string[]> {
    const store = new MemoryStore();
    const [first, second] = [await aRoom({ store }), new Latecomer(store)];
    const late = await aRoom({ store, viewed: second });
    second.isHeld = true;
    const name = await made(first);
    const { revision } = await first.api.listContainers({});
    const messages = until(late.api.watch({ startRevision: revision }), () => true);
    await settle();
    await more(first.api, name);
    await settle();
    second.release();
    return told((await messages)[0]!);
  }

  it("with a revision that another gateway told, and this one does not show yet, waits for it", async () => {
    const heard = await toldLate((api, container) => api.removeContainer({ container, forgetOnly: true }));
    expect(heard).toEqual(["REMOVED container known"]);
  });

  it("with such a revision knows what came with it, and not only what it had before", async () => {
    const heard = await toldLate((api, container) => api.createGroup({ containers: [container] }));
    expect(heard).toEqual(["MODIFIED container known", "ADDED group new"]);
  });

  it("after the history was trimmed is told so, and where the history begins", async () => {
    const room = await aRoomOnDisk(6);
    const { revision } = await room.api.listContainers({});
    for (let n = 0; n < 10; n += 1) await room.api.createGroup({});
    const watch = (startRevision: string): Promise<unknown> =>
      until(room.api.watch({ startRevision }), () => true);
    const { reason, metadata } = await refusal(watch(revision));
    expect([reason, metadata["revision"]]).toEqual(["REVISION_COMPACTED", revision]);
    const fromOldest = await until(room.api.watch({ startRevision: metadata["oldest"] ?? "" }), () => true);
    expect(told(fromOldest[0]!)).toEqual(["ADDED group new"]);
    const error = ConnectError.from(await watch(revision).catch((failure: unknown) => failure));
    expect(error.code).toBe(Code.OutOfRange);
  });

  it.each(["1", "0-0123456789abcdef", "999999-0123456789abcdef", "nonsense", "1e3-0123456789abcdef"])(
    "with the revision %s, which never was, is told that it is not in the history",
    async (startRevision) => {
      const room = await aRoomOnDisk();
      await made(room);
      const { reason } = await refusal(until(room.api.watch({ startRevision }), () => true));
      expect(reason).toBe("REVISION_COMPACTED");
    },
  );

  it("cannot ask for what exists at the same time", async () => {
    const room = await aRoom();
    const { revision } = await room.api.listContainers({});
    const call = until(room.api.watch({ startRevision: revision, sendInitialState: true }), () => true);
    const error = ConnectError.from(await call.catch((failure: unknown) => failure));
    expect(error.findDetails(ErrorInfoSchema)[0]?.reason).toBe("INVALID_REVISION");
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBe("start_revision");
  });
});

describe("a watcher that does not read", () => {
  const request = {
    kinds: new Set<never>(),
    containerFilter: "",
    groupFilter: "",
    startRevision: "",
    sendInitialState: true,
    heartbeatMs: 10_000,
  };

  it("is cut off with SLOW_CONSUMER after so many commits, slows nobody, and can come back", async () => {
    const room = await aRoom();
    const leaving = new AbortController();
    const stream = room.service.watch(request, leaving.signal)[Symbol.asyncIterator]();
    const next = async (): Promise<WatchMessage | undefined> => {
      const result = await stream.next();
      return result.done === true ? undefined : result.value;
    };
    expect((await next())?.type).toBe("INITIAL_DONE");
    const steady = new WatchTap(room.api);
    steady.connect();
    await settle();
    await room.api.createGroup({});
    const first = await next();
    for (let n = 0; n <= containerLimits.maxWatchQueue; n += 1) await room.api.createGroup({});
    await expect(next()).rejects.toMatchObject({ reason: "SLOW_CONSUMER" });
    for (let turn = 0; turn < 20; turn += 1) await settle();
    expect(steady.commits).toHaveLength(containerLimits.maxWatchQueue + 2);
    await steady.disconnect();
    const back = room.service.watch(
      { ...request, sendInitialState: false, startRevision: first?.revision ?? "" },
      leaving.signal,
    );
    const revisions: string[] = [];
    for await (const { revision } of back) {
      revisions.push(revision);
      if (revisions.length === containerLimits.maxWatchQueue + 1) break;
    }
    expect(revisions).toEqual(steady.commits.slice(1));
  });
});

import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import type { WatchMessage, WatchRequest } from "../../../../src/containers/contract.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import type { StateStore } from "../../../../src/store/contract.js";
import { Watches } from "../../../../src/containers/watching/watches.js";
import type { MemoryStore } from "../../../support/memory-store.js";
import { take } from "../../../support/store-calls.js";
import { aContainerRecord, openTracked, someNode, type Tracked } from "../../../support/tracked.js";

const opened: Tracked[] = [];
afterEach(async () => {
  for (const tracked of opened.splice(0)) await tracked.close();
});

interface Desk extends Tracked {
  readonly draining: AbortController;
  readonly watch: (startRevision: string) => AsyncIterator<WatchMessage>;
}

async function aDesk(): Promise<Desk> {
  const tracked = await openTracked();
  opened.push(tracked);
  const draining = new AbortController();
  const watches = new Watches({ ...tracked, draining: draining.signal });
  const watch = (startRevision: string): AsyncIterator<WatchMessage> =>
    watches.watch(requestOf(startRevision), new AbortController().signal)[Symbol.asyncIterator]();
  return { ...tracked, draining, watch };
}

const requestOf = (startRevision: string): WatchRequest => ({
  kinds: new Set(),
  containerFilter: "",
  groupFilter: "",
  startRevision,
  sendInitialState: false,
  heartbeatMs: 3_600_000,
});

describe("a commit that brings memberships back without their group", () => {
  it("is a change of the group to those who watch, and of the containers", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    await change(desk, (draft) =>
      draft.put("group", "grp1", { id: "grp1", createTimeMs: 1, memberCount: 1, changeCount: 1 }),
    );
    const stream = desk.watch("");
    const told = stream.next();
    await change(desk, (draft) =>
      draft.put("membership", key, { address: someNode, id: "abc", groups: [{ id: "grp1", place: 1 }] }),
    );
    const containers = [`nodes/${someNode.host}:8088/containers/abc`];
    expect((await told).value).toMatchObject({
      changes: [
        { kind: "CONTAINER", type: "MODIFIED", container: { name: containers[0] } },
        { kind: "GROUP", type: "MODIFIED", group: { name: "groups/grp1", containers } },
      ],
    });
    await stream.return?.();
  });
});

describe("somebody who is led through the history", () => {
  it("is sent on when the gateway drains meanwhile", async () => {
    const desk = await aDesk();
    const { state, watch, draining } = desk;
    const start = state.revision;
    await desk.track([aContainerRecord()]);
    const stream = watch(start);
    expect((await stream.next()).value).toMatchObject({ type: "CHANGES" });
    draining.abort();
    await expect(stream.next()).rejects.toMatchObject({ reason: "DRAINING" });
  });

  it("is told to begin anew where the store has lost what was read ahead, and not left waiting for it", async () => {
    const desk = await aDesk();
    const { store, state } = desk;
    const start = state.revision;
    const ids = ["one", "two", "three"];
    for (const id of ids) await desk.track([aContainerRecord({ id })]);
    // As the one that reads the log of Redis, which brings many commits at once.
    const readingAhead: Pick<StateStore, "changes"> = {
      changes: async function* (after, signal) {
        const commits = await take(store, after, ids.length);
        yield* commits;
        yield* store.changes(commits.at(-1)!.revision, signal);
      },
    };
    const ahead = Object.assign(Object.create(store) as MemoryStore, readingAhead);
    const watches = new Watches({ ...desk, store: ahead, draining: new AbortController().signal });
    const stream = watches.watch(requestOf(start), new AbortController().signal);
    expect((await stream.next()).value).toMatchObject({ type: "CHANGES" });
    const reread = new Promise<void>((resolve) => {
      state.subscribe(({ kind }) => kind === "resynced" && resolve());
    });
    store.loseAfter(0);
    await reread;
    await expect(stream.next()).rejects.toMatchObject({ reason: "REVISION_COMPACTED" });
  });

  it("counts as a watcher", async () => {
    const desk = await aDesk();
    const { state, watch } = desk;
    const start = state.revision;
    await desk.track([aContainerRecord()]);
    const streams = Array.from({ length: containerLimits.maxWatchers }, () => watch(start));
    for (const stream of streams) await stream.next();
    await expect(watch(start).next()).rejects.toMatchObject({ reason: "TOO_MANY_WATCHERS" });
    for (const stream of streams) await stream.return?.();
    await expect(watch(start).next()).resolves.toMatchObject({ value: { type: "CHANGES" } });
  });
});

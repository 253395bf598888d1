import { afterEach, describe, expect, it } from "@jest/globals";
import type { WatchMessage, WatchRequest } from "../../../../src/containers/contract.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import { Watches } from "../../../../src/containers/watching/watches.js";
import { aContainerRecord, openTracked, type Tracked } from "../../../support/tracked.js";

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
  const watch = (startRevision: string): AsyncIterator<WatchMessage> => {
    const request: WatchRequest = {
      kinds: new Set(),
      containerFilter: "",
      groupFilter: "",
      startRevision,
      sendInitialState: false,
      heartbeatMs: 3_600_000,
    };
    return watches.watch(request, new AbortController().signal)[Symbol.asyncIterator]();
  };
  return { ...tracked, draining, watch };
}

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

import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import type { OpenWork } from "../../../../src/containers/sharing/open-work.js";
import { Owners } from "../../../../src/containers/sharing/owners.js";
import { type IntentRecord, keyOf } from "../../../../src/containers/records.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import { StoreError } from "../../../../src/store/errors.js";
import { settle } from "../../../support/fake-clock.js";
import { aContainerRecord, anIntent, openTracked, type Tracked } from "../../../support/tracked.js";

const { heartbeatMs, ownerSilenceMs } = containerLimits;

interface Seat extends Tracked {
  readonly owners: Owners;
  readonly stopping: AbortController;
  readonly name: string;
}

const opened: Seat[] = [];
afterEach(async () => {
  for (const seat of opened.splice(0)) {
    seat.stopping.abort();
    await seat.owners.close();
    await seat.close();
  }
});

/** Gateways on one state; `alone` = the first one shares it with nobody. */
async function gateways(names: readonly string[], alone = false): Promise<Seat[]> {
  const seats: Seat[] = [];
  for (const name of names) {
    const tracked = await openTracked(seats[0]);
    const stopping = new AbortController();
    const deps = { ...tracked, logger: silentLogger, gatewayId: name, isShared: !alone };
    seats.push({ ...tracked, owners: new Owners({ ...deps, stopping: stopping.signal }), stopping, name });
  }
  opened.push(...seats);
  return seats;
}

const theIntent: OpenWork = { kind: "intent", subject: "int1" };
const pending = (owner: string, overrides: Partial<IntentRecord> = {}): IntentRecord =>
  anIntent({ state: "PENDING", reason: "", owner, ...overrides });

const write = (seat: Seat, intent: IntentRecord): Promise<void> =>
  change(seat, (draft) => {
    draft.put("intent", intent.id, intent);
    if (intent.requestId === "") return;
    draft.put("request", intent.requestId, {
      argumentsHash: "h",
      expireTimeMs: seat.clock.nowMs() + 1e9,
      outcome: { kind: "running", intent: intent.id },
    });
  });

const intentOf = ({ state }: Seat): IntentRecord | undefined => state.get("intent", "int1");

describe("a gateway with work under way", () => {
  it("writes a heartbeat only once the work takes long, and none afterwards", async () => {
    const [a] = await gateways(["a"]);
    const { clock, store, owners, state } = a!;
    const short = owners.hold(theIntent);
    await clock.advance(heartbeatMs - 1);
    short.release();
    await clock.advance(10 * heartbeatMs);
    expect(store.commits).toHaveLength(0);
    const long = owners.hold(theIntent);
    await clock.advance(3 * heartbeatMs);
    expect(store.commits).toHaveLength(3);
    expect(state.get("heartbeat", "a")).toEqual({ beat: 3 });
    long.release();
    await settle();
    expect(state.get("heartbeat", "a")).toBeUndefined();
    await clock.advance(10 * heartbeatMs);
    expect(store.commits).toHaveLength(4);
    expect(clock.timerCount).toBe(0);
  });

  it("leaves no heartbeat where it ends while one is on its way", async () => {
    const [a] = await gateways(["a"]);
    const { clock, store, owners } = a!;
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const commit = store.commit.bind(store);
    store.commit = async (asked) => {
      await held;
      await settle();
      return await commit(asked);
    };
    const work = owners.hold(theIntent);
    await clock.advance(heartbeatMs);
    work.release();
    const closing = owners.close();
    goOn();
    await closing;
    expect(store.commits).toHaveLength(2);
    expect(await store.get(keyOf.heartbeat("a"))).toBeUndefined();
  });

  it("writes none while it shares the state with nobody", async () => {
    const [a] = await gateways(["a"], true);
    a!.owners.hold(theIntent);
    await a!.clock.advance(10 * heartbeatMs);
    expect([a!.store.commits.length, a!.clock.timerCount]).toEqual([0, 0]);
  });

  it("keeps its work for as long as it lives", async () => {
    const [a, b] = await gateways(["a", "b"]);
    const hold = a!.owners.hold(theIntent);
    await write(a!, pending("a"));
    await a!.clock.advance(20 * ownerSilenceMs);
    expect(intentOf(b!)).toEqual(pending("a"));
    await change(a!, (draft) => draft.delete("intent", "int1"));
    hold.release();
    await a!.clock.advance(heartbeatMs);
    expect(a!.clock.timerCount).toBe(0);
  });
});

describe("a gateway that does one short thing after the other", () => {
  const workOf = (turn: number): OpenWork => ({ kind: "intent", subject: `int${turn}` });

  /** Each look of the others finds work, and never the same; nothing takes long enough for a heartbeat. */
  async function beBusy(a: Seat, turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn += 1) {
      const { subject } = workOf(turn);
      const hold = a.owners.hold(workOf(turn));
      await write(a, pending("a", { id: subject }));
      await a.clock.advance(heartbeatMs - 1);
      await change(a, (draft) => draft.delete("intent", subject));
      hold.release();
    }
  }

  it("is not taken for dead", async () => {
    const [a, b] = await gateways(["a", "b"]);
    const states: (string | undefined)[] = [];
    b!.state.subscribe((update) => {
      if (update.kind !== "changed") return;
      states.push(...update.changeSet.changes.map(({ value }) => value?.["state"] as string | undefined));
    });
    await beBusy(a!, 12);
    expect(new Set(states)).toEqual(new Set(["PENDING", undefined]));
  });

  it("is taken for dead as late as any other, when it dies", async () => {
    const [a, b] = await gateways(["a", "b"]);
    await beBusy(a!, 12);
    a!.owners.hold(theIntent);
    await write(a!, pending("a"));
    await a!.owners.close();
    await b!.clock.advance(ownerSilenceMs - 1);
    expect(intentOf(b!)?.state).toBe("PENDING");
    await b!.clock.advance(3 * heartbeatMs);
    expect(intentOf(b!)?.state).toBe("UNKNOWN");
  });
});

describe("a gateway that has died", () => {
  async function dieWith(intent: IntentRecord): Promise<[Seat, Seat]> {
    const [a, b] = await gateways(["a", "b"]);
    a!.owners.hold(theIntent);
    await write(a!, intent);
    await a!.clock.advance(2 * heartbeatMs);
    await a!.owners.close();
    await change(b!, (draft) => draft.put("heartbeat", "a", { beat: 2 }));
    return [a!, b!];
  }

  it("leaves a creation whose outcome is unknown, and its request id answers so", async () => {
    const [, b] = await dieWith(pending("a", { requestId: "r1" }));
    await b.clock.advance(ownerSilenceMs - 1);
    expect(intentOf(b)?.state).toBe("PENDING");
    await b.clock.advance(2 * heartbeatMs);
    expect(intentOf(b)).toMatchObject({ state: "UNKNOWN", reason: "CREATE_OUTCOME_UNKNOWN" });
    expect(b.state.get("request", "r1")?.outcome).toMatchObject({ kind: "unknown", intent: "int1" });
    expect(b.state.get("heartbeat", "a")).toBeUndefined();
    expect(b.clock.timerCount).toBe(0);
  });

  it("leaves a removal that has failed with unknown outcome", async () => {
    const [, b] = await dieWith(pending("a"));
    const record = aContainerRecord({ state: "REMOVING", owner: "a" });
    const [key] = await b.track([record]);
    await b.clock.advance(ownerSilenceMs + 2 * heartbeatMs);
    const { owner: _, ...rest } = record;
    expect(b.state.get("container", key!)).toEqual({
      ...rest,
      state: "REMOVE_FAILED",
      reason: "REMOVE_OUTCOME_UNKNOWN",
    });
  });

  it("leaves its work to be settled also where that of another one that died cannot be", async () => {
    const [a, b, c] = await gateways(["a", "b", "c"]);
    a!.owners.hold(theIntent);
    b!.owners.hold({ ...theIntent, subject: "int2" });
    await write(a!, pending("a"));
    await write(b!, pending("b", { id: "int2" }));
    await c!.clock.advance(heartbeatMs);
    for (const dead of [a!, b!]) await dead.owners.close();
    const { store, clock, state } = c!;
    const commit = store.commit.bind(store);
    store.commit = async (wish) => {
      if (wish.put.some(({ key }) => key.includes("int1")))
        throw new StoreError("STATE_TOO_LARGE", "as told");
      return await commit(wish);
    };
    await clock.advance(2 * ownerSilenceMs);
    expect(["int1", "int2"].map((id) => state.get("intent", id)?.state)).toEqual(["PENDING", "UNKNOWN"]);
    store.commit = commit;
    await clock.advance(2 * heartbeatMs);
    expect(intentOf(c!)?.state).toBe("UNKNOWN");
  });

  it("is not taken for dead while nobody can write: the store is away", async () => {
    const [, b] = await dieWith(pending("a"));
    const { store, clock } = b;
    const get = store.get.bind(store);
    store.get = () => Promise.reject(new StoreError("STATE_STORE_UNAVAILABLE", "away"));
    await clock.advance(10 * ownerSilenceMs);
    store.get = get;
    await clock.advance(ownerSilenceMs - 1);
    expect(intentOf(b)?.state).toBe("PENDING");
    await clock.advance(2 * heartbeatMs);
    expect(intentOf(b)?.state).toBe("UNKNOWN");
  });

  it("is not taken for dead by one that was asleep itself", async () => {
    const [, b] = await dieWith(pending("a"));
    await b.clock.advance(2 * heartbeatMs);
    b.clock.sleep(100 * ownerSilenceMs);
    await b.clock.advance(heartbeatMs);
    expect(intentOf(b)?.state).toBe("PENDING");
  });
});

describe("work that the state shows as ours and nobody does", () => {
  it("is taken back: its node was not asked, and the request id may try again", async () => {
    const [a] = await gateways(["a"], true);
    const hold = a!.owners.hold(theIntent);
    // The store has the commit and its answer was lost: the view shows it later.
    hold.release();
    await write(a!, pending("a", { requestId: "r1" }));
    await settle();
    expect([intentOf(a!), a!.state.get("request", "r1")]).toEqual([undefined, undefined]);
  });

  it("is taken back when the view shows it before the failure is told", async () => {
    const [a] = await gateways(["a"], true);
    const hold = a!.owners.hold({ kind: "container", subject: a!.keyOf() });
    const [key] = await a!.track([aContainerRecord({ state: "REMOVING", owner: "a" })]);
    expect(a!.state.get("container", key!)?.state).toBe("REMOVING");
    hold.release();
    await settle();
    expect(a!.state.get("container", key!)).toEqual(aContainerRecord());
  });

  it("is taken back to a removal that had failed before: that one may have removed the container", async () => {
    const [a] = await gateways(["a"], true);
    const failed = { state: "REMOVE_FAILED", reason: "REMOVE_OUTCOME_UNKNOWN" } as const;
    const hold = a!.owners.hold({ kind: "container", subject: a!.keyOf() });
    const [key] = await a!.track([aContainerRecord({ state: "REMOVING", owner: "a", before: failed })]);
    hold.release();
    await settle();
    expect(a!.state.get("container", key!)).toEqual(aContainerRecord(failed));
  });

  it("is of unknown outcome where the node was asked", async () => {
    const [a] = await gateways(["a"], true);
    const hold = a!.owners.hold(theIntent);
    await write(a!, pending("a"));
    hold.markAsked();
    hold.release();
    await settle();
    expect(intentOf(a!)?.state).toBe("UNKNOWN");
  });

  it("is of unknown outcome where it was over, and is back: a state that was lost had it as it once was", async () => {
    const [a] = await gateways(["a"]);
    const hold = a!.owners.hold(theIntent);
    await write(a!, pending("a", { requestId: "r1" }));
    hold.markAsked();
    await change(a!, (draft) => draft.delete("intent", "int1"));
    hold.release();
    await write(a!, pending("a", { requestId: "r1" }));
    await settle();
    expect(intentOf(a!)?.state).toBe("UNKNOWN");
    expect(a!.state.get("request", "r1")?.outcome).toMatchObject({ kind: "unknown" });
  });

  it("stays as it is when the gateway stops: the next start settles it", async () => {
    const [a] = await gateways(["a"], true);
    const hold = a!.owners.hold(theIntent);
    await write(a!, pending("a"));
    a!.stopping.abort();
    hold.release();
    await settle();
    expect(intentOf(a!)).toEqual(pending("a"));
  });
});

import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import { Liveness } from "../../../../src/containers/looking/liveness.js";
import type { ContainerRecord } from "../../../../src/containers/records.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import type { LookAtPort } from "../../../../src/peer-api/contract.js";
import { PeerError, type PeerFailure } from "../../../../src/peer-api/errors.js";
import { StoreError } from "../../../../src/store/errors.js";
import { settle } from "../../../support/fake-clock.js";
import { aContainerRecord, openTracked, type Tracked } from "../../../support/tracked.js";

const { livenessIntervalMs, livenessConcurrency, livenessDoubtMs, livenessPerNode, lookTimeoutMs } =
  containerLimits;

interface Desk extends Tracked {
  readonly liveness: Liveness;
  /** What happens at a port, as `HOST:PORT`; others answer. NEVER = not even that. */
  readonly faults: Map<string, PeerFailure | "NEVER">;
  readonly looked: string[];
  readonly policies: (boolean | undefined)[];
  readonly traffic: { open: number; highestOpen: number };
}

const opened: Desk[] = [];
afterEach(async () => {
  for (const desk of opened.splice(0)) {
    await desk.liveness.close();
    expect([desk.clock.timerCount, desk.traffic.open]).toEqual([0, 0]);
    await desk.close();
  }
});

async function aDesk(options: { intervalMs?: number; random?: () => number } = {}): Promise<Desk> {
  const tracked = await openTracked();
  const { clock } = tracked;
  const faults: Desk["faults"] = new Map();
  const looked: string[] = [];
  const policies: Desk["policies"] = [];
  const traffic = { open: 0, highestOpen: 0 };
  const lookAtPort: LookAtPort = async ({ host, port }, sign, lookOptions = {}) => {
    looked.push(`${sign} ${host}:${port}`);
    policies.push(lookOptions.isAllowed?.("10.0.0.1"));
    traffic.open += 1;
    traffic.highestOpen = Math.max(traffic.highestOpen, traffic.open);
    try {
      const fault = faults.get(`${host}:${port}`);
      if (fault === "TIMEOUT" || fault === "NEVER") {
        await new Promise<void>((resolve) => {
          const cancel = clock.after(fault === "NEVER" ? 1e9 : (lookOptions.timeoutMs ?? 0), resolve);
          lookOptions.signal?.addEventListener("abort", () => {
            cancel();
            resolve();
          });
        });
      }
      if (lookOptions.signal?.aborted === true) throw new PeerError("CANCELED", "canceled");
      if (fault !== undefined && fault !== "NEVER") throw new PeerError(fault, "no");
    } finally {
      traffic.open -= 1;
    }
  };
  const directory = { allowsConnected: (remote: string) => remote.startsWith("45.") };
  const liveness = new Liveness({
    ...tracked,
    logger: silentLogger,
    lookAtPort,
    directory,
    random: () => 0.5,
    ...options,
  });
  const desk = { ...tracked, liveness, faults, looked, policies, traffic };
  opened.push(desk);
  return desk;
}

const shown = (
  { state }: Tracked,
  key: string,
): Pick<ContainerRecord, "isReachable" | "lastSeenTimeMs" | "state"> => {
  const { isReachable, lastSeenTimeMs, state: stateNow } = state.get("container", key)!;
  return { isReachable, lastSeenTimeMs, state: stateNow };
};

/** Enough for a turn, a second look and a commit. */
const oneRoundMs = livenessIntervalMs + 2 * lookTimeoutMs + 2 * livenessDoubtMs + 10_000;

describe("looking at a container", () => {
  it("asks its node, then its SSH port, once in an interval, and commits no sign of life", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs * 10);
    const rounds = desk.looked.length / 2;
    expect(rounds).toBeGreaterThanOrEqual(9);
    expect(rounds).toBeLessThanOrEqual(10);
    expect(desk.looked.slice(0, 2)).toEqual(["TCP 45.0.0.1:8088", "SSH_BANNER 45.0.0.1:44269"]);
    expect(desk.store.commits.length).toBe(1);
    expect(desk.state.seenTimeMs(key)).toBeGreaterThan(desk.clock.nowMs() - livenessIntervalMs * 1.1);
  });

  it("looks twice before it shows it as unreachable, and keeps it tracked", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.faults.set("45.0.0.1:44269", "CONNECTION_REFUSED");
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + 500);
    expect(desk.looked.length).toBe(2);
    expect(shown(desk, key).isReachable).toBe(true);
    await desk.clock.advance(livenessDoubtMs * 1.5 + 1_000);
    expect(desk.looked.length).toBe(4);
    // The node answered, which is a sign of life too.
    expect(shown(desk, key)).toEqual({
      isReachable: false,
      lastSeenTimeMs: desk.state.seenTimeMs(key),
      state: "TRACKED",
    });
    await desk.clock.advance(livenessIntervalMs * 3);
    // One more look each interval, none of them twice, and no more commits.
    expect(desk.looked.length).toBeLessThanOrEqual(10);
    expect(desk.store.commits.length).toBe(2);
  });

  it("takes one failed look for nothing", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.faults.set("45.0.0.1:44269", "CONNECTION_RESET");
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + 500);
    desk.faults.clear();
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key).isReachable).toBe(true);
    expect(desk.store.commits.length).toBe(1);
  });

  it("shows it as reachable again after one look that is answered", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord({ isReachable: false, lastSeenTimeMs: 5 })]);
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + 1_000);
    expect(shown(desk, key).isReachable).toBe(true);
    expect(shown(desk, key).lastSeenTimeMs).toBe(desk.state.seenTimeMs(key));
  });

  it("takes the node's answer where no SSH port is told", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()], 0);
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + 1_000);
    expect(desk.looked).toEqual(["TCP 45.0.0.1:8088"]);
    expect(desk.state.seenTimeMs(key)).toBeDefined();
    desk.faults.set("45.0.0.1:8088", "CONNECTION_REFUSED");
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key).isReachable).toBe(false);
  });

  it("keeps a container whose node is gone and whose SSH port answers", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.faults.set("45.0.0.1:8088", "TIMEOUT");
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs * 2);
    expect(shown(desk, key).isReachable).toBe(true);
    expect(desk.state.seenTimeMs(key)).toBeDefined();
  });

  it.each(["REMOVING", "REMOVE_FAILED"] as const)("does not flip one in state %s", async (state) => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord({ state })]);
    desk.faults.set("45.0.0.1:8088", "CONNECTION_REFUSED").set("45.0.0.1:44269", "CONNECTION_REFUSED");
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key)).toMatchObject({ isReachable: true, state });
    expect(desk.store.commits.length).toBe(1);
  });

  it("does not flip one whose removal began between the look and the commit", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.faults.set("45.0.0.1:44269", "CONNECTION_REFUSED");
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + livenessDoubtMs - 1);
    expect(desk.looked.length).toBe(2);
    await desk.clock.advance(300);
    expect(desk.looked.length).toBe(4);
    await change(desk, (draft) => draft.put("container", key, aContainerRecord({ state: "REMOVING" })));
    await desk.clock.advance(2_000);
    expect(shown(desk, key)).toMatchObject({ isReachable: true, state: "REMOVING" });
  });

  it("says nothing of an address that the policy forbids, and holds to it unless an operator typed it", async () => {
    const desk = await aDesk();
    const typed = aContainerRecord({ address: { host: "10.0.0.2", port: 8088 }, isAsTyped: true });
    const [key = ""] = await desk.track([aContainerRecord(), typed]);
    for (const port of ["8088", "44269"]) desk.faults.set(`45.0.0.1:${port}`, "ADDRESS_BLOCKED");
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key).isReachable).toBe(true);
    const byHost = new Map(
      desk.looked.map((what, at) => [what.split(" ")[1]?.split(":")[0], desk.policies[at]]),
    );
    expect(byHost).toEqual(
      new Map([
        ["45.0.0.1", false],
        ["10.0.0.2", undefined],
      ]),
    );
  });

  it("does not look at one that left, and looks at one that came", async () => {
    const desk = await aDesk();
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs);
    expect([desk.looked, desk.clock.timerCount]).toEqual([[], 0]);
    const [key = ""] = await desk.track([aContainerRecord()]);
    await desk.clock.advance(livenessIntervalMs + 1_000);
    expect(desk.looked.length).toBe(2);
    await desk.remove(key);
    await desk.clock.advance(livenessIntervalMs * 3);
    expect([desk.looked.length, desk.clock.timerCount]).toEqual([2, 0]);
  });

  it("does nothing when it is off", async () => {
    const desk = await aDesk({ intervalMs: 0 });
    await desk.track([aContainerRecord()]);
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs * 5);
    expect([desk.looked, desk.clock.timerCount]).toEqual([[], 0]);
  });
});

const aHost = (at: number): string => `45.1.${at >> 8}.${at & 255}`;

describe("looking at many", () => {
  it("asks a node with 1,000 containers once in an interval", async () => {
    const desk = await aDesk();
    await desk.track(Array.from({ length: 1_000 }, (_, at) => aContainerRecord({ id: `id${at}` })));
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs + 1_000);
    expect(desk.looked.filter((what) => what.startsWith("TCP")).length).toBe(1);
    expect(desk.looked.length).toBe(1_001);
    expect(desk.traffic.highestOpen).toBeLessThanOrEqual(livenessPerNode);
  });

  it("writes a node's death with 1,000 containers in commits of 256, soon and with few looks", async () => {
    const desk = await aDesk();
    const keys = await desk.track(
      Array.from({ length: 1_000 }, (_, at) => aContainerRecord({ id: `id${at}` })),
    );
    for (const port of ["8088", "44269"]) desk.faults.set(`45.0.0.1:${port}`, "TIMEOUT");
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs);
    expect(keys.some((key) => shown(desk, key).isReachable)).toBe(false);
    const sizes = desk.store.commits.slice(1).map(({ put }) => put.length);
    expect(sizes).toEqual([256, 256, 256, 232]);
    expect(desk.looked.length).toBeLessThan(20);

    desk.faults.clear();
    await desk.clock.advance(oneRoundMs);
    expect(keys.every((key) => shown(desk, key).isReachable)).toBe(true);
  });

  it("does not pass over containers of a silent node while one of them answers", async () => {
    const desk = await aDesk();
    const records = Array.from({ length: 20 }, (_, at) => aContainerRecord({ id: `id${at}` }));
    await desk.track(records.slice(0, 1), 50_000);
    const [first = ""] = await desk.track(records.slice(1));
    for (const port of ["8088", "44269"]) desk.faults.set(`45.0.0.1:${port}`, "TIMEOUT");
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs * 3);
    expect(desk.looked.filter((what) => what.endsWith(":44269")).length).toBeGreaterThanOrEqual(38);
    expect(shown(desk, first).isReachable).toBe(false);
    expect(shown(desk, desk.keyOf({ id: "id0" })).isReachable).toBe(true);
  });

  it("spreads nodes over the interval and never has more looks under way than allowed", async () => {
    const desk = await aDesk();
    const nodes = Array.from({ length: 600 }, (_, at) =>
      aContainerRecord({ address: { host: aHost(at), port: 8088 } }),
    );
    await desk.track(nodes);
    desk.liveness.start();
    await desk.clock.advance(livenessIntervalMs / 2);
    expect(desk.looked.length).toBeGreaterThan(500);
    expect(desk.looked.length).toBeLessThan(700);
    await desk.clock.advance(livenessIntervalMs / 2 + 1_000);
    expect(new Set(desk.looked).size).toBe(1_200);
    expect(desk.traffic.highestOpen).toBeLessThanOrEqual(livenessConcurrency);
  });

  it("lets silent nodes wait for themselves only as far as there are places", async () => {
    const desk = await aDesk();
    const nodes = Array.from({ length: 40 }, (_, at) =>
      aContainerRecord({ address: { host: aHost(at), port: 8088 } }),
    );
    const keys = await desk.track(nodes);
    for (let at = 0; at < 20; at += 1) {
      for (const port of ["8088", "44269"]) desk.faults.set(`${aHost(at)}:${port}`, "TIMEOUT");
    }
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs * 2);
    expect(keys.map((key) => shown(desk, key).isReachable)).toEqual(keys.map((_, at) => at >= 20));
    expect(desk.traffic.highestOpen).toBeLessThanOrEqual(livenessConcurrency);
  });

  it("comes at other times than a gateway that began with it", async () => {
    const seeds = [0, 0.9];
    const timesOf = async (random: () => number): Promise<number> => {
      const desk = await aDesk({ random });
      await desk.track([aContainerRecord()]);
      desk.liveness.start();
      for (let ms = 0; desk.looked.length === 0; ms += 1_000) await desk.clock.advance(1_000);
      return desk.clock.monotonicMs();
    };
    const [early = 0, late = 0] = await Promise.all(seeds.map((seed) => timesOf(() => seed)));
    expect(Math.abs(early - late)).toBeGreaterThan(livenessIntervalMs / 2);
  });
});

describe("a store in trouble, and the end", () => {
  it("skips quietly while nothing can be written, and tries later", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    desk.faults.set("45.0.0.1:44269", "CONNECTION_REFUSED");
    desk.store.failure = new StoreError("DISK_FULL", "full");
    desk.liveness.start();
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key).isReachable).toBe(true);
    desk.store.failure = undefined;
    await desk.clock.advance(oneRoundMs);
    expect(shown(desk, key).isReachable).toBe(false);
  });

  it("ends at once, in a look, in a pause and with changes not written", async () => {
    const inLook = await aDesk();
    await inLook.track([aContainerRecord()]);
    inLook.faults.set("45.0.0.1:8088", "NEVER");
    inLook.liveness.start();
    await inLook.clock.advance(livenessIntervalMs + 1_000);
    expect(inLook.traffic.open).toBe(1);
    await inLook.liveness.close();
    expect([inLook.traffic.open, inLook.clock.timerCount]).toEqual([0, 0]);

    const inPause = await aDesk();
    await inPause.track([aContainerRecord()]);
    inPause.faults.set("45.0.0.1:44269", "CONNECTION_REFUSED");
    inPause.liveness.start();
    await inPause.clock.advance(livenessIntervalMs + 100);
    expect(inPause.looked.length).toBe(2);
    await inPause.liveness.close();
    await inPause.clock.advance(livenessIntervalMs);
    expect([inPause.looked.length, inPause.clock.timerCount]).toEqual([2, 0]);

    const unwritten = await aDesk();
    const [key = ""] = await unwritten.track([aContainerRecord()]);
    unwritten.faults.set("45.0.0.1:44269", "CONNECTION_REFUSED");
    unwritten.liveness.start();
    await unwritten.clock.advance(livenessIntervalMs + livenessDoubtMs + 200);
    expect(unwritten.looked.length).toBe(4);
    await unwritten.liveness.close();
    await unwritten.clock.advance(livenessIntervalMs);
    await settle();
    expect([shown(unwritten, key).isReachable, unwritten.clock.timerCount]).toEqual([true, 0]);
  });
});

/** Half a network that hangs, drips or floods, on real sockets: the crawl ends in time and the other half is found. */
import { afterEach, describe, expect, it } from "@jest/globals";
import type { DevnetNode } from "../../src/devnet/contract.js";
import type { FaultPlan } from "../../src/devnet/faults.js";
import {
  CrawlCompleted_EndReason,
  FailureReason,
  NodeFailed_Step,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { Node_State } from "../../src/gen/p2prc/client/v1/node_pb.js";
import { drips, type RawNode } from "../support/raw-node.js";
import {
  activeIn,
  crawl,
  type CrawlEvents,
  eventsOf,
  eventually,
  remote,
  summaryOf,
  WireBench,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

const half = 12;
const limitMs = 2_500;
const limit = { seconds: 2n, nanos: 500_000_000 };
const limits = { nodeTimeout: limit, exchangeTimeout: limit, maxConcurrency: 8 };

const addressesOf = (nodes: readonly DevnetNode[]): string[] => nodes.map(({ address }) => address).sort();

/** Who failed at a step, and why. */
const failuresAt = (events: CrawlEvents, step: NodeFailed_Step): Record<string, string> =>
  Object.fromEntries(
    eventsOf(events, "nodeFailed")
      .filter((failed) => failed.step === step)
      .map(({ node, reason }) => [node.replace("nodes/", ""), FailureReason[reason]]),
  );

interface Timeout {
  readonly seconds: bigint;
  readonly nanos?: number;
}
/** Long enough for what does answer, on a busy machine too. */
const ample = { seconds: 5n };

async function crawlHalfOf(
  faults: FaultPlan,
  own: { readonly nodeTimeout?: Timeout; readonly exchangeTimeout?: Timeout } = {},
): Promise<{
  events: CrawlEvents;
  elapsedMs: number;
  healthy: string[];
  faulty: string[];
  states: Map<string, Node_State>;
}> {
  const gateway = await bench.open({ devnet: { nodes: 2 * half, shape: "mesh", seed: 4, faults } });
  const { nodes, entryAddresses } = gateway.devnet;
  const startMs = performance.now();
  const events = await crawl(remote(gateway), { ...limits, ...own, seedAddresses: [...entryAddresses] });
  const elapsedMs = performance.now() - startMs;
  const listed = await remote(gateway).listNodes({ pageSize: 1_000 });
  return {
    events,
    elapsedMs,
    healthy: addressesOf(nodes.filter(({ fault }) => fault === undefined)),
    faulty: addressesOf(nodes.filter(({ fault }) => fault !== undefined)),
    states: new Map(listed.nodes.map(({ name, state }) => [name.replace("nodes/", ""), state])),
  };
}

describe("a network of which one half", () => {
  it.each(["hang", "drip"] as const)(
    "answers its probe with %s is crawled within the limits: that half is named, the other is ACTIVE",
    async (fault) => {
      const { events, elapsedMs, healthy, faulty, states } = await crawlHalfOf({ [fault]: half });
      expect(Object.keys(failuresAt(events, NodeFailed_Step.PROBE)).sort()).toEqual(faulty);
      expect(new Set(Object.values(failuresAt(events, NodeFailed_Step.PROBE)))).toEqual(new Set(["TIMEOUT"]));
      expect([...activeIn(events)].sort()).toEqual(healthy);
      expect(healthy.map((address) => states.get(address))).toEqual(healthy.map(() => Node_State.ACTIVE));
      expect(summaryOf(events)).toMatchObject({
        endReason: CrawlCompleted_EndReason.FINISHED,
        activeCount: half,
        unreachable: faulty.map((address) => `nodes/${address}`),
      });
      // Who never falls silent for half a second keeps its place: 12 of those on 8 places take 2 rounds.
      expect(elapsedMs).toBeLessThan(2 * limitMs + 15_000);
    },
  );

  it.each([
    ["hang-exchange", "TIMEOUT", limit],
    ["drip-exchange", "TIMEOUT", limit],
    ["endless-exchange", "TOO_LARGE", ample],
  ] as const)(
    "answers the exchange with %s is crawled within the limits: all of it is ACTIVE, and the step is named",
    async (fault, reason, exchangeTimeout) => {
      const { events, elapsedMs, healthy, faulty, states } = await crawlHalfOf(
        { [fault]: half },
        { nodeTimeout: ample, exchangeTimeout },
      );
      expect(failuresAt(events, NodeFailed_Step.PROBE)).toEqual({});
      const failures = failuresAt(events, NodeFailed_Step.IP_TABLE);
      expect(Object.keys(failures).sort()).toEqual(faulty);
      expect(new Set(Object.values(failures))).toEqual(new Set([reason]));
      expect([...activeIn(events)].sort()).toEqual([...healthy, ...faulty].sort());
      expect([...states.values()]).toEqual([...states.keys()].map(() => Node_State.ACTIVE));
      expect(states.size).toBe(2 * half);
      expect(summaryOf(events)).toMatchObject({
        endReason: CrawlCompleted_EndReason.FINISHED,
        activeCount: 2 * half,
        unreachable: [],
      });
      expect(elapsedMs).toBeLessThan(2 * limitMs + 15_000);
    },
  );

  it("answers at one byte per second is crawled within the limits of a single node", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    const drip = drips(head, "{", 1_000);
    let mostAtOnce = 0;
    const slow: RawNode[] = await Promise.all(
      Array.from({ length: 12 }, () =>
        bench.rawNode((socket, request) => {
          mostAtOnce = Math.max(mostAtOnce, slow.filter(({ openCount }) => openCount > 0).length);
          drip(socket, request);
        }),
      ),
    );
    const gateway = await bench.open({ devnet: { nodes: 12, shape: "mesh" } });
    const { entryAddresses } = gateway.devnet;
    const seedAddresses = [...slow.map(({ port }) => `127.0.0.1:${port}`), ...entryAddresses];
    const events = await crawl(remote(gateway), {
      maxConcurrency: 4,
      seedAddresses,
      nodeTimeout: { seconds: 4n },
    });
    expect(summaryOf(events)).toMatchObject({
      endReason: CrawlCompleted_EndReason.FINISHED,
      activeCount: 12,
    });
    expect(new Set(Object.values(failuresAt(events, NodeFailed_Step.PROBE)))).toEqual(new Set(["TIMEOUT"]));
    expect(summaryOf(events).unreachable).toHaveLength(12);
    // Silent between two bytes, each gives its place back: without that, never more than 4 are asked at once.
    expect(mostAtOnce).toBeGreaterThan(4);
    await eventually(() => slow.every(({ openCount }) => openCount === 0), "the slow ones are left");
  });
});

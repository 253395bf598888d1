/** A gateway is killed while it brings back what Redis has lost: some of it is there, and the rest is for those who live. */
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { Violation } from "../support/crash/evidence.js";
import { FleetWorld } from "../support/crash/fleet/fleet-world.js";
import { runCalls } from "../support/crash/fleet/fleet-round.js";
import type { Seat } from "../support/crash/fleet/seat.js";
import { makeTestBuild } from "../support/crash/test-build.js";

let world: FleetWorld | undefined;
afterEach(async () => {
  await world?.destroy();
  world = undefined;
});

const never = new AbortController().signal;
const some = async (fleet: FleetWorld, round: string): Promise<void> =>
  await runCalls(fleet, { round, seed: 1, signal: never, calls: 30 });

/** More records than one commit brings back: each container has two. */
const manyContainers = 350;

interface LargeFleet {
  readonly fleet: FleetWorld;
  readonly dying: Seat;
  readonly other: Seat;
}

/** Two gateways that show the same, more than is brought back at once; a replica has nothing of it. */
async function aLargeFleet(): Promise<LargeFleet> {
  world = await FleetWorld.make({ build: await makeTestBuild(), gateways: 2, hasReplica: true });
  await world.lag();
  const [dying, other] = world.seats as [Seat, Seat];
  dying.foreign.edit(manyContainers, () => false);
  await dying.start();
  await other.start();
  await some(world, "before");
  expect(await world.violations("calm")).toEqual([]);
  return { fleet: world, dying, other };
}

const cutOff = ({ proxy }: Seat): void => {
  proxy.isRefusing = true;
  proxy.reset();
};

/** Lets Redis lose its state where one gateway is there to find out, which is killed on the way. */
async function killInRescue({ fleet, dying, other }: LargeFleet, lose: Loss): Promise<void> {
  cutOff(other);
  dying.arm({ name: "rescue.begun", hit: 1 });
  await lose(fleet);
  await dying.ended();
  expect(dying.ending).toMatchObject({ kind: "landed", landing: { name: "rescue.begun" } });
  const keptCount = (await fleet.keys()).size;
  expect([keptCount > 100, keptCount < 2 * manyContainers]).toEqual([true, true]);
}

type Loss = (fleet: FleetWorld) => Promise<void>;
const flush: Loss = async (fleet) => await fleet.flushRedis("lost");
const failOver: Loss = async (fleet) => await fleet.failOver(0, "lost");

/** Looks until there is nothing to say against it, or for long enough: what lost what it belongs to is judged a minute later. */
async function violationsOf(
  fleet: FleetWorld,
  moment: "calm" | "settled",
  counts: (violation: Violation) => boolean,
): Promise<readonly Violation[]> {
  for (let look = 1; ; look += 1) {
    const found = (await fleet.violations(moment, 1)).filter(counts);
    if (found.length === 0 || look === 200) return found;
    await delay(500);
  }
}

const any = (): boolean => true;
/** What the dead one was told and wrote down is of a state that is no more. */
const isOf =
  ({ name }: Seat) =>
  ({ what }: Violation): boolean =>
    what.startsWith(`${name}: `);
/** What only the dead one knew may be lost, and what it had removed may be back: but nothing is torn. */
const isContradiction = ({ invariant }: Violation): boolean =>
  ["I4", "I5", "I7", "I8", "I9", "I11"].includes(invariant);

describe("a gateway that is killed while it brings back what Redis has lost", () => {
  it("leaves the rest to another one that has seen it, and finds nothing to do when it is back", async () => {
    const large = await aLargeFleet();
    const { fleet, dying, other } = large;
    await killInRescue(large, flush);
    other.proxy.isRefusing = false;
    expect(await violationsOf(fleet, "calm", isOf(other))).toEqual([]);
    await dying.start();
    await some(fleet, "after");
    expect(await violationsOf(fleet, "settled", any)).toEqual([]);
  }, 300_000);

  it("leaves a state without contradictions to another one that had seen less, where a replica lagged", async () => {
    const large = await aLargeFleet();
    const { fleet, dying, other } = large;
    cutOff(other);
    await runCalls(fleet, { round: "unheard", seed: 1, signal: never, calls: 30, spectator: 1 });
    await killInRescue(large, failOver);
    other.proxy.isRefusing = false;
    const isTorn = (violation: Violation): boolean => isContradiction(violation) && isOf(other)(violation);
    expect(await violationsOf(fleet, "calm", isTorn)).toEqual([]);
    await dying.start();
    await some(fleet, "after");
    expect(await violationsOf(fleet, "settled", isContradiction)).toEqual([]);
  }, 300_000);
});

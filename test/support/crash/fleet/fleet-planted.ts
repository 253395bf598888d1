/** The planted bugs of fleets, each with the invariant that must catch it and what brings it out. */
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerOptions } from "../../../../src/devnet/container-options.js";
import type { FailpointName } from "../../../../src/system/failpoint.js";
import type { InvariantName, Violation } from "../evidence.js";
import { makeTestBuild } from "../test-build.js";
import { textOf } from "../text-of.js";
import type { FleetBugName } from "./fleet-bugs.js";
import { runCalls } from "./fleet-round.js";
import { FleetWorld } from "./fleet-world.js";

/** @param looks before what is found counts: without a bug, changes may take their time */
type Run = (world: FleetWorld, looks: number) => Promise<readonly Violation[]>;

interface Case {
  /** One of them must be broken. */
  readonly catches: readonly InvariantName[];
  readonly containers?: Partial<ContainerOptions>;
  /** @default 2 */
  readonly gateways?: number;
  /** Brings the bug out. Without it, there is nothing to say against what is found. */
  readonly run: Run;
}

const never = new AbortController().signal;
const some = async (world: FleetWorld, round: string, calls = 40): Promise<void> =>
  await runCalls(world, { round, seed: 1, signal: never, calls });

/** Kills the first gateway there, under way, and starts it again. */
const killedAt =
  (name: FailpointName): Run =>
  async (world, looks) => {
    const [first] = world.seats;
    first?.arm({ name, hit: 1 });
    const ended = new AbortController();
    const calls = runCalls(world, { round: "killed", seed: 1, signal: ended.signal });
    await first?.ended();
    ended.abort();
    await calls;
    const found = await world.violations("calm", looks);
    if (found.length > 0) return found;
    await first?.start();
    await some(world, "after");
    return await world.violations("settled", looks);
  };

export const fleetCases: Readonly<Record<FleetBugName, Case>> = {
  "sends a lost commit again under another operation id": { catches: ["I6", "I7"], run: losingReplies },
  "writes records before the log": { catches: ["I7"], run: withLogAhead },
  "never rewrites its heartbeat": {
    catches: ["I1"],
    containers: { createDelayMs: 26_000 },
    run: buildingLong,
  },
  "repeats a creation of unknown outcome": { catches: ["I2"], run: killedAt("create.answered") },
  "passes over a gap in the log": { catches: ["I11"], run: withGap },
  "takes a flushed state for an empty one": {
    catches: ["I5"],
    // Of two, the one that does not look first finds what the other has written meanwhile.
    gateways: 1,
    run: flushed,
  },
  "does not sync its local journal": { catches: ["I1"], run: killedAt("create.seen") },
  "does not read its local journal": { catches: ["I1"], run: killedAt("create.seen") },
};

/** @param bug absent = none: nothing must be found then */
export async function fleetViolations(
  name: FleetBugName,
  bug: FleetBugName | undefined,
): Promise<readonly Violation[]> {
  const { containers = {}, gateways = 2, run } = fleetCases[name];
  const build = await makeTestBuild();
  const world = await FleetWorld.make({ build, gateways, containers, bug });
  try {
    await Promise.all(world.seats.map((seat) => seat.start()));
    return await run(world, bug === undefined ? 60 : 5);
  } finally {
    await world.destroy();
  }
}

/** On a busy machine few commits fall on a cut: again, then. */
async function losingReplies(world: FleetWorld, looks: number): Promise<readonly Violation[]> {
  for (let round = 1; ; round += 1) {
    const found = await losingRepliesOnce(world, `cut${round}`, looks);
    if (found.length > 0 || round === 4) return found;
  }
}

async function losingRepliesOnce(
  world: FleetWorld,
  round: string,
  looks: number,
): Promise<readonly Violation[]> {
  const quiet = new AbortController();
  const calls = runCalls(world, { round, seed: 1, signal: quiet.signal });
  for (let cut = 0; cut < 60; cut += 1) {
    for (const { proxy } of world.seats) proxy.arm({ direction: "replies", message: 3, place: "before" });
    await delay(100);
  }
  for (const { proxy } of world.seats) proxy.disarm();
  quiet.abort();
  await calls;
  return await world.violations("calm", looks);
}

/** As after a restore of the log without its counter: no commit can be added to it. */
async function withLogAhead(world: FleetWorld, looks: number): Promise<readonly Violation[]> {
  await some(world, "before");
  await world.redis.ask("XSETID", "{p2prc:default}:log", "999999-0");
  // Each change of a record that the log does not know of is a conflict for as long as one may last: not for them to end.
  const quiet = new AbortController();
  const calls = runCalls(world, { round: "after", seed: 1, signal: quiet.signal, calls: 10 });
  await Promise.race([calls, delay(3_000)]);
  quiet.abort();
  await calls;
  return await world.violations("calm", looks);
}

/** A node that takes longer than the others wait for a gateway that is silent. */
async function buildingLong(world: FleetWorld): Promise<readonly Violation[]> {
  const [api] = world.seats.flatMap((seat) => seat.api ?? []);
  await world.devnet.node(0).setFault(undefined);
  const node = world.nodes[0] ?? "";
  await api?.call({ kind: "create", token: "tlong", requestId: "tlong", node, group: "" }, never);
  const [evidence] = await world.look("settled");
  return (evidence?.commits ?? [])
    .flatMap(({ changes }) => changes)
    .filter(({ key, value }) => key.startsWith("i/") && value?.["state"] === "UNKNOWN")
    .map(({ key }) => ({ invariant: "I1", what: `${key} was given up while its gateway worked on it` }));
}

/** The log is trimmed while one gateway is cut off. */
async function withGap(world: FleetWorld, looks: number): Promise<readonly Violation[]> {
  await some(world, "before");
  const [first, second] = world.seats;
  if (second !== undefined) second.proxy.isRefusing = true;
  second?.proxy.reset();
  for (let count = 0; count < 4; count += 1)
    await first?.api?.call({ kind: "createGroup", containers: [] }, never);
  const log = "{p2prc:default}:log";
  const latest = (await world.redis.ask("XREVRANGE", log, "+", "-", "COUNT", "3")) as [string, unknown][];
  await world.redis.ask("XDEL", log, ...latest.slice(1).map(([id]) => id));
  if (second !== undefined) second.proxy.isRefusing = false;
  for (let look = 1; ; look += 1) {
    const [shown, due] = await Promise.all([second?.api?.shown(), first?.api?.shown()]);
    const gone = (due?.groups ?? []).filter((group) => shown?.groups.includes(group) !== true);
    if (gone.length === 0 || look === 4 * looks)
      return gone.map((group) => ({ invariant: "I11", what: `a gateway does not show ${group}` }));
    await delay(250);
  }
}

/** The files name all that they named, at every moment. */
async function flushed(world: FleetWorld, looks: number): Promise<readonly Violation[]> {
  await some(world, "before");
  const before = await world.violations("calm");
  if (before.length > 0) return before;
  const idsIn = (path: string): readonly string[] =>
    (JSON.parse(textOf(path) ?? "{}") as { TrackContainer: { ID: string }[] }).TrackContainer.map(
      ({ ID }) => ID,
    );
  const paths = world.seats.map(({ foreign }) => foreign.trackedPath);
  const named = paths.map(idsIn);
  await world.redis.ask("FLUSHALL");
  for (let look = 0; look < 20 * looks; look += 1) {
    for (const [at, path] of paths.entries()) {
      const ids = idsIn(path);
      const gone = (named[at] ?? []).filter((id) => !ids.includes(id));
      if (gone.length > 0) return [{ invariant: "I5", what: `${path} lost ${gone.join()} by a flush` }];
    }
    await delay(25);
  }
  return [];
}

/** One round of a fleet: callers spread over all gateways, while gateways, Redis, connections and files suffer. */
import { setTimeout as delay } from "node:timers/promises";
import { createRandom } from "../../../../src/devnet/random.js";
import { openHistory, readHistory } from "../history.js";
import type { Ending } from "../lives.js";
import { runTraffic, type TrafficApi } from "../traffic.js";
import { seedOf } from "../world.js";
import type { Fate, Fault, RoundPlan } from "./fleet-faults.js";
import type { FleetWorld } from "./fleet-world.js";
import type { Seat } from "./seat.js";

const callers = 8;
/** More than a round has time for. */
const endlessCalls = 1e9;
/** How long a planned kill may take to come up; not each does in a gateway that is cut off. */
const longestRoundMs = 10_000;
/** How long callers wait once nothing new is asked for: a request id of a gateway that has died waits for longer. */
const patienceMs = 3_000;

export interface RoundResult {
  readonly endings: readonly Ending[];
  /** What happened, in words to be counted. */
  readonly events: readonly string[];
}

/** @param round unlike any other of this world */
export async function runRound(
  world: FleetWorld,
  { lengthMs, fates, faults, spectator }: RoundPlan,
  round: string,
  seed: number,
): Promise<RoundResult> {
  const endings: Ending[] = [];
  const events: string[] = [];
  const quiet = new AbortController();
  await startAll(world, fates, endings);
  const calls = runCalls(world, { round, seed, signal: quiet.signal, spectator });
  const suffering = faults.map((fault) => suffer(world, fault, round, events));
  const living = world.seats.map((seat, at) => live(seat, fates[at] ?? {}, quiet.signal, endings, events));
  await delay(lengthMs);
  await Promise.race([Promise.all(living), delay(longestRoundMs - lengthMs)]);
  await Promise.all(suffering);
  for (const seat of world.seats) {
    // A cut that still waits would fall into the quiet.
    seat.proxy.disarm();
    if (seat.isAlive) seat.arm();
  }
  quiet.abort();
  await Promise.all([calls, ...living]);
  return { endings, events };
}

/** Those that do not run, each with the kill that is meant for it; those that run are given theirs. */
async function startAll(world: FleetWorld, fates: readonly Fate[], endings: Ending[]): Promise<void> {
  await Promise.all(
    world.seats.map(async (seat, at) => {
      const { plan } = fates[at] ?? {};
      if (seat.isAlive) {
        if (plan !== undefined) seat.arm(plan);
        return;
      }
      if (await seat.start(plan)) return;
      endings.push(seat.ending);
      await seat.start();
    }),
  );
}

/** Lets one gateway live, be killed, and come back. */
async function live(
  seat: Seat,
  { plan, afterMs, awayMs }: Fate,
  signal: AbortSignal,
  endings: Ending[],
  events: string[],
): Promise<void> {
  if (plan === undefined && afterMs === undefined) return;
  if (afterMs !== undefined) await within(delay(afterMs), signal);
  if (afterMs !== undefined) seat.kill();
  await within(seat.ended(), signal);
  if (seat.isAlive) return;
  endings.push(seat.ending);
  if (awayMs === undefined) {
    events.push("gateway stayed away");
    return;
  }
  await within(delay(awayMs), signal);
  await seat.start();
  events.push("gateway came back");
}

async function within(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const ended = new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  await Promise.race([work, ended]);
}

async function suffer(world: FleetWorld, fault: Fault, round: string, events: string[]): Promise<void> {
  await delay(fault.atMs);
  const seat = "seat" in fault ? world.seats[fault.seat] : undefined;
  switch (fault.kind) {
    case "redis killed":
      await world.killRedis(fault.awayMs);
      break;
    case "redis held up":
      await world.holdUpRedis(fault.awayMs);
      break;
    case "redis flushed":
      await world.flushRedis(round);
      break;
    case "redis failed over":
      await world.failOver(fault.lagMs, round);
      break;
    case "connections reset":
      seat?.proxy.reset();
      break;
    case "connection cut":
      seat?.proxy.arm(fault.cut);
      break;
    case "gateway cut off":
      if (seat === undefined) break;
      seat.proxy.isRefusing = true;
      seat.proxy.reset();
      await delay(fault.awayMs);
      seat.proxy.isRefusing = false;
      break;
    case "gateway held up":
      await seat?.holdUp(fault.awayMs);
      break;
    case "files edited": {
      const keys = await world.keys().catch(() => new Set<string>());
      seat?.foreign.edit(2, (key) => keys.has(`c/${key}`));
      break;
    }
    case "groups named twice":
      seat?.foreign.nameGroupsTwice();
  }
  events.push(fault.kind);
}

interface CallsOptions {
  readonly round: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** @default as many as there is time for */
  readonly calls?: number;
  /** The seat that nobody asks. */
  readonly spectator?: number | undefined;
}

/** Asks now this gateway and now that one. */
export async function runCalls(
  world: FleetWorld,
  { round, seed, signal, calls = endlessCalls, spectator }: CallsOptions,
): Promise<void> {
  const past = readHistory(world.historyPath);
  const history = openHistory(world.historyPath);
  const random = createRandom(seedOf(seed, round));
  const hurry = new AbortController();
  const onQuiet = (): void => void setTimeout(() => hurry.abort(), patienceMs);
  signal.addEventListener("abort", onQuiet);
  try {
    await runTraffic({
      api: fleetApi(world, signal, spectator === undefined ? undefined : world.seats[spectator]),
      nodes: world.nodes,
      history,
      past,
      random,
      round,
      callers,
      calls,
      signal,
      hurry: hurry.signal,
      outlives: true,
    });
  } finally {
    history.close();
  }
}

function fleetApi(world: FleetWorld, signal: AbortSignal, spectator: Seat | undefined): TrafficApi {
  let turn = 0;
  const some = async (): Promise<NonNullable<Seat["api"]>> => {
    for (;;) {
      const apis = world.living.flatMap((seat) => (seat === spectator ? [] : (seat.api ?? [])));
      const api = apis[turn++ % apis.length];
      if (api !== undefined) return api;
      if (signal.aborted) throw new Error("no gateway is there");
      await delay(20);
    }
  };
  return {
    call: async (call, leaving) => await (await some()).call(call, leaving),
    names: async () => {
      for (;;) {
        const names = await (await some()).names().catch(() => undefined);
        if (names !== undefined) return names;
        await delay(20);
      }
    },
    watch: () => {
      throw new Error("each gateway has watchers of its own");
    },
    outcomeOf: (error) => world.living[0]?.api?.outcomeOf(error) ?? { kind: "cut" },
  };
}

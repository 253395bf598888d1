/** Many rounds on few fleets, each looked at after its end. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../../../../src/devnet/random.js";
import type { Violation } from "../evidence.js";
import { count, emptyReport, noteEnding, noteViolations, type Report } from "../campaign.js";
import { makeTestBuild } from "../test-build.js";
import { seedOf } from "../world.js";
import { planLosses, planRound } from "./fleet-faults.js";
import { runCalls, runRound } from "./fleet-round.js";
import { FleetWorld } from "./fleet-world.js";

export interface FleetCampaignOptions {
  readonly seed: number;
  readonly rounds: number;
  /** @default 8 */
  readonly roundsPerWorld?: number;
  /** Whether gateways may be held up until they are taken for dead; such a round takes 20 s. @default false */
  readonly isLong?: boolean;
  /** Whether Redis loses what it has confirmed, in two rounds of three. @default false */
  readonly losesState?: boolean;
  readonly note?: (line: string) => void;
}

const callsAtRest = 60;

export async function runFleetCampaign({
  seed,
  rounds,
  roundsPerWorld = 8,
  isLong = false,
  losesState = false,
  note,
}: FleetCampaignOptions): Promise<Report> {
  const report = emptyReport();
  const build = await makeTestBuild();
  for (let done = 0; done < rounds; done += roundsPerWorld) {
    const worldSeed = seedOf(seed, "fleet", done);
    const random = createRandom(worldSeed);
    const world = await FleetWorld.make({ build, gateways: 2 + random.below(2), hasReplica: losesState });
    report.worlds += 1;
    let isClean = false;
    try {
      isClean = await liveThrough(
        world,
        { seed: worldSeed, rounds: Math.min(roundsPerWorld, rounds - done), isLong, losesState },
        report,
      );
    } finally {
      if (isClean) await world.destroy();
      else {
        report.kept.push(world.parent);
        await keepCommits(world);
        await world.close();
      }
    }
    note?.(
      `fleet: ${String(Math.min(done + roundsPerWorld, rounds))} rounds so far, ${String(killsOf(report))} kills`,
    );
  }
  return report;
}

const killsOf = ({ landings }: Report): number =>
  [...landings.values()].reduce((sum, kills) => sum + kills, 0);

interface Rounds {
  readonly seed: number;
  readonly rounds: number;
  readonly isLong: boolean;
  readonly losesState: boolean;
}

/** What has lost what it belongs to is judged a minute after it was seen first. */
const looksAfterLoss = 240;

/** @returns whether nothing was found */
async function liveThrough(
  world: FleetWorld,
  { seed, rounds, isLong, losesState }: Rounds,
  report: Report,
): Promise<boolean> {
  const random = createRandom(seed);
  const judge = (found: readonly Violation[], where: string): boolean => {
    noteViolations(found, `${where} of fleet ${String(seed)}`, report);
    return found.length === 0;
  };
  for (let at = 1; at <= rounds; at += 1) {
    const isLoss = losesState && at % 3 !== 0;
    const plan = isLoss
      ? planLosses(random, world.seats.length)
      : planRound(random, world.seats.length, isLong);
    const round = `f${String(at)}`;
    const { endings, events } = await runRound(world, plan, round, seed);
    for (const ending of endings) {
      noteEnding(ending, `fleet ${round}`, report);
      count(report.exposure, "all");
    }
    for (const event of events) count(report.exposure, event);
    await noteOpenWork(world, report);
    if (
      !judge(
        await world.violations("calm", isLoss ? looksAfterLoss : undefined),
        `round ${JSON.stringify(plan)}`,
      )
    )
      return false;
  }
  return await comeToRest(world, random.below(2) === 0, { seed, judge });
}

/** What the dead left half-done, and the others have to deal with. */
async function noteOpenWork(world: FleetWorld, { exposure }: Report): Promise<void> {
  const [evidence] = await world.look("calm");
  const states = new Set(
    [...(evidence?.records ?? [])].map(([key, { state }]) => key.slice(0, 2) + textOf(state)),
  );
  if (states.has("i/PENDING")) count(exposure, "a creation left without outcome");
  if (states.has("i/UNKNOWN")) count(exposure, "a creation shown as UNKNOWN");
  if (states.has("c/REMOVING")) count(exposure, "a removal left without outcome");
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * The last gateways start, or one stays away for ever; nothing may be left open, whoever did it.
 *
 * @returns whether nothing was found
 */
async function comeToRest(
  world: FleetWorld,
  oneStaysAway: boolean,
  {
    seed,
    judge,
  }: { readonly seed: number; readonly judge: (found: readonly Violation[], where: string) => boolean },
): Promise<boolean> {
  const [first, ...others] = world.seats;
  if (oneStaysAway) {
    first?.kill();
    await first?.ended();
  }
  const returning = oneStaysAway ? others : world.seats;
  await Promise.all(returning.filter(({ isAlive }) => !isAlive).map((seat) => seat.start()));
  const never = new AbortController().signal;
  await runCalls(world, { round: "rest", seed, signal: never, calls: callsAtRest });
  if (!judge(await world.violations("settled", 120), "the rest")) return false;
  const codes = await Promise.all(world.living.map((seat) => seat.stop()));
  if (codes.some((code) => code !== 0))
    return judge([{ invariant: "I10", what: `exit codes ${codes.join()} after SIGTERM` }], "the end");
  // Nobody runs any more: what their files say must have been true.
  return judge(await world.violations("settled", 1), "the end");
}

/** For people who look into what was found. */
async function keepCommits(world: FleetWorld): Promise<void> {
  const [evidence] = await world.look("calm").catch(() => []);
  writeFileSync(join(world.parent, "commits.json"), JSON.stringify(evidence?.commits, null, 1));
  writeFileSync(join(world.parent, "records.json"), JSON.stringify([...(evidence?.records ?? [])], null, 1));
}

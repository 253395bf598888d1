/** Many lives on few worlds, each looked at after its end. Says what was met, so that a zero means something. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../../../src/devnet/random.js";
import type { CrashBackend } from "./backends.js";
import type { Evidence, Violation } from "./evidence.js";
import { violationsIn } from "./invariants/index.js";
import { type Ending, type LifeOptions, liveFor, liveInOrder, liveUntilKilled } from "./lives.js";
import { atRandom, labelOf, type Life, type Schedule, sweep } from "./targets.js";
import { makeTestBuild } from "./test-build.js";
import { seedOf, World } from "./world.js";

export interface CampaignOptions {
  readonly backend: CrashBackend;
  readonly seed: number;
  /** Each failpoint has one; the rest come at random. */
  readonly kills: number;
  /** Worlds at the same time. */
  readonly lanes: number;
  /** @default 50 */
  readonly livesPerWorld?: number;
  readonly note?: (line: string) => void;
}

export interface Report {
  /** Kills that landed, by failpoint; "outside" = at a moment of chance. */
  readonly landings: Map<string, number>;
  /** Where each was meant to land and did not. */
  readonly survivors: string[];
  readonly violations: string[];
  /** Kills that met the thing: calls under way, halves of a creation, files that were being written. */
  readonly exposure: Map<string, number>;
  worlds: number;
  /** Folders of worlds with violations: they stay. */
  readonly kept: string[];
}

export const emptyReport = (): Report => ({
  landings: new Map(),
  survivors: [],
  violations: [],
  exposure: new Map(),
  worlds: 0,
  kept: [],
});

const callsAtRest = 60;
/** From one look to the next while a process comes to rest; the files follow within 2 s on a machine that is not busy. */
const restLookMs = 200;
const restLooks = 100;

export async function runCampaign(options: CampaignOptions): Promise<Report> {
  const { backend, seed, lanes } = options;
  const report = emptyReport();
  const build = await makeTestBuild();
  const queue = worldsOf(options);
  let taken = 0;
  const lane = async (): Promise<void> => {
    for (let at = taken++; at < queue.length; at = taken++) {
      const schedules = queue[at] ?? [];
      const world = await World.make(backend);
      report.worlds += 1;
      let isClean = false;
      try {
        isClean = await liveThrough({ world, build, seed: seedOf(seed, at) }, schedules, report);
      } finally {
        if (isClean) await world.destroy();
        else {
          await world.devnet.close();
          report.kept.push(world.folder);
        }
        options.note?.(
          `world ${String(at + 1)} of ${String(queue.length)}: ${String(killsOf(report))} kills so far`,
        );
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return report;
}

const killsOf = ({ landings }: Report): number =>
  [...landings.values()].reduce((sum, count) => sum + count, 0);

/** Cuts the schedules into worlds; what needs a first life begins one. */
function worldsOf({
  backend,
  seed,
  kills,
  livesPerWorld = 50,
}: CampaignOptions): readonly (readonly Schedule[])[] {
  const random = createRandom(seedOf(seed, "schedules"));
  const swept = sweep(backend);
  const first = swept.filter(({ isFirstLife }) => isFirstLife);
  const rest = random.shuffled(swept.filter(({ isFirstLife }) => !isFirstLife));
  const livesIn = (schedules: readonly Schedule[]): number =>
    schedules.reduce((sum, { lives }) => sum + lives.length, 0);
  while (livesIn(first) + livesIn(rest) < kills) rest.push(atRandom(random, backend));
  const worlds: Schedule[][] = [];
  for (const schedule of random.shuffled(rest)) {
    let world = worlds.at(-1);
    if (world === undefined || livesIn(world) >= livesPerWorld) {
      world = first.slice(worlds.length, worlds.length + 1);
      worlds.push(world);
    }
    world.push(schedule);
  }
  return worlds;
}

/** @returns whether nothing was found */
async function liveThrough(
  options: Omit<LifeOptions, "round">,
  schedules: readonly Schedule[],
  report: Report,
): Promise<boolean> {
  let count = 0;
  let clockAheadMs = 0;
  for (const { label, lives } of schedules) {
    for (const [at, life] of lives.entries()) {
      count += 1;
      clockAheadMs += life.pauseMs ?? 0;
      await disturb(options.world, life);
      const round = `r${String(count)}`;
      const ending = await end({ ...options, round, clockAheadMs }, life);
      const isMeant = at === lives.length - 1;
      noteEnding(ending, isMeant ? label : `before ${label}`, report);
      const evidence = await options.world.look("killed");
      noteExposure(evidence, options.world, report);
      const found = violationsIn(evidence);
      noteViolations(found, `${label}, life ${round} of seed ${String(options.seed)}`, report);
      if (found.length > 0 || ending.kind === "survived") return false;
    }
  }
  return await comeToRest({ ...options, round: "rest", clockAheadMs }, report);
}

async function disturb(world: World, { disturbance }: Life): Promise<void> {
  if (disturbance === "named twice") world.foreign.nameGroupsTwice();
  if (disturbance !== "edited") return;
  const records = await world.records();
  world.foreign.edit(2, (key) => records.has(`c/${key}`));
}

async function end(options: LifeOptions, { plan, afterMs = 0 }: Life): Promise<Ending> {
  return plan === undefined ? await liveFor(options, afterMs) : await liveUntilKilled(options, plan);
}

export function noteEnding(ending: Ending, label: string, report: Report): void {
  switch (ending.kind) {
    case "landed": {
      const { name, file } = ending.landing;
      count(report.landings, labelOf(name, file));
      break;
    }
    case "killed":
      count(report.landings, "outside");
      break;
    case "survived":
      report.survivors.push(`${label}: ${ending.words}`);
  }
}

export const count = (counts: Map<string, number>, what: string): void =>
  void counts.set(what, (counts.get(what) ?? 0) + 1);

export function noteExposure(
  { history, records }: Evidence,
  { folder, foreign }: World,
  { exposure }: Report,
): void {
  const last = history.findLast((line) => line.at === "asked");
  const round = last?.at === "asked" ? last.op.slice(0, last.op.indexOf(".") + 1) : "";
  const underWay = new Set<string>();
  for (const line of history.slice(-500)) {
    if (line.at === "asked" && line.op.startsWith(round)) underWay.add(line.op);
    // Who lost its connection was under way.
    if (line.at === "answered" && line.outcome.kind !== "cut") underWay.delete(line.op);
  }
  const states = [...records].map(
    ([key, { state }]) => `${key.slice(0, 2)}${typeof state === "string" ? state : ""}`,
  );
  const temporaries = [join(foreign.trackedPath, ".."), join(folder, ".p2prc")]
    .flatMap((path) => readdirSync(path))
    .filter((name) => name.endsWith(".tmp"));
  count(exposure, "all");
  if (underWay.size > 0) count(exposure, "calls under way");
  if (states.includes("i/PENDING")) count(exposure, "a creation without outcome");
  if (states.includes("c/REMOVING")) count(exposure, "a removal without outcome");
  if (temporaries.length > 0) count(exposure, "a file half replaced");
  if (foreign.texts.length > 0) count(exposure, "others wrote the files");
}

export function noteViolations(found: readonly Violation[], where: string, report: Report): void {
  for (const { invariant, what } of found.slice(0, 5))
    report.violations.push(`${invariant} after ${where}: ${what}`);
}

/** A last life that nobody kills: everything comes to rest, then ends in order. @returns whether nothing was found */
async function comeToRest(options: LifeOptions, report: Report): Promise<boolean> {
  const found: Violation[] = [];
  const rests: unknown[] = [];
  const code = await liveInOrder(options, callsAtRest, async (leftovers) => {
    rests.push(leftovers);
    found.push(...(await violationsAtRest(options.world, leftovers)));
  });
  const where = `the rest of seed ${String(options.seed)}`;
  if (rests.length === 0 || code !== 0)
    report.violations.push(`no order in ${where}: exit code ${String(code)}`);
  found.push(...violationsIn(await options.world.look("settled")));
  noteViolations(found, where, report);
  return found.length === 0 && rests.length > 0 && code === 0;
}

/** Looks until there is nothing to say against it, or for long enough. */
export async function violationsAtRest(
  world: World,
  leftovers?: Parameters<World["look"]>[1],
  looks = restLooks,
): Promise<readonly Violation[]> {
  for (let look = 1; ; look += 1) {
    const found = violationsIn(await world.look("settled", leftovers));
    if (found.length === 0 || look === looks) return found;
    await new Promise((resolve) => setTimeout(resolve, restLookMs));
  }
}

/** For people: every zero with what it was met by. */
export function describeReport({ landings, survivors, violations, exposure, worlds, kept }: Report): string {
  const counts = (all: ReadonlyMap<string, number>): string =>
    [...all]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, n]) => `  ${String(n).padStart(5)}  ${what}`)
      .join("\n");
  return [
    `${String(violations.length)} violations in ${String(exposure.get("all") ?? 0)} kills on ${String(worlds)} worlds`,
    "kills by where they landed:",
    counts(landings),
    "kills that met:",
    counts(exposure),
    ...survivors.map((text) => `NEVER CAME UP: ${text}`),
    ...violations.map((text) => `VIOLATION: ${text}`),
    ...kept.map((folder) => `kept: ${folder}`),
  ].join("\n");
}

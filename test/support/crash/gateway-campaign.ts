/** Kills of the whole gateway, one after the other on a world, each looked at. */
import { createRandom, type Random } from "../../../src/devnet/random.js";
import type { CrashBackend } from "./backends.js";
import { emptyReport, noteEnding, noteExposure, noteViolations, type Report } from "./campaign.js";
import { useInOrder, useUntilKilled } from "./gateways.js";
import { violationsIn } from "./invariants/index.js";
import type { KillPlan } from "./kill-plan.js";
import { makeTestBuild } from "./test-build.js";
import { seedOf, World } from "./world.js";

export interface GatewayCampaignOptions {
  /** The gateway opens its own store in the base folder. */
  readonly backend: CrashBackend;
  readonly seed: number;
  readonly kills: number;
  readonly note?: (line: string) => void;
}

const killsPerWorld = 10;
const callsAtRest = 60;

export async function runGatewayCampaign({
  backend,
  seed,
  kills,
  note,
}: GatewayCampaignOptions): Promise<Report> {
  const report = emptyReport();
  const build = await makeTestBuild();
  for (let done = 0; done < kills; done += killsPerWorld) {
    const world = await World.make(backend);
    report.worlds += 1;
    const options = { world, build, seed: seedOf(seed, done) };
    const isClean = await liveThrough(options, Math.min(killsPerWorld, kills - done), report);
    if (isClean) await world.destroy();
    else {
      await world.devnet.close();
      report.kept.push(world.folder);
    }
    note?.(`gateway: ${String(done + killsPerWorld)} kills so far`);
  }
  return report;
}

/** @returns whether nothing was found */
async function liveThrough(
  options: { readonly world: World; readonly build: string; readonly seed: number },
  kills: number,
  report: Report,
): Promise<boolean> {
  const { world, seed } = options;
  const random = createRandom(seed);
  for (let count = 1; count <= kills; count += 1) {
    const end = someEnd(random);
    const ending = await useUntilKilled({ ...options, round: `g${String(count)}` }, end);
    noteEnding(ending, `gateway ${JSON.stringify(end)}`, report);
    const evidence = await world.look("killed");
    noteExposure(evidence, world, report);
    const found = violationsIn(evidence);
    noteViolations(found, `gateway life ${String(count)} of seed ${String(seed)}`, report);
    if (found.length > 0 || ending.kind === "survived") return false;
  }
  const found = await useInOrder({ ...options, round: "rest" }, callsAtRest);
  noteViolations(found, `the gateway's rest of seed ${String(seed)}`, report);
  return found.length === 0;
}

function someEnd(random: Random): { readonly plan?: KillPlan; readonly afterMs?: number } {
  const draw = random.below(10);
  if (draw < 3) return { afterMs: 50 + random.below(500) };
  if (draw < 8) return { plan: { hit: 20 + random.below(300) } };
  return { plan: { name: "create.asking", hit: 1 + random.below(5), delayMs: random.below(10) } };
}

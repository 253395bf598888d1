/** The planted bugs, each with the invariant that must catch it and the lives that bring it out. */
import type { CrashBackend } from "./backends.js";
import type { BugName } from "./bugs.js";
import { violationsAtRest } from "./campaign.js";
import type { InvariantName, Violation } from "./evidence.js";
import { violationsIn } from "./invariants/index.js";
import type { KillPlan } from "./kill-plan.js";
import { liveInOrder, liveUntilKilled } from "./lives.js";
import { makeTestBuild } from "./test-build.js";
import { World } from "./world.js";

interface Case {
  readonly catches: InvariantName;
  /** Absent = it shows at rest. */
  readonly plan?: KillPlan;
}

/** The bug kills by itself. */
const never: KillPlan = { name: "import.first", hit: 99 };

export const plantedCases: Readonly<Record<BugName, Case>> = {
  "asks before the intent is written": { catches: "I1", plan: { name: "create.answered", hit: 1 } },
  "tracks nothing once the id is known": { catches: "I1", plan: { name: "create.tracked", hit: 3 } },
  "answers before the commit is on the disk": { catches: "I1", plan: { name: "create.tracked", hit: 2 } },
  "takes a refused removal for a removal": { catches: "I1", plan: { name: "remove.refused", hit: 2 } },
  "asks a node twice": { catches: "I2", plan: { name: "create.tracked", hit: 2 } },
  "asks again after a restart": { catches: "I2", plan: { name: "create.answered", hit: 2 } },
  "forgets request ids": { catches: "I2", plan: { name: "create.tracked", hit: 40 } },
  "keeps a removed container": { catches: "I3", plan: { name: "remove.untracked", hit: 2 } },
  "leaves a removed container in its groups": { catches: "I4", plan: { name: "remove.untracked", hit: 10 } },
  "writes a commit in two halves": { catches: "I7", plan: never },
  "writes a file in place": { catches: "I5", plan: never },
  "loses what others wrote": { catches: "I5" },
  "changes what others wrote": { catches: "I5" },
  "skips a change for its watchers": { catches: "I6", plan: { name: "commit.shown", hit: 60 } },
  "repeats a change for its watchers": { catches: "I6", plan: { name: "commit.shown", hit: 60 } },
  "resumes a watcher too late": { catches: "I6", plan: { name: "commit.shown", hit: 60 } },
  "logs secrets": { catches: "I9", plan: { name: "commit.shown", hit: 20 } },
  "leaves a timer behind": { catches: "I10" },
};

const mostLives = 6;
const callsAtRest = 12;
/** Long enough for the files to follow. */
const looksAtRest = 12;

/** Plants a bug, and lives until its invariant is broken, or for long enough. @returns the violations found last */
export async function violationsOf(bug: BugName, backend: CrashBackend): Promise<readonly Violation[]> {
  const { catches, plan } = plantedCases[bug];
  const build = await makeTestBuild();
  const world = await World.make(backend);
  let found: readonly Violation[] = [];
  try {
    for (let life = 1; life <= mostLives; life += 1) {
      const options = { world, build, bug, round: `p${String(life)}`, seed: life };
      if (plan === undefined) {
        world.foreign.edit(2, () => false);
        await liveInOrder(options, callsAtRest, async (leftovers) => {
          found = await violationsAtRest(world, leftovers, looksAtRest);
        });
      } else {
        await liveUntilKilled(options, plan);
        found = violationsIn(await world.look("killed"));
      }
      if (found.some(({ invariant }) => invariant === catches)) break;
    }
    return found;
  } finally {
    await world.destroy();
  }
}

/** Lives of the small process: started on a world, killed or ended in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BugName } from "./bugs.js";
import type { HookOrder, KillPlan, Landing } from "./kill-plan.js";
import type { WorkerJob, WorkerWord } from "./worker.js";
import { seedOf, type World } from "./world.js";

export interface LifeOptions {
  readonly world: World;
  readonly build: string;
  /** Unlike any other of this world. */
  readonly round: string;
  readonly seed: number;
  /** By how much the wall clock of the process is ahead. @default 0 */
  readonly clockAheadMs?: number;
  readonly bug?: BugName | undefined;
}

const callers = 6;
/** More than a life has time for. */
const endlessCalls = 1e9;
/** Enough for every failpoint to come up, many times over, also on a machine that is busy with something else. */
const longestLifeMs = 120_000;

/** How a life ended that was to be killed. */
export type Ending =
  | { readonly kind: "landed"; readonly landing: Landing }
  /** From outside, at a time of chance; or by a planted bug. */
  | { readonly kind: "killed" }
  /** The failpoint never came up. */
  | { readonly kind: "survived"; readonly words: string };

/** Runs callers until the process is killed where the plan says. */
export async function liveUntilKilled(options: LifeOptions, plan: KillPlan): Promise<Ending> {
  const { world } = options;
  rmSync(world.landingPath, { force: true });
  const { child } = start(
    options,
    { calls: endlessCalls, endsInOrder: false },
    { plan, landingPath: world.landingPath },
  );
  const timer = setTimeout(() => child.kill("SIGTERM"), longestLifeMs);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(timer);
  if (existsSync(world.landingPath)) return { kind: "landed", landing: readLanding(world.landingPath) };
  return signal === "SIGKILL"
    ? { kind: "killed" }
    : { kind: "survived", words: `exit code ${String(code)}, signal ${String(signal)}` };
}

/** Kills the process from outside, so long after it was started. */
export async function liveFor(options: LifeOptions, lifeMs: number): Promise<Ending> {
  const order: HookOrder = { landingPath: options.world.landingPath };
  const { child } = start(options, { calls: endlessCalls, endsInOrder: false }, order);
  const timer = setTimeout(() => child.kill("SIGKILL"), lifeMs);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(timer);
  return signal === "SIGKILL"
    ? { kind: "killed" }
    : { kind: "survived", words: `exit code ${String(code)}, signal ${String(signal)}` };
}

/**
 * Runs callers to their end and lets the process come to rest.
 *
 * @param whileAtRest is called while it runs on, with nothing under way
 * @returns its exit code
 */
export async function liveInOrder(
  options: LifeOptions,
  calls: number,
  whileAtRest: (rest: Extract<WorkerWord, { word: "calm" }>) => Promise<void>,
): Promise<number | null> {
  const { child, words } = start(
    options,
    { calls, endsInOrder: true },
    { landingPath: options.world.landingPath },
  );
  const exit = once(child, "exit") as Promise<[number | null, string | null]>;
  try {
    for await (const word of words) if (word.word === "calm") await whileAtRest(word);
    return (await exit)[0];
  } finally {
    child.kill("SIGKILL");
  }
}

function start(
  { world, build, round, seed, bug, clockAheadMs = 0 }: LifeOptions,
  rest: Pick<WorkerJob, "calls" | "endsInOrder">,
  order: HookOrder,
): { readonly child: ChildProcess; readonly words: AsyncIterable<WorkerWord> } {
  const job: WorkerJob = {
    folder: world.folder,
    backend: world.backend.name,
    place: world.place,
    historyPath: world.historyPath,
    nodes: world.nodes,
    seed: seedOf(seed, round),
    round,
    clockAheadMs,
    callers,
    ...rest,
    ...(bug === undefined ? {} : { bug }),
  };
  const folder = join(build, "test/support/crash");
  const log = openSync(world.logPath, "a");
  const child = spawn(
    process.execPath,
    [
      "--expose-gc",
      "--import",
      join(folder, "failpoint-hook.js"),
      join(folder, "worker.js"),
      JSON.stringify(job),
    ],
    { stdio: ["pipe", "pipe", log], env: { P2PRC_TEST_KILL: JSON.stringify(order) } },
  );
  closeSync(log);
  return { child, words: wordsOf(child) };
}

async function* wordsOf(child: ChildProcess): AsyncGenerator<WorkerWord> {
  if (child.stdout === null) return;
  for await (const line of createInterface(child.stdout)) {
    const word = JSON.parse(line) as WorkerWord;
    yield word;
    if (word.word === "calm") child.stdin?.end();
  }
}

const readLanding = (path: string): Landing => JSON.parse(readFileSync(path, "utf8")) as Landing;

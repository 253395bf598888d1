/** Lives of the whole gateway: `p2prc serve` of the test build on a world, with callers over the wire. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createRandom } from "../../../src/devnet/random.js";
import type { Owner, Violation } from "./evidence.js";
import { lastRevisionOf, openHistory, readHistory, type WatcherName, watchers } from "./history.js";
import { violationsIn } from "./invariants/index.js";
import type { HookOrder, KillPlan, Landing } from "./kill-plan.js";
import type { Leftovers } from "./leftovers.js";
import type { Ending } from "./lives.js";
import { runTraffic, runWatcher } from "./traffic.js";
import { violationsAtRest } from "./campaign.js";
import { wireApi } from "./wire-api.js";
import { seedOf, type World } from "./world.js";

const callers = 6;
const endlessCalls = 1e9;
/** Enough for what is planned to come up, also on a machine that is busy with something else. */
const longestLifeMs = 120_000;
/** Looks in vain before what is left counts as left behind: our callers keep idle connections for 5 s. */
const looks = 300;
const lookMs = 100;

/** A gateway that serves. */
export interface RunningGateway {
  readonly child: ChildProcess;
  readonly url: string;
  readonly socketPath: string;
  readonly ended: Promise<number | null>;
}

/** Where a gateway is at home. */
export interface GatewaySeat {
  readonly folder: string;
  readonly logPath: string;
  /** Besides those that every gateway gets. */
  readonly flags: readonly string[];
  /** Loaded before it. */
  readonly imports?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Filled with each that served. */
  readonly owners: Owner[];
}

/** Starts a gateway. @returns undefined if it ended before it served */
export async function startGateway(
  seat: GatewaySeat,
  build: string,
  order: HookOrder,
): Promise<RunningGateway | undefined> {
  const log = openSync(seat.logPath, "a");
  const flags = ["--listen", "127.0.0.1:0", "--allow-cidr", "127.0.0.0/8", "--public-ip", "off"];
  const imports = ["failpoint-hook.js", ...(seat.imports ?? [])];
  const child = spawn(
    process.execPath,
    [
      ...imports.flatMap((name) => ["--import", join(build, "test/support/crash", name)]),
      join(build, "src/cli/main.js"),
      "serve",
      "--base",
      seat.folder,
      ...flags,
      ...seat.flags,
    ],
    { stdio: ["ignore", "pipe", log], env: { ...seat.env, P2PRC_TEST_KILL: JSON.stringify(order) } },
  );
  closeSync(log);
  const ended = once(child, "exit").then(([code]) => code as number | null);
  for await (const line of createInterface(child.stdout!)) {
    const [, url, socketPath] = /ready: (\S+) and socket (.*)$/.exec(line) ?? [];
    if (url === undefined || socketPath === undefined) continue;
    const fromMs = performance.now();
    void ended.then(() => seat.owners.push({ pid: child.pid ?? 0, fromMs, toMs: performance.now() }));
    return { child, url, socketPath, ended };
  }
  await ended;
  return undefined;
}

/** Callers and watchers at one gateway, until it is gone or `calls` are answered. */
async function useGateway(
  world: World,
  { url, socketPath, ended }: RunningGateway,
  { round, seed, calls }: { readonly round: string; readonly seed: number; readonly calls: number },
  atRest: () => Promise<void>,
): Promise<void> {
  const past = readHistory(world.historyPath);
  const history = openHistory(world.historyPath);
  const api = wireApi(url, socketPath);
  const leaving = new AbortController();
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  const watching = (Object.keys(watchers) as WatcherName[]).map((watcher) =>
    runWatcher({ api, history }, watcher, lastRevisionOf(past, watcher), leaving.signal),
  );
  const random = createRandom(seedOf(seed, round));
  try {
    await runTraffic({
      api,
      nodes: world.nodes,
      history,
      past,
      random,
      round,
      callers,
      calls,
      signal: gone.signal,
    });
    await atRest();
  } catch (error) {
    // It was gone before its names could be asked for.
    if (api.outcomeOf(error).kind !== "cut") throw error;
  } finally {
    leaving.abort();
    await Promise.all(watching);
    api.close();
    history.close();
  }
}

export interface GatewayLifeOptions {
  readonly world: World;
  readonly build: string;
  readonly round: string;
  readonly seed: number;
}

/** Uses a gateway until it is killed at a failpoint, or from outside after a time. */
export async function useUntilKilled(
  { world, build, round, seed }: GatewayLifeOptions,
  { plan, afterMs }: { readonly plan?: KillPlan; readonly afterMs?: number },
): Promise<Ending> {
  rmSync(world.landingPath, { force: true });
  const order = { ...(plan === undefined ? {} : { plan }), landingPath: world.landingPath };
  const gateway = await startGateway(world, build, order);
  if (gateway !== undefined) {
    const { child } = gateway;
    const timer =
      afterMs === undefined
        ? setTimeout(() => child.kill("SIGTERM"), longestLifeMs)
        : setTimeout(() => child.kill("SIGKILL"), afterMs);
    await useGateway(world, gateway, { round, seed, calls: endlessCalls }, () => Promise.resolve());
    await gateway.ended;
    clearTimeout(timer);
    if (child.signalCode === "SIGKILL" && plan === undefined) return { kind: "killed" };
  }
  if (existsSync(world.landingPath))
    return { kind: "landed", landing: JSON.parse(readFileSync(world.landingPath, "utf8")) as Landing };
  return { kind: "survived", words: gateway === undefined ? "it never served" : "it ended by itself" };
}

/** Uses a gateway that nobody kills, beside a second one that wants the same folder; then ends it in order. */
export async function useInOrder(
  { world, build, round, seed }: GatewayLifeOptions,
  calls: number,
): Promise<readonly Violation[]> {
  const order = { landingPath: world.landingPath };
  const started = await Promise.all([startGateway(world, build, order), startGateway(world, build, order)]);
  const running = started.filter((gateway) => gateway !== undefined);
  const [gateway, ...others] = running;
  if (gateway === undefined) return [{ invariant: "I8", what: "of two gateways neither served the folder" }];
  const found: Violation[] = [];
  try {
    const before = held(gateway.child);
    await useGateway(world, gateway, { round, seed, calls }, async () => {
      found.push(
        ...(await violationsAtRest(world, { before, after: await heldAtRest(gateway.child, before) })),
      );
    });
    gateway.child.kill("SIGTERM");
    const code = await gateway.ended;
    if (code !== 0)
      found.push({ invariant: "I10", what: `it ended with exit code ${String(code)} after SIGTERM` });
  } finally {
    for (const { child, ended } of running) {
      child.kill("SIGKILL");
      await ended;
    }
  }
  if (others.length > 0) found.push({ invariant: "I8", what: "two gateways served the folder" });
  return [...found, ...violationsIn(await world.look("settled"))];
}

/** Sockets of a process, as Linux counts them; two watchers and the sockets that it listens on are among them. */
function held({ pid }: ChildProcess): Leftovers {
  const folder = `/proc/${String(pid)}/fd`;
  const sockets = readdirSync(folder).filter((name) => linkOf(join(folder, name)).startsWith("socket:"));
  return { sockets: sockets.length, timers: 0, heapBytes: 0 };
}

async function heldAtRest(child: ChildProcess, before: Leftovers): Promise<Leftovers> {
  // One connection carries both watches.
  const allowed = { ...before, sockets: before.sockets + 1 };
  for (let look = 0; ; look += 1) {
    const now = held(child);
    if (now.sockets <= allowed.sockets || look === looks) return { ...now, sockets: now.sockets - 1 };
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

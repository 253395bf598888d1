import { hash } from "node:crypto";
import { join } from "node:path";
import type { Logger } from "../observability/logger.js";
import type { Clock } from "../system/clock.js";
import { findAnsible, type ProgramSurroundings } from "./ansible-program.js";
import { playbookPort } from "./batches.js";
import { BoundedQueue } from "./bounded-queue.js";
import type {
  EventDraft,
  PluginContainers,
  PluginService,
  RunEvent,
  RunRequest,
  RunTarget,
} from "./contract.js";
import { PluginError } from "./errors.js";
import { HostKeys } from "./host-keys.js";
import { checkVariables } from "./inventory.js";
import { pluginLimits } from "./limits.js";
import { PluginPackages } from "./packages.js";
import { readPluginName } from "./names.js";
import { findPlugin, listPlugins } from "./plugin-folders.js";
import { type PlannedTarget, PluginRun } from "./plugin-run.js";
import { replay } from "./replay.js";
import { recordFailure } from "./recorded-failure.js";
import { RunJournal, type RunRecord } from "./run-journal.js";
import { RunLog } from "./run-log.js";
import { findTargets } from "./targets.js";

export interface PluginServiceDeps extends ProgramSurroundings {
  readonly containers: PluginContainers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder of the plugins; it need not exist. */
  readonly pluginPath: string;
  /** Where runs and host keys are kept. */
  readonly stateFolder: string;
  /** The folder of our callback for Ansible. */
  readonly callbackFolder: string;
  readonly privateKeyPath: () => Promise<string>;
  readonly newRunId: () => string;
  readonly draining: AbortSignal;
}

/** Builds this room on its parts, and ends what a gateway that was killed left running. */
export async function openPluginService(deps: PluginServiceDeps): Promise<PluginService> {
  const { stateFolder, pluginPath } = deps;
  const journal = new RunJournal(join(stateFolder, "runs"));
  const hostKeys = new HostKeys(join(stateFolder, "host-keys"));
  await hostKeys.open();
  const log = await RunLog.open({ ...deps, journal });
  const packages = new PluginPackages(deps);
  await packages.clearAway();
  await hostKeys.keepOnly(() => deps.containers.trackedNames());
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  return {
    list: () => listPlugins(pluginPath),
    install: (url, caller, signal) => packages.install(url, caller, signal),
    remove: (plugin, caller) => packages.remove(plugin, caller),
    run: (request, signal) =>
      runOf({ ...deps, journal, hostKeys, log, stopping: stopping.signal, running }, request, signal),
    async close() {
      stopping.abort(new PluginError("DRAINING", "the gateway ends"));
      await Promise.allSettled([...running, packages.close()]);
    },
  };
}

interface RunParts extends PluginServiceDeps {
  readonly journal: RunJournal;
  readonly hostKeys: HostKeys;
  readonly log: RunLog;
  readonly stopping: AbortSignal;
  readonly running: Set<Promise<void>>;
}

async function* runOf(
  parts: RunParts,
  request: RunRequest,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, void, undefined> {
  const { pluginPath, log, clock, running, draining, stopping } = parts;
  requireTaken(draining);
  const folder = readPluginName(request.plugin, "plugin");
  check(request);
  const hashes = hashesOf(folder, request);
  const told = (run: string) => (event: EventDraft) => ({
    ...event,
    timeMs: clock.nowMs(),
    resumeToken: run,
  });
  const known = log.ofRequest(request.requestId, hashes.argumentsHash);
  if (known !== undefined) {
    yield* replay(known).map(told(known.begin.run));
    return;
  }
  const plugin = await findPlugin(pluginPath, folder);
  const ansiblePath = await findAnsible(parts);
  const targets = await planOf(parts, request, hashes);
  if (request.validateOnly) {
    yield* (await preview(parts, plugin.plugin.portCount, targets)).map(told(""));
    return;
  }
  requireTaken(draining);
  if (running.size >= pluginLimits.maxRuns)
    throw new PluginError("TOO_MANY_RUNS", "as many runs go on as may");
  const run = parts.newRunId();
  const queue = new BoundedQueue<EventDraft>(pluginLimits.maxQueuedEvents);
  const leaving = new AbortController();
  const working = new PluginRun(
    { ...parts, ansiblePath },
    {
      run,
      plugin,
      request,
      ...hashes,
      targets,
      emit: (event) => queue.put(event),
      signal: AbortSignal.any([signal, leaving.signal, stopping]),
    },
  ).run();
  const settled = working.then(
    () => queue.end(),
    (error: unknown) => queue.end(error),
  );
  running.add(settled);
  try {
    for await (const event of queue.read()) yield told(run)(event);
  } finally {
    // Whoever stops reading leaves: nothing of the run goes on when this settles.
    leaving.abort(new Error("the reader left"));
    queue.end();
    await settled;
    running.delete(settled);
  }
}

/** @throws {PluginError} DRAINING */
function requireTaken(draining: AbortSignal): void {
  if (draining.aborted) throw new PluginError("DRAINING", "the gateway ends");
}

function check({ variables, policy }: RunRequest): void {
  checkVariables(variables);
  if (policy.undoOnFailure) {
    throw new PluginError("INVALID_FAILURE_POLICY", "undo_on_failure: a playbook has no way back", {
      field: "failure_policy.undo_on_failure",
    });
  }
}

interface Hashes {
  readonly argumentsHash: string;
  readonly scopeHash: string;
}

function hashesOf(folder: string, request: RunRequest): Hashes {
  const { targets, variables, policy, resumeToken } = request;
  const scope = [folder, targets, [...variables].sort()];
  const of = (value: unknown): string => hash("sha256", JSON.stringify(value), "base64url");
  return { scopeHash: of(scope), argumentsHash: of([scope, policy, resumeToken]) };
}

/** The targets of a new run, or those of an earlier one that have not gone well. */
async function planOf(
  { log, containers }: RunParts,
  { targets, requestId, resumeToken }: RunRequest,
  { argumentsHash, scopeHash }: Hashes,
): Promise<readonly PlannedTarget[]> {
  // Who has joined a group elsewhere a moment ago is among its members, and who was removed is none.
  await containers.catchUp();
  // Asked before anything is done; the run takes it when it begins.
  await log.takeRequest(requestId, argumentsHash, true);
  if (resumeToken === "") {
    return (await findTargets(containers, targets)).map((container) => ({ container, ports: undefined }));
  }
  return leftOf(log.find(resumeToken), scopeHash);
}

/** @throws {PluginError} RESUME_EXPIRED, INVALID_RESUME_TOKEN, RUN_UNDER_WAY */
function leftOf(record: RunRecord | undefined, scopeHash: string): readonly PlannedTarget[] {
  if (record === undefined) {
    throw new PluginError("RESUME_EXPIRED", "the run of this resume_token is not known any more");
  }
  const { begin, ends, end } = record;
  if (begin.scopeHash !== scopeHash) {
    throw new PluginError("INVALID_RESUME_TOKEN", "resume_token is of another plugin, target or variables", {
      field: "resume_token",
    });
  }
  if (end === undefined) throw new PluginError("RUN_UNDER_WAY", "the run of this resume_token goes on");
  return begin.targets.flatMap(({ container, ports }) => {
    const ended = ends.get(container);
    if (ended !== undefined && ended.failure === undefined) return [];
    // Of one that was cut short nobody knows whether its ports are in use: it gets the same.
    const keepsPorts = ended === undefined || ended.keepsPorts;
    return [{ container, ports: keepsPorts && ports.length > 0 ? ports : undefined }];
  });
}

/** What a run would begin with, and which targets it could not begin. Nothing is marked. */
async function preview(
  { containers }: RunParts,
  portCount: number,
  targets: readonly PlannedTarget[],
): Promise<readonly EventDraft[]> {
  const shown: RunTarget[] = [];
  const refused: EventDraft[] = [];
  for (const { container, ports } of targets) {
    try {
      const taken = ports ?? (await containers.takePorts(container, portCount, true));
      shown.push({ container, ports: taken.map(playbookPort) });
    } catch (error) {
      // As in a run: a fault of the gateway fails the call, and not each target.
      if (!(error instanceof Error) || recordFailure(error).room === "unknown") throw error;
      shown.push({ container, ports: [] });
      refused.push({ kind: "finished", container, result: { target: container, error, elapsedMs: 0 } });
    }
  }
  const failedCount = refused.length;
  const notStartedCount = targets.length - failedCount;
  const counts = { succeededCount: 0, failedCount, notStartedCount, elapsedMs: 0 };
  return [
    { kind: "started", container: "", run: "", targets: shown, isReplayed: false },
    ...refused,
    { kind: "summary", container: "", ...counts, endReason: "VALIDATED" },
  ];
}

/** One run of a plugin, from its targets to its summary. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Access } from "../containers/contract.js";
import type { ContainerPort } from "../peer-api/contract.js";
import type { Clock } from "../system/clock.js";
import { type ProgramSurroundings, requireSshpass } from "./ansible-program.js";
import { runBatch } from "./batch.js";
import { dealOut, playbookPort, workOff } from "./batches.js";
import type { EventDraft, PluginContainers, RunEndReason, RunRequest } from "./contract.js";
import { PluginError } from "./errors.js";
import type { HostKeys } from "./host-keys.js";
import { inventoryHost, variablesText } from "./inventory.js";
import type { RunnablePlugin } from "./plugin-folders.js";
import type { ReadyTarget, TargetOutcome } from "./ready-target.js";
import { recordFailure } from "./recorded-failure.js";
import type { RunBegin, RunJournal } from "./run-journal.js";
import type { RunLog } from "./run-log.js";
import { secretHider } from "./secrets.js";
import { copyFolder } from "./snapshot.js";

export interface PluginRunDeps extends ProgramSurroundings {
  readonly containers: PluginContainers;
  readonly clock: Clock;
  readonly log: RunLog;
  readonly journal: RunJournal;
  readonly hostKeys: HostKeys;
  /** The gateway's own private key, for `ssh -i`. */
  readonly privateKeyPath: () => Promise<string>;
  readonly callbackFolder: string;
  readonly ansiblePath: string;
}

export interface PluginRunOptions {
  readonly run: string;
  readonly plugin: RunnablePlugin;
  readonly request: RunRequest;
  readonly argumentsHash: string;
  readonly scopeHash: string;
  readonly targets: readonly PlannedTarget[];
  readonly emit: (event: EventDraft) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A target of a run, with the ports that an earlier run took for it. */
export interface PlannedTarget {
  readonly container: string;
  readonly ports: readonly ContainerPort[] | undefined;
}

/** A target that cannot be begun. */
interface Refused {
  readonly container: string;
  readonly ports: readonly ContainerPort[];
  readonly error: Error;
}

const defaultInterpreter = "/usr/bin/python3";

export class PluginRun {
  readonly #deps: PluginRunDeps;
  readonly #options: PluginRunOptions;
  readonly #beganMs: number;
  #succeededCount = 0;
  #failedCount = 0;
  #notStartedCount = 0;

  constructor(deps: PluginRunDeps, options: PluginRunOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#beganMs = deps.clock.monotonicMs();
  }

  /** Runs to the end. When it settles no process is left, and what the run had written is gone. */
  async run(): Promise<void> {
    const { run } = this.#options;
    const { log } = this.#deps;
    let reason: "FINISHED" | "FAILURE_LIMIT" | "INTERRUPTED" = "INTERRUPTED";
    try {
      reason = await this.#work();
      await log.end(run, reason);
    } catch (error) {
      await log.end(run, "INTERRUPTED");
      throw error;
    }
    await this.#options.emit(this.#summary(reason));
  }

  async #work(): Promise<"FINISHED" | "FAILURE_LIMIT"> {
    const { run, request, plugin, emit, signal } = this.#options;
    const { log } = this.#deps;
    const { maxConcurrency, maxFailureCount } = request.policy;
    const ready: ReadyTarget[] = [];
    const refused: Refused[] = [];
    let begin: RunBegin;
    try {
      await this.#prepare(ready, refused);
      begin = this.#beginOf([...ready, ...refused]);
      await log.begin(begin);
    } catch (error) {
      for (const { container, ports } of ready) await this.#freePorts(container, ports);
      throw error;
    }
    const targets = begin.targets.map(({ container, ports }) => ({
      container,
      ports: ports.map(playbookPort),
    }));
    await emit({ kind: "started", container: "", run, targets, isReplayed: false });
    for (const one of refused) await this.#close({ ...one, elapsedMs: 0, hasChanged: false });
    if (ready.length === 0) return "FINISHED";
    const deps = await this.#openFolder(ready);
    const left = await workOff(
      dealOut(plugin, ready, request.policy),
      maxConcurrency,
      (batch, failed) => runBatch({ ...deps, signal: AbortSignal.any([signal, failed]) }, batch),
      () => maxFailureCount > 0 && this.#failedCount >= maxFailureCount,
    );
    for (const target of left.flatMap((batch) => batch.targets)) {
      this.#notStartedCount += 1;
      const error = new PluginError("TARGET_NOT_STARTED", "so many targets failed that it was not started");
      await this.#close({ ...target, error, elapsedMs: 0, hasChanged: false });
    }
    signal.throwIfAborted();
    return left.length === 0 ? "FINISHED" : "FAILURE_LIMIT";
  }

  /** Finds how to log in to each target, and takes its ports. */
  async #prepare(ready: ReadyTarget[], refused: Refused[]): Promise<void> {
    for (const planned of this.#options.targets) {
      this.#options.signal.throwIfAborted();
      const { container } = planned;
      try {
        const login = await this.#loginOf(container);
        const ports = planned.ports ?? (await this.#takePorts(container));
        ready.push({ container, ports, login });
      } catch (error) {
        // A gateway that cannot log in anywhere fails the call, not each target.
        if (!(error instanceof Error) || recordFailure(error).room === "unknown") throw error;
        refused.push({ container, ports: planned.ports ?? [], error });
      }
    }
  }

  #beginOf(known: readonly Pick<ReadyTarget, "container" | "ports">[]): RunBegin {
    const { run, request, argumentsHash, scopeHash, targets } = this.#options;
    const portsOf = new Map(known.map(({ container, ports }) => [container, ports]));
    return {
      run,
      requestId: request.requestId,
      argumentsHash,
      scopeHash,
      ...(request.resumeToken === "" ? {} : { resumes: request.resumeToken }),
      targets: targets.map(({ container, ports }) => ({
        container,
        ports: portsOf.get(container) ?? [],
        ...(ports === undefined ? {} : { arePortsOlder: true }),
      })),
      timeMs: this.#deps.clock.nowMs(),
    };
  }

  async #loginOf(container: string): Promise<ReadyTarget["login"]> {
    const { containers, hostKeys, privateKeyPath } = this.#deps;
    const access: Access = await containers.login(container);
    if (access.sshPassword !== "") await requireSshpass(this.#deps);
    const { alias: _, ...login } = inventoryHost(access, {
      alias: "",
      knownHostsPath: hostKeys.pathOf(container),
      privateKeyPath: access.sshPassword === "" ? await privateKeyPath() : "",
    });
    return login;
  }

  async #takePorts(container: string): Promise<readonly ContainerPort[]> {
    const { portCount } = this.#options.plugin.plugin;
    if (portCount === 0) return [];
    return await this.#deps.containers.takePorts(container, portCount);
  }

  /** Makes the folder of the run: whatever secret is in it, only we may read. */
  async #openFolder(ready: readonly ReadyTarget[]): Promise<Parameters<typeof runBatch>[0]> {
    const { run, plugin, request, emit, signal } = this.#options;
    const { journal, log } = this.#deps;
    const runFolder = journal.runFolder(run);
    await mkdir(runFolder, { mode: 0o700 });
    await copyFolder(plugin.path, join(runFolder, "plugin"));
    const options = { mode: 0o600, flag: "wx" };
    await writeFile(join(runFolder, "vars.yml"), variablesText(request.variables), options);
    await writeFile(join(runFolder, "ansible.cfg"), "[defaults]\n", options);
    return {
      ...this.#deps,
      run,
      runFolder,
      pythonInterpreter: plugin.pythonInterpreter ?? defaultInterpreter,
      maxConcurrency: request.policy.maxConcurrency,
      targetTimeoutMs: request.policy.targetTimeoutMs,
      hideSecrets: secretHider(ready.map(({ login }) => login.password)),
      onProcess: (mark, containers) => log.noteProcess(run, mark, containers),
      onOutcome: (outcome) => this.#close(outcome),
      emit,
      signal,
    };
  }

  async #close({ container, ports, error, elapsedMs, hasChanged }: TargetOutcome): Promise<void> {
    if (error === undefined) this.#succeededCount += 1;
    else this.#failedCount += 1;
    const keepsPorts = error === undefined || hasChanged || this.#arePortsOlder(container);
    if (!keepsPorts) await this.#freePorts(container, ports);
    await this.#deps.log.noteTarget(this.#options.run, {
      container,
      ...(error === undefined ? {} : { failure: recordFailure(error) }),
      elapsedMs,
      keepsPorts,
    });
    await this.#options.emit({
      kind: "finished",
      container,
      result: { target: container, error, elapsedMs },
    });
  }

  async #freePorts(container: string, ports: readonly ContainerPort[]): Promise<void> {
    // One that was removed meanwhile has none.
    if (ports.length > 0 && !this.#arePortsOlder(container))
      await this.#deps.containers.freePorts(container, ports).catch(() => undefined);
  }

  /** What an earlier run took stays taken, whatever comes of this one: something may run there. */
  #arePortsOlder(container: string): boolean {
    return this.#options.targets.some(
      (target) => target.container === container && target.ports !== undefined,
    );
  }

  #summary(endReason: RunEndReason): EventDraft {
    return {
      kind: "summary",
      container: "",
      succeededCount: this.#succeededCount,
      failedCount: this.#failedCount,
      notStartedCount: this.#notStartedCount,
      elapsedMs: this.#deps.clock.monotonicMs() - this.#beganMs,
      endReason,
    };
  }
}

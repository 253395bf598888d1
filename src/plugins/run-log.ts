import type { Logger } from "../observability/logger.js";
import type { Clock } from "../system/clock.js";
import type { PluginContainers } from "./contract.js";
import { interrupted, PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";
import { killMarked } from "./marked-processes.js";
import { recordFailure } from "./recorded-failure.js";
import type { JournalLine, RunBegin, RunJournal, RunRecord, TargetEnd } from "./run-journal.js";

export interface RunLogDeps {
  readonly journal: RunJournal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly containers: Pick<PluginContainers, "freePorts" | "takeRunRequest" | "freeRunRequest">;
}

interface KeptRun {
  readonly begin: RunBegin;
  readonly marks: string[];
  readonly begun: Set<string>;
  readonly ends: Map<string, TargetEnd>;
  end: RunRecord["end"];
}

/** The runs of the last day: those that go on, and what came of the others. */
export class RunLog {
  readonly #deps: RunLogDeps;
  readonly #runs = new Map<string, KeptRun>();
  readonly #ofRequest = new Map<string, string>();

  private constructor(deps: RunLogDeps) {
    this.#deps = deps;
  }

  /**
   * Reads what earlier gateways left. A run without an end was cut short by the gateway's own: its processes are ended,
   * its folder goes, and it counts as interrupted.
   */
  static async open(deps: RunLogDeps): Promise<RunLog> {
    const log = new RunLog(deps);
    for (const record of await deps.journal.readAll()) {
      const { begin, marks, begun, ends, end } = record;
      log.#keep({ begin, marks: [...marks], begun: new Set(begun), ends: new Map(ends), end });
      if (end === undefined) await log.#settle(record);
    }
    await log.#clearOld();
    return log;
  }

  async #settle({ begin: { run }, marks }: RunRecord): Promise<void> {
    const { logger, journal } = this.#deps;
    let killed = 0;
    for (const mark of marks) killed += await killMarked(mark);
    logger.warn({ run, killed }, "a plugin run was interrupted by the end of the gateway");
    await this.#end(run, "INTERRUPTED");
    await journal.removeFolder(run);
  }

  find(run: string): RunRecord | undefined {
    return this.#runs.get(run);
  }

  /** Finds the run of a request. @throws {PluginError} REQUEST_ID_REUSED: of other arguments; RUN_UNDER_WAY */
  ofRequest(requestId: string, argumentsHash: string): RunRecord | undefined {
    const found = requestId === "" ? undefined : this.#runs.get(this.#ofRequest.get(requestId) ?? "");
    if (found === undefined || this.#isOld(found)) return undefined;
    if (found.begin.argumentsHash !== argumentsHash) {
      throw new PluginError("REQUEST_ID_REUSED", "request_id was used with other arguments", {
        field: "request_id",
      });
    }
    if (found.end === undefined) {
      throw new PluginError(
        "RUN_UNDER_WAY",
        "the run of this request_id goes on; its results can be asked for then",
        {
          metadata: { run: found.begin.run },
        },
      );
    }
    return found;
  }

  /**
   * Takes a request id among all gateways that share the state.
   *
   * @param validateOnly only tells
   * @throws {PluginError} RUN_ELSEWHERE; {ContainerError} REQUEST_ID_REUSED
   */
  async takeRequest(requestId: string, argumentsHash: string, validateOnly = false): Promise<void> {
    if (requestId === "") return;
    if (await this.#deps.containers.takeRunRequest(requestId, argumentsHash, validateOnly)) return;
    throw new PluginError(
      "RUN_ELSEWHERE",
      "a run with this request_id was begun at another gateway, which alone tells its results",
      { field: "request_id" },
    );
  }

  /**
   * @throws {PluginError} RUN_UNDER_WAY: another call with its request id, or its resume token, was first; RUN_ELSEWHERE;
   * DISK_FULL
   */
  async begin(begin: RunBegin): Promise<void> {
    if (this.ofRequest(begin.requestId, begin.argumentsHash) !== undefined)
      throw new PluginError("RUN_UNDER_WAY", "another call with this request_id was first");
    this.#requireNotResumed(begin.resumes);
    this.#keep({ begin, marks: [], begun: new Set(), ends: new Map(), end: undefined });
    try {
      await this.takeRequest(begin.requestId, begin.argumentsHash);
      await this.#write(begin.run, { kind: "begin", ...begin });
    } catch (error) {
      // It never began: the same request may be tried again.
      await this.#freeRequest(begin.requestId);
      await this.#forget(begin);
      throw error;
    }
    await this.#clearOld();
  }

  /** Where that fails, only this gateway may run it for a day: another one is told RUN_ELSEWHERE. */
  async #freeRequest(requestId: string): Promise<void> {
    if (requestId !== "") await this.#deps.containers.freeRunRequest(requestId).catch(() => undefined);
  }

  /** Two runs at once over the same targets would give them the same ports. */
  #requireNotResumed(token: string | undefined): void {
    if (token === undefined) return;
    for (const { begin, end } of this.#runs.values()) {
      if (begin.resumes === token && end === undefined) {
        throw new PluginError("RUN_UNDER_WAY", "another run goes on with this resume_token", {
          metadata: { run: begin.run },
        });
      }
    }
  }

  async noteProcess(run: string, mark: string, containers: readonly string[]): Promise<void> {
    const kept = this.#runs.get(run);
    kept?.marks.push(mark);
    for (const container of containers) kept?.begun.add(container);
    await this.#write(run, { kind: "process", mark, containers });
  }

  async noteTarget(run: string, end: TargetEnd): Promise<void> {
    this.#runs.get(run)?.ends.set(end.container, end);
    await this.#write(run, { kind: "target", ...end });
  }

  async end(run: string, reason: "FINISHED" | "FAILURE_LIMIT" | "INTERRUPTED"): Promise<void> {
    try {
      await this.#end(run, reason);
    } finally {
      // Also of a disk that takes no more: secrets are in it.
      await this.#deps.journal.removeFolder(run);
    }
  }

  async #end(run: string, reason: "FINISHED" | "FAILURE_LIMIT" | "INTERRUPTED"): Promise<void> {
    const kept = this.#runs.get(run);
    // One that could not begin has no file.
    if (kept === undefined) return;
    const timeMs = this.#deps.clock.nowMs();
    try {
      if (reason === "INTERRUPTED") await this.#giveBack(kept);
    } finally {
      kept.end = { reason, timeMs };
    }
    await this.#write(run, { kind: "end", reason, timeMs });
  }

  /** Frees the ports of targets that Ansible was not started for: nothing runs on them. Others keep theirs. */
  async #giveBack({ begin, begun, ends }: KeptRun): Promise<void> {
    for (const { container, ports, arePortsOlder } of begin.targets) {
      if (ports.length === 0 || arePortsOlder === true || begun.has(container) || ends.has(container))
        continue;
      // One that was removed meanwhile has none.
      await this.#deps.containers.freePorts(container, ports).catch(() => undefined);
      const failure = recordFailure(interrupted());
      await this.noteTarget(begin.run, { container, failure, elapsedMs: 0, keepsPorts: false });
    }
  }

  #keep(kept: KeptRun): void {
    const { run, requestId } = kept.begin;
    this.#runs.set(run, kept);
    if (requestId !== "") this.#ofRequest.set(requestId, run);
  }

  #isOld({ begin, end }: Pick<KeptRun, "begin" | "end">): boolean {
    return end !== undefined && this.#deps.clock.nowMs() - begin.timeMs > pluginLimits.runKeptMs;
  }

  async #clearOld(): Promise<void> {
    let [runCount, targetCount] = [0, 0];
    for (const { begin, end } of [...this.#runs.values()].reverse()) {
      runCount += 1;
      targetCount += begin.targets.length;
      const isSurplus = runCount > pluginLimits.maxKeptRuns || targetCount > pluginLimits.maxKeptTargets;
      if (end !== undefined && (isSurplus || this.#isOld({ begin, end }))) await this.#forget(begin);
    }
  }

  async #forget({ run, requestId }: RunBegin): Promise<void> {
    this.#runs.delete(run);
    if (this.#ofRequest.get(requestId) === run) this.#ofRequest.delete(requestId);
    await this.#deps.journal.forget(run);
  }

  async #write(run: string, line: JournalLine): Promise<void> {
    await this.#deps.journal.write(run, line);
  }
}

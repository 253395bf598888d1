import type { Clock } from "../system/clock.js";
import type { EventDraft } from "./contract.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";
import type { PlaybookEnd } from "./playbook-process.js";
import type { ReadyTarget, TargetOutcome } from "./ready-target.js";
import { sshFailure } from "./ssh-failures.js";
import type { AnsibleEvent, HostStats, TaskOutput } from "./task-events.js";

interface Progress {
  readonly target: ReadyTarget;
  beganMs: number | undefined;
  endedMs: number | undefined;
  isBusy: boolean;
  hasChanged: boolean;
  outputBytes: number;
  /** Of the task that ended it. */
  failedTask: string;
  unreachable: string | undefined;
}

export interface ReportDeps {
  readonly clock: Clock;
  readonly hideSecrets: (text: string) => string;
  /** The run waits while its reader is behind. */
  readonly emit: (event: EventDraft) => Promise<void>;
  readonly onOutcome: (outcome: TargetOutcome) => Promise<void>;
}

/** Passes on what Ansible says of each target, and draws the balance. */
export class BatchReport {
  readonly #deps: ReportDeps;
  readonly #progress: ReadonlyMap<string, Progress>;
  #stats: ReadonlyMap<string, HostStats> | undefined;

  constructor(hosts: ReadonlyMap<string, ReadyTarget>, deps: ReportDeps) {
    this.#deps = deps;
    this.#progress = new Map([...hosts].map(([alias, target]) => [alias, newProgress(target)]));
  }

  isBusy(host: string): boolean {
    return this.#progress.get(host)?.isBusy === true;
  }

  async tell(event: AnsibleEvent): Promise<void> {
    if (event.kind === "stats") {
      this.#stats = event.hosts;
      return;
    }
    const progress = this.#progress.get(event.host);
    // A playbook may name hosts of its own, this machine among them.
    if (progress === undefined) return;
    const { clock, emit, hideSecrets } = this.#deps;
    const { container } = progress.target;
    if (event.kind === "output") {
      await this.#tellOutputs(progress, event.outputs);
      return;
    }
    // A playbook may write anything into it.
    const task = cutText(hideSecrets(event.task), pluginLimits.maxTaskNameLength);
    progress.beganMs ??= clock.monotonicMs();
    progress.isBusy = event.kind === "start";
    if (event.kind === "start") {
      await emit({ ...taskOf(task), container, status: "STARTED" });
      return;
    }
    progress.endedMs = clock.monotonicMs();
    const { status, isIgnored, elapsedMs } = event;
    if (status === "CHANGED") progress.hasChanged = true;
    if (status === "FAILED") progress.failedTask = task;
    if (status === "UNREACHABLE") progress.unreachable = event.message;
    const message = hideSecrets(event.message);
    await emit({ ...taskOf(task), container, status, message, elapsedMs, isIgnored });
    await this.#tellOutputs(progress, event.outputs);
  }

  async #tellOutputs(progress: Progress, outputs: readonly TaskOutput[]): Promise<void> {
    for (const { stream, text, droppedBytes } of outputs) {
      const size = Buffer.byteLength(text);
      const room = pluginLimits.maxOutputBytes - progress.outputBytes;
      const isKept = size <= room;
      if (isKept) progress.outputBytes += size;
      await this.#deps.emit({
        kind: "output",
        container: progress.target.container,
        stream,
        text: isKept ? this.#deps.hideSecrets(text) : "",
        droppedBytes: isKept ? droppedBytes : droppedBytes + size,
      });
    }
  }

  /** Gives every target its outcome. */
  async close(end: PlaybookEnd, isOver: (host: string) => boolean): Promise<void> {
    if (this.#stats === undefined) {
      // It did not come to its end: what Ansible printed says why.
      for (const [stream, { text, droppedBytes }] of [
        ["STDOUT", end.stdout],
        ["STDERR", end.stderr],
      ] as const) {
        if (text === "") continue;
        const shown = this.#deps.hideSecrets(text);
        await this.#deps.emit({ kind: "output", container: "", stream, text: shown, droppedBytes });
      }
    }
    for (const [host, progress] of this.#progress) {
      await this.#deps.onOutcome(this.#outcomeOf(progress, this.#errorOf(host, progress, end, isOver(host))));
    }
  }

  #outcomeOf({ target, beganMs, endedMs, hasChanged }: Progress, error: Error | undefined): TargetOutcome {
    const untilMs = endedMs ?? this.#deps.clock.monotonicMs();
    const { container, ports } = target;
    return { container, ports, error, hasChanged, elapsedMs: beganMs === undefined ? 0 : untilMs - beganMs };
  }

  #errorOf(host: string, progress: Progress, { exitCode }: PlaybookEnd, isOver: boolean): Error | undefined {
    if (isOver) return new PluginError("TARGET_TIMEOUT", "its tasks took longer than target_timeout");
    if (progress.unreachable !== undefined && (this.#stats?.get(host)?.unreachable ?? 1) > 0)
      return sshFailure(progress.unreachable, progress.target.login.password !== "");
    if (this.#stats === undefined) {
      const how = exitCode === undefined ? "by a signal" : `with code ${exitCode}`;
      return new PluginError(
        "PLAYBOOK_FAILED",
        `Ansible ended ${how} before the target was done; its output says why`,
      );
    }
    const stats = this.#stats.get(host);
    if (stats === undefined) return new PluginError("NO_PLAY_FOR_TARGET", "the playbook has no task for it");
    if (stats.failures === 0) return undefined;
    return new PluginError("TASK_FAILED", `task "${progress.failedTask}" failed; its events say why`);
  }
}

/** Never ends with half a character. */
const cutText = (text: string, maxLength: number): string =>
  text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");

const newProgress = (target: ReadyTarget): Progress => ({
  target,
  beganMs: undefined,
  endedMs: undefined,
  isBusy: false,
  hasChanged: false,
  outputBytes: 0,
  failedTask: "",
  unreachable: undefined,
});

const taskOf = (task: string) =>
  ({ kind: "task", task, message: "", elapsedMs: undefined, isIgnored: false }) as const;

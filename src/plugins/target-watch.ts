import type { Clock } from "../system/clock.js";

export interface TargetWatchDeps {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Called when a target's tasks have taken too long together, and again should it begin another one. */
  readonly onOver: (host: string) => void;
}

interface Watched {
  usedMs: number;
  beganMs: number | undefined;
  cancel: () => void;
}

/**
 * Counts the time that the tasks of each target take. What it waits for other targets, as Ansible makes all finish a task
 * before the next one, is not its own.
 */
export class TargetWatch {
  readonly #deps: TargetWatchDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #over = new Set<string>();
  #isReaderBehind = false;

  constructor(deps: TargetWatchDeps) {
    this.#deps = deps;
  }

  /** Whose time is over. */
  get over(): readonly string[] {
    return [...this.#over];
  }

  isOver(host: string): boolean {
    return this.#over.has(host);
  }

  /** While the reader of the run is behind, events come late: nobody's time is over then. */
  noteReader(isBehind: boolean): void {
    this.#isReaderBehind = isBehind;
  }

  begin(host: string): void {
    const { clock } = this.#deps;
    const watched = this.#watched.get(host) ?? { usedMs: 0, beganMs: undefined, cancel: () => undefined };
    watched.cancel();
    watched.beganMs = clock.monotonicMs();
    this.#watched.set(host, watched);
    if (this.#over.has(host)) this.#deps.onOver(host);
    else this.#arm(host, watched);
  }

  end(host: string): void {
    const watched = this.#watched.get(host);
    if (watched?.beganMs === undefined) return;
    watched.cancel();
    watched.usedMs += this.#deps.clock.monotonicMs() - watched.beganMs;
    watched.beganMs = undefined;
  }

  close(): void {
    for (const { cancel } of this.#watched.values()) cancel();
  }

  #arm(host: string, watched: Watched): void {
    const { clock, timeoutMs, onOver } = this.#deps;
    watched.cancel = clock.after(Math.max(timeoutMs - watched.usedMs, 1), () => {
      if (this.#isReaderBehind) {
        this.#arm(host, watched);
        return;
      }
      this.#over.add(host);
      onOver(host);
    });
  }
}

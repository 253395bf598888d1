import type { Revision } from "../../store/contract.js";
import type { WatchMessage } from "../contract.js";
import { containerLimits } from "../limits.js";
import type { VisibleChange } from "./visible-changes.js";

/** One commit as all watchers share it. */
export interface VisibleCommit {
  readonly revision: Revision;
  readonly timeMs: number;
  readonly changes: readonly VisibleChange[];
  /** Roughly, in bytes. */
  readonly weightBytes: number;
  /** What it is to watchers, by their filters (`Filters.key`): worked out for the first of those who ask for the same. */
  readonly told: Map<string, readonly WatchMessage[]>;
}

/** Commits that one watcher has not read yet. Bounded: who reads too slowly is cut off, and slows nobody. */
export class WatcherQueue {
  #commits: VisibleCommit[] = [];
  #weightBytes = 0;
  #failure: Error | undefined;
  readonly #signal: AbortSignal;
  #wake: (() => void) | undefined;

  /** @param signal ends the reading. Heard once for all commits: to listen anew for each costs more than to hand it on */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  push(commit: VisibleCommit, tooSlow: () => Error): void {
    if (this.#failure !== undefined) return;
    const isTooHeavy = this.#weightBytes + commit.weightBytes > containerLimits.maxWatchQueueBytes;
    // One large commit alone says nothing of how somebody reads.
    if (this.#commits.length >= containerLimits.maxWatchQueue || (isTooHeavy && this.#commits.length > 0)) {
      this.#commits = [];
      this.fail(tooSlow());
      return;
    }
    this.#commits.push(commit);
    this.#weightBytes += commit.weightBytes;
    this.#wake?.();
  }

  /** Ends the reading once what is queued has been read. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  /** @returns undefined if none came in time @throws what `fail` was told */
  async next(waitMs: number): Promise<VisibleCommit | undefined> {
    if (this.#commits.length === 0 && this.#failure === undefined && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => this.#wake?.(), waitMs);
        this.#wake = () => {
          clearTimeout(timer);
          this.#wake = undefined;
          resolve();
        };
      });
    }
    this.#signal.throwIfAborted();
    const commit = this.#commits.shift();
    if (commit !== undefined) this.#weightBytes -= commit.weightBytes;
    else if (this.#failure !== undefined) throw this.#failure;
    return commit;
  }
}

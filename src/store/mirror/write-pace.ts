import type { Clock } from "../../system/clock.js";
import type { MirrorTimes } from "./limits.js";

/** When the next write may begin. */
export class WritePace {
  readonly #clock: Clock;
  readonly #times: MirrorTimes;
  #notBeforeMs = 0;
  #retryMs = 0;

  constructor(clock: Clock, times: MirrorTimes) {
    this.#clock = clock;
    this.#times = times;
  }

  /** From now to the next write, in milliseconds. */
  get delayMs(): number {
    return Math.max(this.#times.writeDelayMs, this.#notBeforeMs - this.#clock.monotonicMs());
  }

  /** A write of so many entries began then and has ended now. */
  wrote(entryCount: number, startMs: number): void {
    this.#retryMs = 0;
    const nowMs = this.#clock.monotonicMs();
    const { maxPromptEntries, maxWritePercent } = this.#times;
    const restShare = entryCount > maxPromptEntries ? 100 / maxWritePercent - 1 : 0;
    this.#notBeforeMs = nowMs + (nowMs - startMs) * restShare;
  }

  /** A write has failed: the pauses double. */
  failed(): void {
    const { minRetryMs, maxRetryMs } = this.#times;
    this.#retryMs = Math.min(maxRetryMs, Math.max(minRetryMs, this.#retryMs * 2));
    this.#notBeforeMs = this.#clock.monotonicMs() + this.#retryMs;
  }
}

import type { Logger } from "../observability/logger.js";
import type { Clock } from "../system/clock.js";

/** While a store does not answer, one line so often, in milliseconds: an outage of hours must fill no disk. */
export const outageLineMs = 60_000;

/** A store that answered for less than this has not been back: its next failure belongs to the same outage. */
const steadyMs = 5_000;

/** What is logged of a store that does not answer, or refuses: its beginning, a line a minute, its end; none per attempt. */
export class OutageLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #endMessage: string;
  #beganMs: number | undefined;
  #answeredMs = -Infinity;
  #lineMs = -Infinity;
  #hasTold = false;
  #failureCount = 0;

  constructor(logger: Logger, clock: Clock, endMessage = "the state store answers again") {
    this.#logger = logger;
    this.#clock = clock;
    this.#endMessage = endMessage;
  }

  failed(error: unknown, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    const isNew = this.#beganMs === undefined && nowMs - this.#answeredMs >= steadyMs;
    this.#beganMs ??= nowMs;
    this.#failureCount += 1;
    if (!isNew && nowMs - this.#lineMs < outageLineMs) return;
    this.#lineMs = nowMs;
    this.#hasTold = true;
    // Where in the code it happened is of use once.
    const cause = isNew
      ? { err: error }
      : { error: error instanceof Error ? error.message : "unknown error" };
    this.#logger.warn(
      { ...cause, forMs: Math.round(nowMs - this.#beganMs), failureCount: this.#failureCount },
      message,
    );
  }

  answered(): void {
    if (this.#beganMs === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const forMs = Math.round(nowMs - this.#beganMs);
    this.#beganMs = undefined;
    this.#answeredMs = nowMs;
    if (!this.#hasTold) return;
    this.#hasTold = false;
    this.#logger.info({ forMs, failureCount: this.#failureCount }, this.#endMessage);
    this.#failureCount = 0;
  }
}

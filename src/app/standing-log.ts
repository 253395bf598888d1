/** How the shared state is, for those who run the gateway: until there is a page of metrics, the log has the counters. */
import type { Logger } from "../observability/logger.js";
import type { Clock } from "../system/clock.js";
import type { StoreStats } from "./state.js";

/** Between two looks at the counters, in milliseconds. */
export const standingLineMs = 60_000;

/** Writes the counters of a store down: once a minute while they change, and whenever told to. */
export class StandingLog {
  readonly #stats: () => StoreStats | undefined;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #last: string;
  #cancel: () => void = () => undefined;

  constructor(stats: () => StoreStats | undefined, logger: Logger, clock: Clock) {
    this.#stats = stats;
    this.#logger = logger;
    this.#clock = clock;
    this.#last = countersOf(stats());
    // The embedded store has none.
    if (stats() !== undefined) this.#lookLater();
  }

  /** Writes a line, unless the last one says the same. */
  tell(): void {
    const stats = this.#stats();
    const counters = countersOf(stats);
    if (stats === undefined || counters === this.#last) return;
    this.#last = counters;
    this.#logger.info({ ...stats }, "state in Redis: counters since the start");
  }

  close(): void {
    this.#cancel();
    this.tell();
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(standingLineMs, () => {
      this.tell();
      this.#lookLater();
    });
  }
}

/** The lag alone is no news. */
const countersOf = (stats: StoreStats | undefined): string => JSON.stringify({ ...stats, lagMs: 0 });

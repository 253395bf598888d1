import type { Logger } from "../observability/logger.js";
import type { Clock } from "../system/clock.js";
import { OutageLog } from "./outage-log.js";

/** Whether a store answers, as far as its view has noticed: for listeners, and for the log. */
export class Standing {
  readonly #outages: OutageLog;
  readonly #listeners = new Set<(isBehind: boolean) => void>();
  #behindSinceMs: number | undefined;

  constructor(logger: Logger, clock: Clock) {
    this.#outages = new OutageLog(logger, clock);
  }

  /** Since when nothing was heard of the store, wall clock in milliseconds since 1970; undefined while it answers. */
  get behindSinceMs(): number | undefined {
    return this.#behindSinceMs;
  }

  /** Tells at once, and each time that it changes, whether the store does not answer. @returns what ends it */
  onChange(listener: (isBehind: boolean) => void): () => void {
    const own = (isBehind: boolean): void => listener(isBehind);
    this.#listeners.add(own);
    own(this.#behindSinceMs !== undefined);
    return () => void this.#listeners.delete(own);
  }

  /** It was asked and failed; whether that makes it silent is for the caller to say. */
  failed(error: unknown, message: string): void {
    this.#outages.failed(error, message);
  }

  /** @param sinceMs when it was heard last; of an outage that goes on the first one holds */
  fellSilent(sinceMs: number): void {
    this.#set(this.#behindSinceMs ?? sinceMs);
  }

  answered(): void {
    this.#outages.answered();
    this.#set(undefined);
  }

  #set(sinceMs: number | undefined): void {
    const hasChanged = (sinceMs === undefined) !== (this.#behindSinceMs === undefined);
    this.#behindSinceMs = sinceMs;
    if (hasChanged) for (const listener of this.#listeners) listener(sinceMs !== undefined);
  }
}

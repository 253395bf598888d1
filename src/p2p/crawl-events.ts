import type { Clock } from "./clock.js";
import type { CrawlEvent, CrawlEventBody, CrawlProgress } from "./contract.js";
import { EventStream } from "./event-stream.js";

export interface CrawlEventsOptions {
  readonly clock: Clock;
  /** After so long without an event comes a heartbeat. */
  readonly heartbeatMs: number;
  /** Where the crawl stands, seen from a hop; without one, from the highest hop begun. */
  readonly progressAt: (hop?: number) => CrawlProgress;
}

/** Numbers a crawl's events and keeps its stream alive. */
export class CrawlEvents {
  readonly stream = new EventStream<CrawlEvent>();
  readonly #options: CrawlEventsOptions;
  #sequence = 0;
  #cancelHeartbeat: () => void = () => undefined;

  constructor(options: CrawlEventsOptions) {
    this.#options = options;
  }

  /** @param hop the hop that the event belongs to; absent = none */
  emit(body: CrawlEventBody, hop?: number): void {
    const { clock, heartbeatMs, progressAt } = this.#options;
    this.#sequence += 1;
    this.stream.push({ sequence: this.#sequence, timeMs: clock.nowMs(), progress: progressAt(hop), body });
    this.#cancelHeartbeat();
    this.#cancelHeartbeat = clock.after(heartbeatMs, () => this.emit({ kind: "heartbeat" }));
  }

  /** Ends the stream; with an error if the whole crawl failed. */
  end(error?: unknown): void {
    this.#cancelHeartbeat();
    this.stream.end(error);
  }
}

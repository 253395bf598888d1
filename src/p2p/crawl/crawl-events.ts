import type { Clock } from "../../system/clock.js";
import type { CrawlEventBody, CrawlProgress } from "../contract.js";
import type { HopLedger } from "./hop-ledger.js";
import type { VisitQueue } from "./visit-queue.js";
import { CrawlLog } from "./crawl-log.js";
import { writeResumeToken } from "./resume-token.js";

export interface CrawlEventsOptions {
  /** `crawls/UUID`. */
  readonly crawl: string;
  readonly clock: Clock;
  /** After so long without an event comes a heartbeat. */
  readonly heartbeatMs: number;
  /** Where the crawl stands, seen from a hop; without one, from the highest hop begun. */
  readonly progressAt: (hop?: number) => CrawlProgress;
}

/** Numbers a crawl's events, keeps them, and says that it is alive when nothing happens. */
export class CrawlEvents {
  readonly log = new CrawlLog();
  readonly #options: CrawlEventsOptions;
  #sequence = 0;
  #cancelHeartbeat: () => void = () => undefined;

  constructor(options: CrawlEventsOptions) {
    this.#options = options;
  }

  /** @param hop the hop that the event belongs to; absent = none */
  emit(body: CrawlEventBody, hop?: number): void {
    const { crawl, clock, heartbeatMs, progressAt } = this.#options;
    this.#sequence += 1;
    const sequence = this.#sequence;
    const resumeToken = writeResumeToken(crawl, sequence);
    this.log.append({ sequence, resumeToken, timeMs: clock.nowMs(), progress: progressAt(hop), body });
    this.#cancelHeartbeat();
    this.#cancelHeartbeat = clock.after(heartbeatMs, () => this.emit({ kind: "heartbeat" }));
  }

  /** Says nothing of itself until the next event: nobody listens. */
  rest(): void {
    this.#cancelHeartbeat();
  }

  /** Ends the log; with an error if the whole crawl failed. */
  end(error?: unknown): void {
    this.#cancelHeartbeat();
    this.log.end(error);
  }
}

/** Joins what the engine, the hops and the crawl count. */
export function progressOf(
  hop: number,
  maxHops: number,
  visits: VisitQueue["counts"],
  steps: ReturnType<HopLedger["countsOf"]>,
  crawl: Pick<CrawlProgress, "failedCount" | "knownCount">,
): CrawlProgress {
  return {
    hop,
    maxHops,
    queuedCount: visits.queued,
    inFlightCount: visits.inFlight,
    doneCount: visits.done,
    ...crawl,
    hopOpenCount: steps.open,
    hopDoneCount: steps.done,
  };
}

/** What is to be said of a hop. */
export interface HopNews {
  readonly started: (hop: number) => void;
  readonly completed: (hop: number, newCount: number, failedCount: number, elapsedMs: number) => void;
}

interface Hop {
  readonly startMs: number;
  openCount: number;
  doneCount: number;
  newCount: number;
  failedCount: number;
}

/**
 * Knows when hops begin and end, though they overlap.
 *
 * A step belongs to one hop: the probe of a node first met at hop h, and the exchange with a node first met at h-1. A
 * hop begins with its first step. It is over when the hop before is over and none of its own steps is open; for that,
 * whoever ends a step opens the steps that follow from it first.
 */
export class HopLedger {
  readonly #hops: Hop[] = [];
  #completedCount = 0;
  readonly #nowMs: () => number;
  readonly #news: HopNews;

  constructor(nowMs: () => number, news: HopNews) {
    this.#nowMs = nowMs;
    this.#news = news;
  }

  /** The highest hop begun; 0 before the first. */
  get highestHop(): number {
    return Math.max(0, this.#hops.length - 1);
  }

  countsOf(hop: number): { readonly open: number; readonly done: number } {
    const { openCount, doneCount } = this.#hops[hop] ?? { openCount: 0, doneCount: 0 };
    return { open: openCount, done: doneCount };
  }

  /** Begins a hop that has no step yet: hop 0 of an empty table. */
  begin(hop: number): void {
    this.#hop(hop);
  }

  open(hop: number, stepCount = 1): void {
    this.#hop(hop).openCount += stepCount;
  }

  /** Counts a node first met in this hop. */
  countNew(hop: number): void {
    this.#hop(hop).newCount += 1;
  }

  /** Ends a step. Say what there is to say of it before. */
  done(hop: number, hasFailed: boolean): void {
    const entry = this.#hop(hop);
    entry.openCount -= 1;
    entry.doneCount += 1;
    if (hasFailed) entry.failedCount += 1;
    this.complete();
  }

  /** Says of each hop that is over that it is. */
  complete(): void {
    for (
      let hop = this.#hops[this.#completedCount];
      hop?.openCount === 0;
      hop = this.#hops[this.#completedCount]
    ) {
      const number = this.#completedCount;
      this.#completedCount += 1;
      this.#news.completed(number, hop.newCount, hop.failedCount, this.#nowMs() - hop.startMs);
    }
  }

  /** Closes every hop begun: the crawl ends early. */
  closeAll(): void {
    for (const hop of this.#hops) hop.openCount = 0;
    this.complete();
  }

  #hop(hop: number): Hop {
    const existing = this.#hops[hop];
    if (existing !== undefined) return existing;
    const created: Hop = { startMs: this.#nowMs(), openCount: 0, doneCount: 0, newCount: 0, failedCount: 0 };
    this.#hops[hop] = created;
    this.#news.started(hop);
    return created;
  }
}

import type { Clock } from "../../system/clock.js";

/** What a visit says about itself while it runs. */
export interface VisitHandle {
  /** Ends with the crawl, or with `cancel` of this visit's key. */
  readonly signal: AbortSignal;
  /** Something arrived: the visit is not silent. */
  readonly touch: () => void;
  /** The visit waits for something of ours: it gives its place back until `touch`. */
  readonly rest: () => void;
  /** The visit was interrupted and is to be made once more, first of all that are queued. */
  readonly again: () => void;
}

export interface VisitQueueOptions {
  /** Visits at once that are not silent. */
  readonly maxConcurrency: number;
  /** Visits at once, silent ones included. */
  readonly maxSockets: number;
  /** A visit silent for so long gives its place back. */
  readonly silenceMs: number;
  readonly clock: Clock;
}

interface RunningVisit {
  readonly controller: AbortController;
  lastSignMs: number;
  isSilent: boolean;
  isAgain: boolean;
}

/**
 * The engine of a crawl: visits queued, in flight and done. It knows no network.
 *
 * A place is held only by a visit that makes progress. One that has been silent for `silenceMs` goes on without a
 * place, so that nodes which hang delay nobody but themselves; when it speaks again it counts again, and no new visit
 * begins until there is room.
 */
export class VisitQueue {
  readonly #options: VisitQueueOptions;
  readonly #queued: { readonly key: string; readonly run: (handle: VisitHandle) => Promise<void> }[] = [];
  #head = 0;
  readonly #running = new Map<string, RunningVisit>();
  #talkingCount = 0;
  #doneCount = 0;
  #isClosed = false;
  #isPaused = false;
  #onEmpty: (() => void) | undefined;
  #stopSweep: (() => void) | undefined;
  readonly #onIdle: () => void;

  /** @param onIdle called whenever nothing is queued or in flight any more */
  constructor(options: VisitQueueOptions, onIdle: () => void) {
    this.#options = options;
    this.#onIdle = onIdle;
  }

  get counts(): { readonly queued: number; readonly inFlight: number; readonly done: number } {
    return {
      queued: this.#queued.length - this.#head,
      inFlight: this.#running.size,
      done: this.#doneCount,
    };
  }

  /** Queues a visit. `run` must not reject: a failed visit is a result. Keys are unique within a crawl. */
  add(key: string, run: (handle: VisitHandle) => Promise<void>): void {
    if (this.#isClosed) return;
    this.#queued.push({ key, run });
    this.#fill();
  }

  /** Aborts one visit in flight. */
  cancel(key: string): void {
    this.#running.get(key)?.controller.abort();
  }

  /** Aborts what is in flight and begins nothing more until `resume`. Resolves when nothing is in flight. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    for (const visit of this.#running.values()) visit.controller.abort();
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  resume(): void {
    this.#isPaused = false;
    this.#fill();
  }

  /** Drops what is queued, aborts what is in flight, and takes nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#queued.length = 0;
    this.#head = 0;
    for (const visit of this.#running.values()) visit.controller.abort();
    this.#settle();
  }

  #fill(): void {
    const { maxConcurrency, maxSockets } = this.#options;
    while (
      !this.#isPaused &&
      this.#head < this.#queued.length &&
      this.#talkingCount < maxConcurrency &&
      this.#running.size < maxSockets
    ) {
      const next = this.#queued[this.#head++];
      if (next !== undefined) this.#begin(next.key, next.run);
    }
    if (this.#head === this.#queued.length) {
      this.#queued.length = 0;
      this.#head = 0;
    }
  }

  #begin(key: string, run: (handle: VisitHandle) => Promise<void>): void {
    const { clock } = this.#options;
    const visit: RunningVisit = {
      controller: new AbortController(),
      lastSignMs: clock.monotonicMs(),
      isSilent: false,
      isAgain: false,
    };
    this.#running.set(key, visit);
    this.#talkingCount += 1;
    this.#startSweep();
    const handle: VisitHandle = {
      signal: visit.controller.signal,
      touch: () => {
        // A sign that comes after the end must not take a place for ever.
        if (this.#running.get(key) !== visit) return;
        visit.lastSignMs = clock.monotonicMs();
        this.#setSilent(visit, false);
      },
      rest: () => {
        this.#setSilent(visit, true);
        this.#fill();
      },
      again: () => {
        visit.isAgain = true;
      },
    };
    void run(handle).finally(() => {
      this.#setSilent(visit, true);
      this.#running.delete(key);
      if (visit.isAgain && !this.#isClosed) this.#queued.splice(this.#head, 0, { key, run });
      else this.#doneCount += 1;
      this.#fill();
      this.#settle();
    });
  }

  #setSilent(visit: RunningVisit, isSilent: boolean): void {
    if (visit.isSilent === isSilent) return;
    visit.isSilent = isSilent;
    this.#talkingCount += isSilent ? -1 : 1;
  }

  /** One look at all visits each fifth of the limit is cheaper than a timer per visit. */
  #startSweep(): void {
    const { clock, silenceMs } = this.#options;
    this.#stopSweep ??= clock.after(silenceMs / 5, () => {
      this.#stopSweep = undefined;
      const silentSinceMs = clock.monotonicMs() - silenceMs;
      for (const visit of this.#running.values()) {
        if (visit.lastSignMs <= silentSinceMs) this.#setSilent(visit, true);
      }
      this.#fill();
      if (this.#running.size > 0) this.#startSweep();
    });
  }

  #settle(): void {
    if (this.#running.size === 0) this.#onEmpty?.();
    if (this.#running.size > 0 || this.#head < this.#queued.length) return;
    this.#stopSweep?.();
    this.#stopSweep = undefined;
    this.#onIdle();
  }
}

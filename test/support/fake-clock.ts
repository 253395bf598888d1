import type { Clock } from "../../src/system/clock.js";

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #ms = 0;
  readonly #timers = new Set<Timer>();
  readonly #startMs: number;

  constructor(startMs = 1_800_000_000_000) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#ms;
  }

  monotonicMs(): number {
    return this.#ms;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer: Timer = { dueMs: this.#ms + delayMs, action };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Lets time pass while nothing runs, as on a machine that sleeps: timers are late afterwards. */
  sleep(byMs: number): void {
    this.#ms += byMs;
  }

  /** Lets time pass: due timers fire in order, and what they set off settles in between. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#ms + byMs;
    await settle();
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#ms = Math.max(this.#ms, next.dueMs);
      next.action();
      await settle();
    }
    this.#ms = untilMs;
    await settle();
  }

  #next(untilMs: number): Timer | undefined {
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= untilMs);
    return due.sort((a, b) => a.dueMs - b.dueMs)[0];
  }
}

/** Waits until everything that can go on without time or I/O has gone on. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
}

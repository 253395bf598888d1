import type { Clock } from "../../system/clock.js";
import { mirrorLimits } from "./limits.js";

/** Cuts long work into slices, between which everything else has its turn. */
export class Slices {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #startMs: number;

  constructor(clock: Clock, sliceMs: number = mirrorLimits.sliceMs) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#startMs = clock.monotonicMs();
  }

  /** Whether the slice is used up: `await rest()` is due. Asked apart, because each `await` costs a turn of its own. */
  get isOver(): boolean {
    return this.#clock.monotonicMs() - this.#startMs >= this.#sliceMs;
  }

  async rest(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#startMs = this.#clock.monotonicMs();
  }
}

import type { Revision, StateStore } from "../../store/contract.js";
import type { Clock } from "../../system/clock.js";

/** A record as it was seen first, and when. */
interface Sight {
  readonly revision: Revision | undefined;
  readonly work: object | undefined;
  readonly sinceMs: number;
  readonly lookedMs: number;
}

/**
 * Judges whether whoever rewrites a record still does, by changes of the record and our own monotonic clock: wall clocks
 * of several machines need not agree.
 *
 * Time counts only while we look: a store that is down keeps its writers from writing, and a process that was stopped has
 * not looked.
 */
export class Silence {
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #maxGapMs: number;
  readonly #sights = new Map<string, Sight>();

  /** @param maxGapMs after a longer time between two looks it begins anew */
  constructor(store: StateStore, clock: Clock, maxGapMs: number) {
    this.#store = store;
    this.#clock = clock;
    this.#maxGapMs = maxGapMs;
  }

  /**
   * Looks at a record.
   *
   * @param work what its writer is at; once that is another one, the writer lives
   * @returns for how long nothing has changed, in milliseconds; 0 while the store does not answer
   */
  async look(key: string, work?: object): Promise<number> {
    let revision: Revision | undefined;
    try {
      revision = (await this.#store.get(key))?.revision;
    } catch {
      this.#sights.delete(key);
      return 0;
    }
    const lookedMs = this.#clock.monotonicMs();
    const before = this.#sights.get(key);
    const isSame =
      before !== undefined &&
      before.revision === revision &&
      before.work === work &&
      lookedMs - before.lookedMs <= this.#maxGapMs;
    const sinceMs = isSame ? before.sinceMs : lookedMs;
    this.#sights.set(key, { revision, work, sinceMs, lookedMs });
    return lookedMs - sinceMs;
  }

  /** Forgets every other record. */
  keepOnly(keys: readonly string[]): void {
    for (const key of this.#sights.keys()) if (!keys.includes(key)) this.#sights.delete(key);
  }
}

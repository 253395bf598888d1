/** A limited number of places, given out in the order in which they were asked for. */
export class Places {
  #freeCount: number;
  readonly #queue = new Set<() => void>();

  constructor(count: number) {
    this.#freeCount = count;
  }

  get hasFree(): boolean {
    return this.#freeCount > 0;
  }

  /** Works on a place. @throws the signal's reason if it comes before a place does; what `work` throws */
  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.hasFree) this.#freeCount -= 1;
    else await this.#turn(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#queue.delete(enter);
        reject(signal.reason as Error);
      };
      this.#queue.add(enter);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Hands the place on without freeing it: whoever comes now is behind those who wait. */
  #leave(): void {
    const [next] = this.#queue;
    if (next === undefined) {
      this.#freeCount += 1;
      return;
    }
    this.#queue.delete(next);
    next();
  }
}

/** Carries events from those who make them to the one who reads. Who makes them too fast waits. */
export class BoundedQueue<T> {
  readonly #maxCount: number;
  readonly #entries: T[] = [];
  #end: { readonly error: unknown } | undefined;
  #wakeReader: (() => void) | undefined;
  readonly #writers: (() => void)[] = [];

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Resolves when there is room for the next one. What comes after the end is dropped. */
  async put(entry: T): Promise<void> {
    if (this.#end !== undefined) return;
    this.#entries.push(entry);
    this.#wakeReader?.();
    if (this.#entries.length < this.#maxCount) return;
    await new Promise<void>((resolve) => this.#writers.push(resolve));
  }

  /** Ends the queue behind what is in it; with an error, that is thrown then. Nobody waits any more. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wakeReader?.();
    for (const wake of this.#writers.splice(0)) wake();
  }

  /** Reads to the end. Only one reads. */
  async *read(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const entry = this.#entries.shift();
      if (entry !== undefined) {
        if (this.#entries.length < this.#maxCount) this.#writers.shift()?.();
        yield entry;
      } else if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error as Error;
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wakeReader = resolve));
        this.#wakeReader = undefined;
      }
    }
  }
}

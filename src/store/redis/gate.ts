/** Lets so much be on its way at once; the rest waits in line, first come, first served. */
export class Gate {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #count = 0;
  #bytes = 0;
  #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #next = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** Runs `work` when its turn comes; in this tick if there is room. */
  async pass<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#next < this.#waiting.length || !this.#hasRoom(bytes)) {
      await new Promise<void>((resolve) => this.#waiting.push({ bytes, enter: resolve }));
    } else {
      this.#enter(bytes);
    }
    try {
      return await work();
    } finally {
      this.#count -= 1;
      this.#bytes -= bytes;
      this.#letIn();
    }
  }

  #hasRoom(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#maxCount && this.#bytes + bytes <= this.#maxBytes);
  }

  #enter(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }

  #letIn(): void {
    for (;;) {
      const first = this.#waiting[this.#next];
      if (first === undefined || !this.#hasRoom(first.bytes)) break;
      this.#next += 1;
      this.#enter(first.bytes);
      first.enter();
    }
    // A line that never ends must not grow for ever.
    if (this.#next < 1_024 && this.#next < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }
}

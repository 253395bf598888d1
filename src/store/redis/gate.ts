/** Lets so much be on its way at once; the rest waits in line, first come, first served. */
export class Gate {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #count = 0;
  #bytes = 0;
  #waiting: { readonly bytes: number; readonly enter: () => void }[] = [];
  #next = 0;
  #leftEmpty: (() => void)[] = [];

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  /** Lets one in if there is room for it and nobody waits; who is in leaves. @returns whether it is in */
  enter(bytes: number): boolean {
    if (this.#next < this.#waiting.length || !this.#hasRoom(bytes)) return false;
    this.#take(bytes);
    return true;
  }

  /** Waits in line until it is in. */
  async turn(bytes: number): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push({ bytes, enter: resolve }));
  }

  leave(bytes: number): void {
    this.#count -= 1;
    this.#bytes -= bytes;
    this.#letIn();
  }

  /** Resolves once nothing is on its way, and nothing waits. */
  async isEmpty(): Promise<void> {
    if (this.#count > 0) await new Promise<void>((resolve) => this.#leftEmpty.push(resolve));
  }

  #hasRoom(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#maxCount && this.#bytes + bytes <= this.#maxBytes);
  }

  #take(bytes: number): void {
    this.#count += 1;
    this.#bytes += bytes;
  }

  #letIn(): void {
    for (;;) {
      const first = this.#waiting[this.#next];
      if (first === undefined || !this.#hasRoom(first.bytes)) break;
      this.#next += 1;
      this.#take(first.bytes);
      first.enter();
    }
    if (this.#count === 0) for (const wake of this.#leftEmpty.splice(0)) wake();
    // A line that never ends must not grow for ever.
    if (this.#next < 1_024 && this.#next < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#next);
    this.#next = 0;
  }
}

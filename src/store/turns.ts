/**
 * Lets many go on one after the other, each in a turn of the event loop of its own: a thousand readers that wake at once
 * hold it no longer than one of them does.
 */
export class Turns {
  #waiting: (() => void)[] = [];
  #next = 0;

  async next(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      // One immediate at a time: Node runs all that are set within one turn.
      if (this.#waiting.length === 1) setImmediate(() => this.#give());
    });
  }

  #give(): void {
    this.#waiting[this.#next]?.();
    this.#next += 1;
    // Those who come back before everyone had a turn must not make the list grow for ever.
    if (this.#next === 1_024) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    if (this.#next < this.#waiting.length) {
      setImmediate(() => this.#give());
      return;
    }
    this.#waiting = [];
    this.#next = 0;
  }
}

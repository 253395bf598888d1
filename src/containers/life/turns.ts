/** Lets work on the same subject begin one after the other, in the order in which it came. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @param subject empty = none: begins at once */
  async take<T>(subject: string, work: () => Promise<T>): Promise<T> {
    if (subject === "") return await work();
    const before = this.#last.get(subject);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#last.set(subject, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(subject) === turn) this.#last.delete(subject);
    }
  }
}

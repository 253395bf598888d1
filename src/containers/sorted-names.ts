import { indexAfter } from "../filter/pages.js";

/** Names in order, each once. Filled at once it sorts once; later names find their place. */
export class SortedNames {
  readonly #names: string[];

  constructor(names: Iterable<string> = []) {
    this.#names = [...new Set(names)].sort((a, b) => (a < b ? -1 : 1));
  }

  get all(): readonly string[] {
    return this.#names;
  }

  add(name: string): void {
    const index = indexAfter(this.#names, name);
    if (this.#names[index - 1] !== name) this.#names.splice(index, 0, name);
  }

  delete(name: string): void {
    const index = indexAfter(this.#names, name) - 1;
    if (this.#names[index] === name) this.#names.splice(index, 1);
  }
}

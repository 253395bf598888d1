import type { Revision } from "./contract.js";

/** Revisions of one past that are remembered, to know them again in a store that has lost others. */
const maxRecent = 10_000;

/** Of all pasts: who is further behind than that is not known to have seen less. */
const maxTrail = 500;

/** The commits that a view has shown of late. */
export class SeenRevisions {
  readonly #recent = new Set<Revision>();
  #trail: Revision[] = [];

  /** Of the past that the store goes on from: numbers of another one mean other commits. */
  get recent(): ReadonlySet<Revision> {
    return this.#recent;
  }

  /** Whatever past they are of, in order. */
  get trail(): readonly Revision[] {
    return this.#trail.slice(-maxTrail);
  }

  add(revision: Revision): void {
    this.#trail.push(revision);
    if (this.#trail.length > 2 * maxTrail) this.#trail = this.#trail.slice(-maxTrail);
    this.#recent.add(revision);
    for (const old of this.#recent) {
      if (this.#recent.size <= maxRecent) break;
      this.#recent.delete(old);
    }
  }

  /** The store goes on from another past. */
  beginAnew(): void {
    this.#recent.clear();
  }
}

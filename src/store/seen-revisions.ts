import type { Revision } from "./contract.js";
import { storeLimits } from "./limits.js";

/** Revisions of one past that are remembered, to know them again in a store that has lost others. */
const maxRecent = 10_000;

/** The commits that a view has shown of late, or that led to what it showed. */
export class SeenRevisions {
  readonly #recent = new Set<Revision>();
  readonly #trail = new Set<Revision>();

  /** Of the past that the store goes on from: numbers of another one mean other commits. */
  get recent(): ReadonlySet<Revision> {
    return this.#recent;
  }

  /** Whatever past they are of, in order. */
  get trail(): readonly Revision[] {
    return [...this.#trail];
  }

  add(revision: Revision): void {
    remember(this.#trail, revision, storeLimits.trailCommits);
    remember(this.#recent, revision, maxRecent);
  }

  /** The store goes on from another past. */
  beginAnew(): void {
    this.#recent.clear();
  }
}

function remember(revisions: Set<Revision>, revision: Revision, maxCount: number): void {
  revisions.add(revision);
  for (const oldest of revisions) {
    if (revisions.size <= maxCount) break;
    revisions.delete(oldest);
  }
}

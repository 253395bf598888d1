import { setImmediate } from "node:timers/promises";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { containerLimits } from "../limits.js";

/** Containers in one commit, and what their descriptions may take there: far below what a commit may hold. */
const maxBatch = 64;
const maxBatchBytes = 256 * 1024;

/** What one takes that is not weighed: a container that goes is in up to 16 groups, and leaves a record of itself. */
const unweighedBytes = maxBatchBytes / 8;

/** What a description takes, and what becomes of one that is too large for a record: other programs keep them all. */
export interface Weighing<T> {
  readonly bytesOf: (one: T) => number;
  readonly leaveOut: (one: T) => void;
}

/** Plans for many containers in commits of a few. Nothing is worked out ahead of its commit: a file may name 100,000. */
export async function inBatches<T>(
  deps: ChangeDeps,
  all: readonly T[],
  plan: (draft: Draft, one: T) => void,
  weighing?: Weighing<T>,
): Promise<void> {
  for (let next = 0; next < all.length; ) {
    const some: T[] = [];
    let bytes = 0;
    for (const end = next + maxBatch; next < Math.min(end, all.length); next += 1) {
      const one = all[next] as T;
      const weight = weighing?.bytesOf(one) ?? unweighedBytes;
      if (weight > containerLimits.maxEntryBytes) {
        weighing?.leaveOut(one);
        continue;
      }
      if (some.length > 0 && bytes + weight > maxBatchBytes) break;
      bytes += weight;
      some.push(one);
    }
    if (some.length === 0) await setImmediate();
    await change(deps, (draft) => {
      for (const one of some) plan(draft, one);
    });
  }
}

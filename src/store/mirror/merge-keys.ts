/** What others did to a list of entries, by identity: their file, what we wrote last, and what we have now. */
import type { MirrorTimes } from "./limits.js";
import type { Slices } from "./slices.js";

/** An entry as it stood in the file last. */
export interface HeldEntry {
  /** Of its text. */
  readonly fingerprint: string;
  /** Since when the file has held it without a gap, and since when with this text; by the clock of the disk. */
  readonly sinceMs: number;
  readonly textSinceMs: number;
  /** The text before. */
  readonly previous?: string;
}

/**
 * Since when the file holds what is yet to be written: nobody who writes it now can have known that. A process that is
 * killed on the way finds its own file at the next start, and would else take for theirs what it removed meanwhile.
 */
export const notYetMs = Number.MAX_SAFE_INTEGER;

/** An entry that we took out of the file. */
export interface Removal {
  readonly fingerprint: string;
  readonly atMs: number;
}

export interface KeyMerge {
  /** Fingerprints by key, of their file. */
  readonly theirs: ReadonlyMap<string, string>;
  /** What we have now. */
  readonly hasOurs: (key: string) => boolean;
  /** What the file held last; undefined = the first import: an absence means nothing. */
  readonly base: ReadonlyMap<string, HeldEntry> | undefined;
  readonly removals: Pick<ReadonlyMap<string, Removal>, "get">;
  /** When their file was written, by the clock of the disk. */
  readonly appearedMs: number;
}

export interface KeyChanges {
  readonly added: readonly string[];
  /** In both, and theirs is not what the file held last: fields are to be joined. */
  readonly touched: readonly string[];
  readonly removed: readonly string[];
  /** Absent from theirs, and kept: whoever wrote it cannot have known them. */
  readonly kept: readonly string[];
  /** In theirs, and left out: we removed them, and whoever wrote it cannot have known that. */
  readonly leftOut: readonly string[];
}

type Times = Pick<MirrorTimes, "holdMs" | "removalKeptMs">;

/**
 * Others read the whole file, change it and write it whole, without a lock, seconds later perhaps. What changed in
 * between is not in their copy: its absence, or its presence, says nothing.
 */
export async function mergeKeys(merge: KeyMerge, times: Times, slices: Slices): Promise<KeyChanges> {
  const { theirs, base = new Map<string, HeldEntry>(), hasOurs } = merge;
  const changes = { added: [], touched: [], removed: [], kept: [], leftOut: [] } as Record<
    keyof KeyChanges,
    string[]
  >;
  for (const [key, fingerprint] of theirs) {
    if (slices.isOver) await slices.rest();
    const held = base.get(key);
    if (!hasOurs(key)) {
      // A removal of ours that is yet to be written, or one that they did not know.
      const isOurRemoval = held !== undefined || isUnknownRemoval(merge, key, fingerprint, times);
      changes[isOurRemoval ? "leftOut" : "added"].push(key);
    } else if (held !== undefined && held.fingerprint !== fingerprint) {
      const isStale = fingerprint === held.previous && merge.appearedMs - held.textSinceMs < times.holdMs;
      if (!isStale) changes.touched.push(key);
    }
  }
  for (const [key, { sinceMs }] of base) {
    if (slices.isOver) await slices.rest();
    if (theirs.has(key) || !hasOurs(key)) continue;
    changes[merge.appearedMs - sinceMs >= times.holdMs ? "removed" : "kept"].push(key);
  }
  return changes;
}

function isUnknownRemoval(
  { removals, appearedMs }: KeyMerge,
  key: string,
  fingerprint: string,
  { holdMs, removalKeptMs }: Times,
): boolean {
  const removal = removals.get(key);
  if (removal === undefined) return false;
  const ageMs = appearedMs - removal.atMs;
  return ageMs < holdMs || (ageMs < removalKeptMs && fingerprint === removal.fingerprint);
}

/**
 * What the file holds now, as base of the next merge.
 *
 * @param writtenMs - when it was written, by the clock of the disk
 */
export async function hold(
  entries: ReadonlyMap<string, string>,
  before: ReadonlyMap<string, HeldEntry>,
  writtenMs: number,
  slices: Slices,
): Promise<Map<string, HeldEntry>> {
  const held = new Map<string, HeldEntry>();
  for (const [key, fingerprint] of entries) {
    if (slices.isOver) await slices.rest();
    const old = before.get(key);
    if (old === undefined) held.set(key, { fingerprint, sinceMs: writtenMs, textSinceMs: writtenMs });
    else if (old.fingerprint === fingerprint) held.set(key, heldBy(old, writtenMs));
    else {
      const { sinceMs } = heldBy(old, writtenMs);
      held.set(key, { fingerprint, sinceMs, textSinceMs: writtenMs, previous: old.fingerprint });
    }
  }
  return held;
}

/** What was announced stands there now. */
const heldBy = (old: HeldEntry, writtenMs: number): HeldEntry =>
  old.textSinceMs === notYetMs
    ? { ...old, sinceMs: Math.min(old.sinceMs, writtenMs), textSinceMs: writtenMs }
    : old;

/** A store on another machine may lose what it has confirmed: it is flushed, or a replica that lags takes over. */
import type { Revision, Snapshot, StoredRecord } from "./contract.js";
import { isOfRescue, type Mark, readMarks } from "./rescue-marks.js";
import { numberOfRevision } from "./revision.js";

type Records = ReadonlyMap<string, StoredRecord>;

/** What was seen in a store: all of its records, as of some commit. */
export interface Past {
  readonly records: Records;
  readonly seen: Revision;
  /** Revisions of this past that were seen of late, `seen` among them: numbers of another one mean other commits. */
  readonly recent: ReadonlySet<Revision>;
}

/** Writes that bring back what a store has lost, each with what the store has now. */
export type Rescue = readonly {
  readonly key: string;
  /** Absent = the store lost its deletion. */
  readonly value: StoredRecord["value"] | undefined;
  readonly expected: Revision | undefined;
}[];

/** Tells whether a record that is missing now must stay away: what the store has tells of its end. */
export type EndRule = (key: string, before: Records, now: Records) => boolean;

export interface RescueRules {
  /** @default nothing is known of ends */
  readonly hasKnownEnd?: EndRule;
  /** The log says so: it reaches back to what was seen, and has something else there. @default the records decide */
  readonly isAnotherPast?: boolean;
}

/**
 * Finds what a store has lost, by what was seen in it before.
 *
 * A store that goes on from what was seen has no record of that time which was not seen; one that does is another past.
 * What both have in common ends at the latest revision that both know: what was written before that and is gone now was
 * deleted since, what was written after it is lost. Records that others wrote meanwhile stay as they are.
 *
 * Those who have seen less may come first, and those who have seen more. All have seen a beginning of one history, so each
 * marks what it brings back with how far it had seen. Copies of those who had seen less give way, to newer ones and to
 * deletions; who has seen less finds that there is nothing left to do.
 *
 * @returns SAME_PAST: it goes on from what was seen. DONE: who had seen as much or more has brought all of it back
 */
export function planRescue(
  past: Past,
  now: Snapshot,
  rules: RescueRules = {},
): Rescue | "SAME_PAST" | "DONE" {
  const { records: before, recent } = past;
  const marks = readMarks(now.records).filter(({ key }) => !before.has(key));
  if (marks.some(({ isDone, tail }) => isDone && tail.includes(past.seen))) return "DONE";
  const behind = marks.filter(({ seen }) => recent.has(seen));
  if (rules.isAnotherPast !== true && behind.length === 0 && !differs(past, now)) return "SAME_PAST";

  const sharedNumber = lastShared(past, now);
  /** Of records as the past had them: never of what was written after a loss, whatever its number. */
  const isShared = (known: Revision): boolean => numberOfRevision(known) <= sharedNumber;
  const copies = copiesOf(behind);
  const doneNumbers = behind.filter(({ isDone }) => isDone).map(({ seen }) => numberOfRevision(seen));
  const commonNumber = Math.max(sharedNumber, ...doneNumbers);

  const rescue: Rescue[number][] = [];
  for (const { key, value, revision: known } of before.values()) {
    const current = now.records.get(key);
    if (isOfRescue(key) || current?.revision === known) continue;
    const copiedAt = current === undefined ? undefined : copies.get(current.revision);
    const isLost =
      current === undefined
        ? numberOfRevision(known) > commonNumber && rules.hasKnownEnd?.(key, before, now.records) !== true
        : copiedAt === undefined
          ? !isShared(known) && isShared(current.revision)
          : numberOfRevision(known) > copiedAt;
    if (isLost) rescue.push({ key, value, expected: current?.revision });
  }
  for (const { key, revision: known } of now.records.values()) {
    if (isOfRescue(key) || before.has(key)) continue;
    if (isShared(known) || copies.has(known)) rescue.push({ key, value: undefined, expected: known });
  }
  return rescue;
}

function differs({ records: before, seen }: Past, { records, revision }: Snapshot): boolean {
  const seenNumber = numberOfRevision(seen);
  if (numberOfRevision(revision) < seenNumber) return true;
  for (const record of records.values()) {
    const isOfThatTime = numberOfRevision(record.revision) <= seenNumber;
    if (isOfThatTime && before.get(record.key)?.revision !== record.revision) return true;
  }
  return false;
}

/** The latest commit that the store still has of those that were seen; 0 = none that shows. */
function lastShared({ records: before, recent }: Past, now: Snapshot): number {
  let shared = recent.has(now.revision) ? numberOfRevision(now.revision) : 0;
  for (const { key, revision } of now.records.values()) {
    if (recent.has(revision) || before.get(key)?.revision === revision)
      shared = Math.max(shared, numberOfRevision(revision));
  }
  return shared;
}

/** What others brought back who had seen less: by the commits that did, up to which number of our past. */
function copiesOf(behind: readonly Mark[]): ReadonlyMap<Revision, number> {
  return new Map(
    behind.flatMap(({ seen, commits }) =>
      commits.map((revision): [Revision, number] => [revision, numberOfRevision(seen)]),
    ),
  );
}

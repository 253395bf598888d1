/** Who has brought back what, so that the order in which they come does not matter. Records of this room's own. */
import type { RecordValue, Revision, StoredRecord } from "./contract.js";
import { numberOfRevision } from "./revision.js";

/** Rewritten with each commit that brings something back: nobody's plan outlives another one's commit. */
export const turnKey = "~rescue";

const prefix = `${turnKey}/`;

/** Whether a record is about a rescue: such ones are not rescued. */
export const isOfRescue = (key: string): boolean => key === turnKey || key.startsWith(prefix);

/** What one gateway brings back after one loss. */
export interface Mark {
  readonly key: string;
  /** How far it had seen the history that was lost. */
  readonly seen: Revision;
  /** The last commits of those that it had seen, `seen` among them: whose view ends at one of them had seen less. */
  readonly tail: readonly Revision[];
  /** Those that brought it back. */
  readonly commits: readonly Revision[];
  /** Whether all of it is back. */
  readonly isDone: boolean;
  /** Wall clock of the rescue, in milliseconds since 1970. */
  readonly timeMs: number;
}

/** What a mark says by itself; the commit that writes it is the last of its commits. */
export type MarkValue = Omit<Mark, "key" | "commits"> & { readonly earlier: readonly Revision[] };

export const markKey = (id: string): string => prefix + id;

export const writeMark = (mark: MarkValue): RecordValue => ({ ...mark });

/** Reads those that are marks. */
export function readMarks(records: ReadonlyMap<string, StoredRecord>): readonly Mark[] {
  const marks: Mark[] = [];
  for (const { key, value, revision } of records.values()) {
    if (!key.startsWith(prefix) || !isMark(value)) continue;
    const { earlier, ...mark } = value;
    marks.push({ ...mark, key, commits: [...earlier, revision] });
  }
  return marks;
}

/** Keys of those that only look so, as a hand leaves them there: they tell nothing, and stay. */
export const foreignMarks = (records: ReadonlyMap<string, StoredRecord>): readonly string[] =>
  [...records.values()].flatMap(({ key, value }) => (key.startsWith(prefix) && !isMark(value) ? [key] : []));

function isMark(value: object): value is MarkValue {
  const { seen, tail, earlier, isDone, timeMs } = value as { readonly [K in keyof MarkValue]?: unknown };
  return (
    isRevision(seen) &&
    [tail, earlier].every((revisions) => Array.isArray(revisions) && revisions.every(isRevision)) &&
    typeof isDone === "boolean" &&
    typeof timeMs === "number"
  );
}

const isRevision = (one: unknown): one is Revision =>
  typeof one === "string" && !Number.isNaN(numberOfRevision(one));

import type { RecordChange, RecordValue, Revision } from "./contract.js";
import { StoreError } from "./errors.js";

/** How a log spells what a commit did to one record: key, value, what was there before. */
export type ChangeRow = readonly [string, RecordValue | null, RecordValue | null];

export const toChanges = (rows: readonly ChangeRow[]): readonly RecordChange[] =>
  rows.map(([key, value, previous]) => ({
    key,
    value: value ?? undefined,
    previous: previous ?? undefined,
  }));

/** @throws {StoreError} STATE_UNREADABLE */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- our own text: only its shape is trusted
export function parse<T>(text: string | undefined): T {
  try {
    return JSON.parse(text ?? "") as T;
  } catch (cause) {
    throw new StoreError("STATE_UNREADABLE", "the state holds text that is no JSON", { cause });
  }
}

/** Reads a record from `<revision> <JSON>`, as both backends keep it. @param latest the same revision, perhaps */
export function splitRecord(
  stored: string,
  latest?: Revision,
): { readonly revision: Revision; readonly value: RecordValue } {
  const space = stored.indexOf(" ");
  const value = parse<RecordValue>(stored.slice(space + 1));
  if (latest?.length === space && stored.startsWith(latest)) return { revision: latest, value };
  // A copy: a slice would keep the whole text in memory for as long as the record.
  return { revision: Buffer.from(stored.slice(0, space), "latin1").toString("latin1"), value };
}

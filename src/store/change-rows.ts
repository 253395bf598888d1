import type { RecordChange, RecordValue } from "./contract.js";
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

/** Reads a record from `<revision> <JSON>`, as both backends keep it. */
export function splitRecord(stored: string): { readonly revision: string; readonly value: RecordValue } {
  const space = stored.indexOf(" ");
  return { revision: stored.slice(0, space), value: parse<RecordValue>(stored.slice(space + 1)) };
}

import type { RecordChange, RecordValue, Revision, StoredRecord } from "./contract.js";
import { StoreError, unreadable } from "./errors.js";
import { numberOfRevision } from "./revision.js";

/** How a log spells what a commit did to one record: key, value, what was there before. */
export type ChangeRow = readonly [string, RecordValue | null, RecordValue | null];

/** @throws {StoreError} STATE_UNREADABLE: these are no rows */
export function toChanges(rows: unknown): readonly RecordChange[] {
  if (!isRows(rows))
    throw new StoreError("STATE_UNREADABLE", "what stands there tells no changes of records");
  return rows.map(([key, value, previous]) => ({
    key,
    value: value ?? undefined,
    previous: previous ?? undefined,
  }));
}

const isRows = (rows: unknown): rows is readonly ChangeRow[] => Array.isArray(rows) && rows.every(isRow);

const isRow = (row: unknown): boolean =>
  Array.isArray(row) &&
  typeof row[0] === "string" &&
  [row[1], row[2]].every((value) => value === null || isValue(value));

/**
 * Reads JSON. What the engine says of text that is none may quote it, and it may hold a secret: that is not handed on.
 *
 * @throws {StoreError} STATE_UNREADABLE
 */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- our own text: only its shape is trusted
export function parse<T>(text: string | undefined): T {
  try {
    return JSON.parse(text ?? "") as T;
  } catch {
    throw new StoreError("STATE_UNREADABLE", "the state holds text that is no JSON");
  }
}

/**
 * Reads a record from `<revision> <JSON>`, as both backends keep it.
 *
 * @param latest the same revision, perhaps
 * @throws {StoreError} STATE_UNREADABLE naming the record
 */
export function readRecord(key: string, stored: string, latest?: Revision): StoredRecord {
  const space = stored.indexOf(" ");
  const isLatest = latest?.length === space && stored.startsWith(latest);
  // A copy: a slice would keep the whole text in memory for as long as the record.
  const revision = isLatest ? latest : Buffer.from(stored.slice(0, space), "latin1").toString("latin1");
  if (!isLatest && Number.isNaN(numberOfRevision(revision))) throw unreadable(unreadableWords, key);
  return { key, revision, value: readValue(key, stored.slice(space + 1)) };
}

/** @throws {StoreError} STATE_UNREADABLE naming the record */
function readValue(key: string, json: string): RecordValue {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    // What it says may quote a secret, as in `parse`.
  }
  if (isValue(value)) return value;
  throw unreadable(unreadableWords, key);
}

const unreadableWords = "the state holds a record that cannot be read, and stays as it is";

const isValue = (value: unknown): value is RecordValue =>
  typeof value === "object" && value !== null && !Array.isArray(value);

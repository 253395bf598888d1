import type { RecordChange, StoredRecord } from "./contract.js";

/** Finds what leads from one state to another. Values of equal revision are equal. */
export function differenceOf(
  from: ReadonlyMap<string, StoredRecord>,
  to: ReadonlyMap<string, StoredRecord>,
): readonly RecordChange[] {
  const changes: RecordChange[] = [];
  for (const [key, { value, revision }] of to) {
    const old = from.get(key);
    if (old?.revision !== revision) changes.push({ key, value, previous: old?.value });
  }
  for (const [key, { value }] of from) {
    if (!to.has(key)) changes.push({ key, value: undefined, previous: value });
  }
  return changes;
}

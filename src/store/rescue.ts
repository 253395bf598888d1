/** A store on another machine may lose what it has confirmed: it is flushed, or a replica that lags takes over. */
import { randomUUID } from "node:crypto";
import type { Commit, Revision, Snapshot, StateStore, StoredRecord } from "./contract.js";
import { storeLimits } from "./limits.js";
import { numberOfRevision } from "./revision.js";

/** Writes that bring back what a store has lost, each with what the store has now. */
export type Rescue = readonly {
  readonly key: string;
  /** Absent = the store lost its deletion. */
  readonly value: StoredRecord["value"] | undefined;
  readonly expected: Revision | undefined;
}[];

/** Half of what a commit may hold, and fewer than it may have. */
const batchBytes = storeLimits.maxCommitBytes / 2;
const batchCount = 500;

/** Tells whether a record that is missing now must stay away: what the store has tells of its end. */
export type EndRule = (
  key: string,
  before: ReadonlyMap<string, StoredRecord>,
  now: ReadonlyMap<string, StoredRecord>,
) => boolean;

/**
 * Finds what a store has lost, by what was seen in it before.
 *
 * A store that goes on from what was seen has no record of that time which was not seen; one that does is another past.
 * What both have in common ends at the latest revision that both know: what was written before that and is gone now was
 * deleted since, what was written after it is lost. Records that others wrote meanwhile stay as they are.
 *
 * @param before records as they were seen last, up to `seen`
 * @param recent revisions that were seen of late
 * @returns undefined if nothing is lost
 */
export function planRescue(
  before: ReadonlyMap<string, StoredRecord>,
  seen: Revision,
  recent: ReadonlySet<Revision>,
  now: Snapshot,
  hasKnownEnd: EndRule = () => false,
): Rescue | undefined {
  if (!isAnotherPast(before, numberOfRevision(seen), now)) return undefined;
  let common = recent.has(now.revision) ? numberOfRevision(now.revision) : 0;
  for (const { key, revision } of now.records.values()) {
    if (recent.has(revision) || before.get(key)?.revision === revision)
      common = Math.max(common, numberOfRevision(revision));
  }
  const isCommon = (known: Revision): boolean => numberOfRevision(known) <= common;
  const rescue: Rescue[number][] = [];
  for (const { key, value, revision: known } of before.values()) {
    const current = now.records.get(key);
    if (isCommon(known) || current?.revision === known) continue;
    if (current === undefined && hasKnownEnd(key, before, now.records)) continue;
    if (current === undefined || isCommon(current.revision))
      rescue.push({ key, value, expected: current?.revision });
  }
  for (const { key, revision: known } of now.records.values()) {
    if (!before.has(key) && isCommon(known)) rescue.push({ key, value: undefined, expected: known });
  }
  return rescue;
}

function isAnotherPast(
  before: ReadonlyMap<string, StoredRecord>,
  seenNumber: number,
  { records, revision }: Snapshot,
): boolean {
  if (numberOfRevision(revision) < seenNumber) return true;
  for (const record of records.values()) {
    const isOfThatTime = numberOfRevision(record.revision) <= seenNumber;
    if (isOfThatTime && before.get(record.key)?.revision !== record.revision) return true;
  }
  return false;
}

/** Brings it back. What others brought back first stays theirs. @throws {StoreError} */
export async function carryOut(store: StateStore, rescue: Rescue): Promise<void> {
  for (let rest = rescue; rest.length > 0; ) {
    const batch = firstBatch(rest);
    const result = await store.commit(commitOf(batch));
    rest =
      result.kind === "conflict" ? rest.filter(({ key }) => key !== result.key) : rest.slice(batch.length);
  }
}

function firstBatch(rescue: Rescue): Rescue {
  let byteCount = 0;
  const end = rescue.findIndex(({ key, value }, index) => {
    byteCount += key.length + (value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value)));
    return index === batchCount || (index > 0 && byteCount > batchBytes);
  });
  return end === -1 ? rescue : rescue.slice(0, end);
}

const commitOf = (batch: Rescue): Commit => ({
  operationId: randomUUID(),
  expect: batch.map(({ key, expected }) => ({ key, revision: expected })),
  put: batch.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }])),
  delete: batch.flatMap(({ key, value }) => (value === undefined ? [key] : [])),
});

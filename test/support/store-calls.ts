import { randomUUID } from "node:crypto";
import type {
  ChangeSet,
  Commit,
  CommitResult,
  RecordValue,
  Revision,
  StateStore,
} from "../../src/store/contract.js";
import { StoreError, type StoreReason } from "../../src/store/errors.js";

/** A commit that does nothing but what the test names. */
export const aCommit = (parts: Partial<Commit> = {}): Commit => ({
  operationId: randomUUID(),
  expect: [],
  put: [],
  delete: [],
  ...parts,
});

export const aPut = (key: string, value: RecordValue = {}): Commit => aCommit({ put: [{ key, value }] });

/** Commits what must not conflict. */
export async function commit(store: StateStore, parts: Partial<Commit>): Promise<Revision> {
  return committed(await store.commit(aCommit(parts)));
}

export const put = async (store: StateStore, key: string, value: RecordValue = {}): Promise<Revision> =>
  await commit(store, { put: [{ key, value }] });

export function committed(result: CommitResult): Revision {
  if (result.kind !== "committed") throw new Error(`conflict on ${result.key}`);
  return result.revision;
}

/** Reads exactly so many change sets. */
export async function take(store: StateStore, after: Revision, count: number): Promise<ChangeSet[]> {
  const taken: ChangeSet[] = [];
  if (count === 0) return taken;
  for await (const changeSet of store.changes(after, new AbortController().signal)) {
    taken.push(changeSet);
    if (taken.length === count) break;
  }
  return taken;
}

/** Waits for the failure of something. */
export async function reasonOf(action: Promise<unknown>): Promise<StoreReason> {
  try {
    await action;
  } catch (error) {
    if (error instanceof StoreError) return error.reason;
    throw error;
  }
  throw new Error("it did not fail");
}

export const startOf = async (store: StateStore): Promise<Revision> => (await store.load()).revision;

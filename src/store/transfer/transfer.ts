/** Moves a whole state from one backend to another, by way of a file. */
import { randomUUID } from "node:crypto";
import type { Commit, Revision, StateStore } from "../contract.js";
import { storeLimits } from "../limits.js";
import { checkStateFile, type FileRecord, readStateFile, writeStateFile } from "./state-file.js";
import { TransferError } from "./transfer-error.js";

/** Stands in a state while an import into it is not finished. */
export const importKey = "x/import";

export interface Transferred {
  readonly recordCount: number;
  /** SHA-256 of the file's lines, in hex. */
  readonly digest: string;
}

/** Half of what a commit may hold: keys are counted as well. */
const batchBytes = storeLimits.maxCommitBytes / 2;
/** Fewer than a commit may have: the sign of the import is one more. */
const batchCount = 500;

/** Writes a state into a file. @throws {TransferError}, {StoreError}, {FileError} */
export async function exportState(store: StateStore, path: string): Promise<Transferred> {
  const snapshot = await store.load();
  if (snapshot.records.has(importKey)) throw new TransferError("an import into this state is not finished");
  return { recordCount: snapshot.records.size, digest: await writeStateFile(path, snapshot) };
}

/**
 * Brings a file into an empty state. One that was cut short goes on where it was.
 *
 * @param replaces whether a state that is not empty is given up
 * @throws {TransferError} the file is damaged, or the state is not empty; {StoreError}
 */
export async function importState(store: StateStore, path: string, replaces: boolean): Promise<Transferred> {
  const digest = await checkStateFile(path);
  const sign = await begin(store, digest, replaces);
  let recordCount = 0;
  for await (const records of batchesOf(path)) {
    recordCount += records.length;
    if (recordCount <= sign.doneCount) continue;
    await sign.commit({ put: records, doneCount: recordCount });
  }
  await sign.end();
  return { recordCount, digest };
}

async function begin(store: StateStore, digest: string, replaces: boolean): Promise<ImportSign> {
  const { records } = await store.load();
  const known = records.get(importKey);
  if (known?.value["sha256"] === digest)
    return new ImportSign(store, digest, Number(known.value["doneCount"]), known.revision);
  const sign = new ImportSign(store, digest, 0, known?.revision);
  const old = [...records.keys()].filter((key) => key !== importKey);
  if (old.length > 0 && !replaces) {
    const what = known === undefined ? "is not empty" : "holds a part of another import";
    throw new TransferError(`the state ${what} (${String(old.length)} records): --replace gives it up`);
  }
  for (let index = 0; index < old.length || index === 0; index += batchCount)
    await sign.commit({ delete: old.slice(index, index + batchCount), doneCount: 0 });
  return sign;
}

/** The sign of an import, which each of its commits rewrites: who comes in between ends it. */
class ImportSign {
  readonly #store: StateStore;
  readonly #digest: string;
  #revision: Revision | undefined;
  doneCount: number;

  constructor(store: StateStore, digest: string, doneCount: number, revision: Revision | undefined) {
    this.#store = store;
    this.#digest = digest;
    this.doneCount = doneCount;
    this.#revision = revision;
  }

  async commit(
    changes: Partial<Pick<Commit, "put" | "delete">> & { readonly doneCount: number },
  ): Promise<void> {
    const { put = [], doneCount } = changes;
    const sign = { key: importKey, value: { sha256: this.#digest, doneCount } };
    await this.#commit([...put, sign], changes.delete ?? []);
    this.doneCount = doneCount;
  }

  async end(): Promise<void> {
    await this.#commit([], [importKey]);
  }

  async #commit(put: Commit["put"], deleted: readonly string[]): Promise<void> {
    const expect = [{ key: importKey, revision: this.#revision }];
    const result = await this.#store.commit({ operationId: randomUUID(), expect, put, delete: deleted });
    if (result.kind === "conflict") throw new TransferError("another import into this state came in between");
    this.#revision = result.revision;
  }
}

/** The same for the same file, however often it is read. */
async function* batchesOf(path: string): AsyncGenerator<readonly FileRecord[], void, undefined> {
  let batch: FileRecord[] = [];
  let byteCount = 0;
  for await (const record of readStateFile(path)) {
    const bytes = record.key.length + Buffer.byteLength(JSON.stringify(record.value));
    if (batch.length > 0 && (batch.length === batchCount || byteCount + bytes > batchBytes)) {
      yield batch;
      batch = [];
      byteCount = 0;
    }
    batch.push(record);
    byteCount += bytes;
  }
  if (batch.length > 0) yield batch;
}

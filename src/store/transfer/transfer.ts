/** Moves a whole state from one backend to another, by way of a file. */
import type { StateStore, StoredRecord } from "../contract.js";
import { storeLimits } from "../limits.js";
import { importKey, ImportSign } from "./import-sign.js";
import type { DiskTime } from "../../system/disk-time.js";
import {
  type CheckedFile,
  type FileOptions,
  linesOfState,
  transferDisk,
  writeStateFile,
} from "./state-file.js";
import { TransferError } from "./transfer-error.js";

export interface Transferred {
  readonly recordCount: number;
  /** SHA-256 of the file's lines, in hex. */
  readonly digest: string;
}

export interface ImportOptions {
  /** Whether a state that is not empty is given up. @default false */
  readonly replaces?: boolean;
  /** Limits each commit, should the state be on a disk of ours. @default one of its own, with `transferLimits` */
  readonly disk?: DiskTime;
  /** Called when every record is there, before the state is opened to gateways. */
  readonly onWhole?: () => Promise<void>;
  /** Ends the import between two commits: repeated, it goes on. */
  readonly signal?: AbortSignal;
}

/** Deletes of one commit: fewer than it may have, and of values that fit its change set. */
const maxDeletes = 500;
const maxDeletedBytes = storeLimits.maxReplacedBytes / 2;

/** In the sign: what was there before is not gone yet. A repetition must not take it for imported. */
const emptying = -1;

/** Writes a state, as of one commit, into a new file. @throws {TransferError}, {StoreError}; what `signal` has */
export async function exportState(
  store: StateStore,
  path: string,
  options: FileOptions = {},
): Promise<Transferred> {
  const { records } = await store.load();
  if (records.has(importKey)) throw new TransferError("an import into this state is not finished");
  return { recordCount: records.size, digest: await writeStateFile(path, records, options) };
}

/**
 * Brings a file into an empty state. One that was cut short goes on where it was; one that was done does nothing.
 *
 * @throws {TransferError} the file has changed, or the state is not empty; {StoreError}; {FileError} SILENT; what `signal` has
 */
export async function importState(
  store: StateStore,
  file: CheckedFile,
  { replaces = false, disk = transferDisk(), onWhole, signal }: ImportOptions = {},
): Promise<Transferred> {
  const { digest, recordCount } = file;
  const { records } = await store.load();
  if (recordCount > 0 && records.size === recordCount && digestOf(records) === digest) {
    await onWhole?.();
    return { recordCount, digest };
  }
  const sign = await begin({ store, disk }, records, { digest, replaces, signal });
  for await (const { records: put, bytes, doneCount } of file.batches()) {
    if (doneCount <= sign.doneCount) continue;
    signal?.throwIfAborted();
    await sign.commit({ put, bytes, doneCount });
  }
  await onWhole?.();
  await sign.end();
  return { recordCount, digest };
}

type Records = ReadonlyMap<string, StoredRecord>;

async function begin(
  home: { readonly store: StateStore; readonly disk: DiskTime },
  records: Records,
  wish: { readonly digest: string; readonly replaces: boolean; readonly signal: AbortSignal | undefined },
): Promise<ImportSign> {
  const { digest, replaces, signal } = wish;
  const known = records.get(importKey);
  const doneCount = known?.value["doneCount"];
  if (known?.value["sha256"] === digest && typeof doneCount === "number" && doneCount >= 0)
    return new ImportSign(home, digest, doneCount, known.revision);
  const sign = new ImportSign(home, digest, emptying, known?.revision);
  const requireEmpty = (there: Records): void => {
    const count = there.size - (there.has(importKey) ? 1 : 0);
    if (count === 0 || replaces) return;
    const what = known === undefined ? "is not empty" : "holds a part of an import";
    throw new TransferError(`the state ${what} (${String(count)} records): --replace gives it up`);
  };
  requireEmpty(records);
  await sign.commit({ doneCount: emptying });
  // From here on no gateway commits; what one did since the first look is not given up unasked.
  const { records: old } = await home.store.load();
  try {
    requireEmpty(old);
  } catch (error) {
    await sign.end();
    throw error;
  }
  for (const keys of deletesOf(old)) {
    signal?.throwIfAborted();
    await sign.commit({ delete: keys, doneCount: emptying });
  }
  sign.doneCount = 0;
  return sign;
}

function* deletesOf(records: Records): Generator<readonly string[], void, undefined> {
  let [keys, bytes]: [string[], number] = [[], 0];
  for (const { key, value } of records.values()) {
    if (key === importKey) continue;
    const more = Buffer.byteLength(JSON.stringify(value));
    if (keys.length === maxDeletes || (keys.length > 0 && bytes + more > maxDeletedBytes)) {
      yield keys;
      [keys, bytes] = [[], 0];
    }
    keys.push(key);
    bytes += more;
  }
  if (keys.length > 0) yield keys;
}

function digestOf(records: Records): string {
  const lines = linesOfState(records);
  for (;;) {
    const { done, value } = lines.next();
    if (done === true) return value;
  }
}

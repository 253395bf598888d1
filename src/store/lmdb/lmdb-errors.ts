import { statfs } from "node:fs/promises";
import { StoreError, type StoreReason } from "../errors.js";

const inputOutputError = 5; // EIO
/** Less than one group of commits may need. */
const littleRoomBytes = 16 * 1024 * 1024;

/** Codes of LMDB (below zero) and of the system. The error's class says nothing: it may be another realm's. */
const reasonOfCode: Readonly<Record<number | string, StoreReason>> = {
  28: "DISK_FULL", // ENOSPC
  122: "DISK_FULL", // EDQUOT, Linux
  69: "DISK_FULL", // EDQUOT, macOS
  [-30792]: "DISK_FULL", // MDB_MAP_FULL
  1: "STATE_READ_ONLY", // EPERM
  13: "STATE_READ_ONLY", // EACCES
  30: "STATE_READ_ONLY", // EROFS
  [-30793]: "STATE_UNREADABLE", // MDB_INVALID
  [-30794]: "STATE_UNREADABLE", // MDB_VERSION_MISMATCH
  [-30796]: "STATE_UNREADABLE", // MDB_CORRUPTED
  [-30797]: "STATE_UNREADABLE", // MDB_PAGE_NOTFOUND
  [-30784]: "STATE_UNREADABLE", // MDB_INCOMPATIBLE
  ENOSPC: "DISK_FULL",
  EDQUOT: "DISK_FULL",
  EPERM: "STATE_READ_ONLY",
  EACCES: "STATE_READ_ONLY",
  EROFS: "STATE_READ_ONLY",
  ENOENT: "STATE_READ_ONLY", // what Node's recursive mkdir says of a read-only file system
  ENOTDIR: "STATE_UNREADABLE",
  EEXIST: "STATE_UNREADABLE",
};

const words: Readonly<Record<StoreReason, string>> = {
  STATE_STORE_UNAVAILABLE: "the state store does not answer",
  STATE_READ_ONLY: "the state store cannot be written",
  DISK_FULL: "there is no room to write the state store",
  REVISION_COMPACTED: "this revision is not in the history",
  STATE_TOO_LARGE: "beyond the limits of the state store",
  INVALID_COMMIT: "not a commit",
  STATE_UNREADABLE: "the state files are damaged, or none of ours; they stay as they are",
};

/** Names why LMDB, or the system below it, failed. */
export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const { code, message } = (error ?? {}) as { code?: number | string; message?: string };
  const reason = reasonOfCode[code ?? ""] ?? "STATE_STORE_UNAVAILABLE";
  return new StoreError(reason, `${words[reason]} (${message ?? "unknown error"})`, { cause: error });
}

/**
 * Names why a write into a folder failed.
 *
 * lmdb-js rejects each commit of a failed transaction with an error that holds a promise of the real one; unless awaited,
 * that one's rejection ends the process. And where a disk takes a write in part because it is full, LMDB says EIO.
 */
export async function toWriteError(error: unknown, folder: string): Promise<StoreError> {
  const { commitError } = (error ?? {}) as { commitError?: Promise<unknown> };
  const cause = commitError === undefined ? error : await commitError.catch((real: unknown) => real);
  const failure = toStoreError(cause ?? error);
  const { code } = (cause ?? {}) as { code?: number };
  if (code !== inputOutputError || !(await isAlmostFull(folder))) return failure;
  return new StoreError("DISK_FULL", words.DISK_FULL, { cause });
}

async function isAlmostFull(folder: string): Promise<boolean> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize < littleRoomBytes;
  } catch {
    return false;
  }
}

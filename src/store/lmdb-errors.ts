import { StoreError, type StoreReason } from "./errors.js";

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
 * Finds what lies behind a failed write: lmdb-js rejects each commit of a failed transaction with an error that holds a
 * promise of the real one. That promise must be awaited, or its rejection ends the process.
 */
export async function causeOfFailedWrite(error: unknown): Promise<unknown> {
  const { commitError } = (error ?? {}) as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  try {
    await commitError;
    return error;
  } catch (cause) {
    return cause;
  }
}

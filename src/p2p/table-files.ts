import { mkdir, open, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { P2pError, type P2pReason } from "./errors.js";
import { tableLimits } from "./limits.js";
import { emptyDocument, parseTableDocument, type TableDocument } from "./table-document.js";

/** Tells whether a file is still the one that was read: any rewrite or replacement changes it. */
export type FileMark = string;

/** The table file does not exist. */
export const absent: FileMark = "absent";

export async function markOf(path: string): Promise<FileMark> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${String(ino)}-${String(size)}-${String(mtimeNs)}`;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return absent;
    throw unreadable(path, error);
  }
}

/** Other writers rewrite the file in place: a half-written one is whole a moment later. */
const readAttempts = 4;
const readPauseMs = 100;

/**
 * Reads the table file; one that does not exist is an empty table.
 *
 * @throws {P2pError} IP_TABLE_UNREADABLE; the file stays as it is
 */
export async function readTable(path: string): Promise<{ document: TableDocument; mark: FileMark }> {
  for (let attempt = 1; ; attempt += 1) {
    const mark = await markOf(path);
    if (mark === absent) return { document: emptyDocument, mark };
    try {
      if ((await stat(path)).size > tableLimits.maxFileBytes) throw new RangeError("the file is too large");
      const text = await readFile(path, "utf8");
      const document = parseTableDocument(text);
      // No bytes are an empty table, but also the first half of every rewrite in place.
      const isWhole = text !== "" && (await markOf(path)) === mark;
      if (isWhole || attempt === readAttempts) return { document, mark };
    } catch (error) {
      if (attempt === readAttempts) throw unreadable(path, error);
    }
    await new Promise((resolve) => setTimeout(resolve, readPauseMs));
  }
}

/** Reads a file of ours. @returns undefined if there is none */
export async function readOwnFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

/**
 * Replaces a file so that a reader sees the old text or the new one, also after a power cut: temporary file, fsync,
 * rename, fsync of the folder.
 *
 * @throws {P2pError} DISK_FULL, IP_TABLE_READ_ONLY; the old file stays
 */
export async function replaceFile(
  path: string,
  text: string,
  options: { readonly mode?: number } = {},
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, text, options);
    const folder = await open(dirname(path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

const reasonOfCode: Readonly<Record<string, P2pReason>> = { ENOSPC: "DISK_FULL", EDQUOT: "DISK_FULL" };

function unwritable(path: string, cause: unknown): P2pError {
  const code = codeOf(cause) ?? "unknown error";
  const reason = reasonOfCode[code] ?? "IP_TABLE_READ_ONLY";
  return new P2pError(reason, `the IP table cannot be written (${code})`, { cause: { path, cause } });
}

function unreadable(path: string, cause: unknown): P2pError {
  const why = codeOf(cause) ?? "it is not an IP table";
  return new P2pError("IP_TABLE_UNREADABLE", `the IP table file cannot be read (${why}); it stays as it is`, {
    cause: { path, cause },
  });
}

function codeOf(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

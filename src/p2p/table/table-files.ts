import { constants } from "node:fs";
import { open } from "node:fs/promises";
import {
  absent,
  codeOf,
  FileFault,
  type FileMark,
  type FileSubject,
  markOf,
  requireRegular,
  unreadable,
} from "./file-marks.js";
import { tableLimits } from "../limits.js";
import { emptyDocument, parseTableDocument, type TableDocument } from "./table-document.js";

/** Other writers rewrite the file in place: a half-written one is whole a moment later. */
const readAttempts = 4;
const readPauseMs = 100;

/** Bytes read at once; between two of them a size or time limit ends the reading. */
const chunkBytes = 256 * 1024;

/**
 * Reads the table file; one that does not exist is an empty table.
 *
 * @throws {P2pError} IP_TABLE_UNREADABLE; the file stays as it is
 */
export async function readTable(
  path: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<{ document: TableDocument; mark: FileMark }> {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    const mark = await markOf(path);
    if (mark === absent) return { document: emptyDocument, mark };
    try {
      const text = await readWithin(path, tableLimits.maxFileBytes, signal);
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

/**
 * Reads the side file. @returns undefined if there is none
 *
 * @throws {P2pError} IP_TABLE_UNREADABLE
 */
export async function readOwnFile(
  path: string,
  options: { readonly maxBytes?: number; readonly signal?: AbortSignal } = {},
): Promise<string | undefined> {
  const subject: FileSubject = "side file of the IP table";
  if ((await markOf(path, subject)) === absent) return undefined;
  try {
    return await readWithin(path, options.maxBytes ?? tableLimits.maxSideFileBytes, options.signal);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unreadable(path, error, subject);
  }
}

/** Counts while reading: a file can grow after its size was asked, and some files tell none. */
async function readWithin(path: string, maxBytes: number, signal: AbortSignal | undefined): Promise<string> {
  // Should a pipe have taken the file's place since it was looked at, opening it must not wait for its other end.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    requireRegular(await handle.stat());
    const chunks: Buffer[] = [];
    for (let byteCount = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null);
      if (bytesRead === 0) return Buffer.concat(chunks).toString("utf8");
      byteCount += bytesRead;
      if (byteCount > maxBytes) throw new FileFault(`it is larger than ${String(maxBytes)} bytes`);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

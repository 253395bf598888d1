import { codeOf } from "../../system/errors.js";
import { absent, type FileMark, markOf } from "../../system/file-marks.js";
import { readFileWithin } from "../../system/read-file.js";
import { tableLimits } from "../limits.js";
import { emptyDocument, parseTableDocument, type TableDocument } from "./table-document.js";
import { unreadableTable } from "./table-failures.js";

/** Other writers rewrite the file in place: a half-written one is whole a moment later. */
const readAttempts = 4;
const readPauseMs = 100;

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
      const text = (await readFileWithin(path, tableLimits.maxFileBytes, signal)).toString();
      const document = parseTableDocument(text);
      // No bytes are an empty table, but also the first half of every rewrite in place.
      const isWhole = text !== "" && (await markOf(path)) === mark;
      if (isWhole || attempt === readAttempts) return { document, mark };
    } catch (error) {
      if (attempt === readAttempts) throw unreadableTable(path, error);
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
  try {
    if ((await markOf(path)) === absent) return undefined;
    const maxBytes = options.maxBytes ?? tableLimits.maxSideFileBytes;
    return (await readFileWithin(path, maxBytes, options.signal)).toString();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unreadableTable(path, error, "side file of the IP table");
  }
}

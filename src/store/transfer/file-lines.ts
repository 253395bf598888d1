/** What the lines of a state file must be: exactly what an export writes, or the file is none. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { DiskTime } from "../../system/disk-time.js";
import type { RecordValue } from "../contract.js";
import { requireKey } from "../encoding.js";
import { storeLimits, transferLimits } from "../limits.js";
import { importKey } from "./import-sign.js";
import { TransferError, unread } from "./transfer-error.js";

/** Of the file; a later program that writes another one counts on. */
export const format = 1;

/** The first line. */
export interface Head {
  readonly p2prcState: number;
  readonly recordCount: number;
}

/** Each line between the first and the last one, in the order of the keys. */
export interface FileRecord {
  readonly key: string;
  readonly value: RecordValue;
}

/** Some records of a file, as many as fit a commit. */
export interface Batch {
  readonly records: readonly FileRecord[];
  /** Keys and values, about. */
  readonly bytes: number;
  /** Records of the file up to the end of this batch. */
  readonly doneCount: number;
  /** SHA-256 of the file up to the end of this batch, in hex. */
  readonly digest: string;
}

export interface Whole {
  /** SHA-256 of the lines before the last one, which tells it, in hex. */
  readonly digest: string;
  readonly recordCount: number;
}

/** Half of what a commit may hold: keys are counted as well. */
const batchBytes = storeLimits.maxCommitBytes / 2;
/** Fewer than a commit may have: the sign of the import is one more. */
const batchCount = 500;
const chunkBytes = 256 * 1024;
const lineBreak = 0x0a;

/**
 * Reads a file from its first byte, line by line.
 *
 * @param disk limits each reading
 * @throws {TransferError}; what `signal` has
 */
export async function* linesOf(
  handle: FileHandle,
  disk: DiskTime,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for (let position = 0; ; ) {
    signal?.throwIfAborted();
    const chunk = await readAt(handle, disk, position);
    if (chunk.length === 0) break;
    position += chunk.length;
    let from = 0;
    for (let end = chunk.indexOf(lineBreak); end !== -1; end = chunk.indexOf(lineBreak, from)) {
      const line = chunk.subarray(from, end);
      yield restBytes === 0 ? line : Buffer.concat([...rest, line]);
      [rest, restBytes, from] = [[], 0, end + 1];
    }
    rest.push(chunk.subarray(from));
    restBytes += chunk.length - from;
    if (restBytes > transferLimits.maxLineBytes) throw damaged("a line is too long");
  }
  if (restBytes > 0) throw damaged("its end is missing");
}

async function readAt(handle: FileHandle, disk: DiskTime, position: number): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await disk.limit(() =>
      handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position),
    );
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw unread(error);
  }
}

/** Reads lines as batches, the same ones for the same file. @throws {TransferError} at the first line that is wrong */
export async function* batchesOf(lines: AsyncIterable<Buffer>): AsyncGenerator<Batch, Whole, undefined> {
  const hash = createHash("sha256");
  let head: Head | undefined;
  let whole: Whole | undefined;
  let [records, bytes, doneCount, lastKey]: [FileRecord[], number, number, string] = [[], 0, 0, ""];
  const batch = (): Batch => ({ records, bytes, doneCount, digest: hash.copy().digest("hex") });
  for await (const line of lines) {
    if (whole !== undefined) throw damaged("lines behind its digest");
    const value = parse(line);
    if (head === undefined) {
      head = readHead(value);
    } else if ("sha256" in value) {
      whole = { digest: hash.copy().digest("hex"), recordCount: doneCount };
      if (value["sha256"] !== whole.digest || doneCount !== head.recordCount)
        throw damaged("its digest is another one");
      continue;
    } else {
      const record = readRecord(value, lastKey);
      if (records.length === batchCount || (records.length > 0 && bytes + line.length > batchBytes)) {
        yield batch();
        [records, bytes] = [[], 0];
      }
      records.push(record);
      bytes += line.length;
      doneCount += 1;
      lastKey = record.key;
    }
    hash.update(line).update("\n");
  }
  if (whole === undefined) throw damaged("its end is missing");
  if (records.length > 0) yield batch();
  return whole;
}

function parse(line: Buffer): Readonly<Record<string, unknown>> {
  if (line.length > transferLimits.maxLineBytes) throw damaged("a line is too long");
  const text = line.toString();
  let value: unknown;
  try {
    value = JSON.parse(text);
    // Spelled in another way, it was not written by an export: a field twice, a space, bytes that are no UTF-8.
    if (JSON.stringify(value) !== text) value = undefined;
  } catch {
    // Below: the error would quote the line.
  }
  if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  throw damaged("a line is not as an export writes it");
}

function readHead({ p2prcState, recordCount }: Readonly<Record<string, unknown>>): Head {
  if (typeof p2prcState !== "number" || typeof recordCount !== "number")
    throw new TransferError("the file is no state that p2prc exported; nothing was imported");
  if (p2prcState !== format) {
    const words = `the file was written by another version (format ${p2prcState}, this one knows ${format})`;
    throw new TransferError(`${words}; nothing was imported`);
  }
  return { p2prcState, recordCount };
}

function readRecord(line: Readonly<Record<string, unknown>>, lastKey: string): FileRecord {
  const { key, value } = line;
  const isRecord = typeof key === "string" && isObject(value) && Object.keys(line).length === 2;
  if (!isRecord || key === importKey) throw damaged("a line is no record");
  if (key <= lastKey) throw damaged("its lines are not in their order");
  try {
    requireKey(key);
  } catch {
    throw damaged("a key is none");
  }
  return { key, value };
}

const isObject = (value: unknown): value is RecordValue =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const damaged = (why: string): TransferError =>
  new TransferError(`the file is damaged: ${why}; nothing was imported`);

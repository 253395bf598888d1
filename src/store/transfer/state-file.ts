/** A whole state in one file: lines of JSON, and a digest of all of them at the end. It holds secrets (0600). */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DiskTime, type Moves } from "../../system/disk-time.js";
import { FileError, FileFault, isSilence } from "../../system/errors.js";
import { absent, requireRegular } from "../../system/file-marks.js";
import { removeTemporaries, replaceFile } from "../../system/replace-file.js";
import type { StoredRecord } from "../contract.js";
import { transferLimits } from "../limits.js";
import {
  type Batch,
  batchesOf,
  type FileRecord,
  format,
  type Head,
  linesOf,
  type Whole,
} from "./file-lines.js";
import { TransferError, unread, UnreadError } from "./transfer-error.js";

/** A file that was found whole, and is held open. */
export interface CheckedFile {
  readonly digest: string;
  readonly recordCount: number;
  /**
   * Its records as they were when it was checked, in batches that are the same each time.
   *
   * @throws {TransferError} it was changed since: nothing of a batch with a change is handed out
   */
  batches(): AsyncIterable<Batch>;
}

export interface FileOptions {
  /** @default transferLimits */
  readonly maxFileBytes?: number;
  /** Limits the steps of the work on the file. @default one of its own, with `transferLimits` */
  readonly disk?: DiskTime;
  readonly signal?: AbortSignal;
}

/** Written at once. */
const pieceCharacters = 64 * 1024;
/** What a disk writes at least, if it is one: the last step brings all of the file there. */
const slowestBytesPerMs = 1_000;

export const transferDisk = (): DiskTime => new DiskTime(transferLimits.diskTimeoutMs);

/** Spells a state as a file has it, one line after the other; the last one is the digest of those before. */
export function* linesOfState(
  records: ReadonlyMap<string, StoredRecord>,
): Generator<string, string, undefined> {
  const hash = createHash("sha256");
  const tell = (value: unknown): string => {
    const line = `${JSON.stringify(value)}\n`;
    hash.update(line);
    return line;
  };
  yield tell({ p2prcState: format, recordCount: records.size } satisfies Head);
  for (const key of [...records.keys()].sort())
    yield tell({ key, value: records.get(key)?.value ?? {} } satisfies FileRecord);
  const digest = hash.digest("hex");
  yield `${JSON.stringify({ sha256: digest })}\n`;
  return digest;
}

/**
 * Writes a state into a new file, complete or not at all.
 *
 * @returns its digest
 * @throws {TransferError} the file is there already, cannot be written, or would be too large; what `signal` has
 */
export async function writeStateFile(
  path: string,
  records: ReadonlyMap<string, StoredRecord>,
  { maxFileBytes = transferLimits.maxFileBytes, disk = transferDisk(), signal }: FileOptions = {},
): Promise<string> {
  let digest = "";
  async function* pieces(moves: Moves): AsyncGenerator<string, void, undefined> {
    const lines = linesOfState(records);
    let byteCount = 0;
    let piece = "";
    for (;;) {
      const { done, value } = lines.next();
      if (done === true) {
        digest = value;
        break;
      }
      const lineBytes = Buffer.byteLength(value);
      byteCount += lineBytes;
      if (lineBytes > transferLimits.maxLineBytes) throw new FileFault("a record is too large for a file");
      if (byteCount > maxFileBytes)
        throw new FileFault(`it would be larger than ${String(maxFileBytes)} bytes`);
      piece += value;
      if (piece.length < pieceCharacters) continue;
      moves();
      // A turn of its own for each: nothing else waits for a large state.
      yield await Promise.resolve(piece);
      piece = "";
    }
    moves(byteCount / slowestBytesPerMs);
    yield piece;
  }
  try {
    const mark = await disk.limit(async (late, moves) => {
      // What an export that was killed has left holds secrets.
      await removeTemporaries(path);
      const either = signal === undefined ? late : AbortSignal.any([signal, late]);
      return await replaceFile(path, pieces(moves), { mode: 0o600, expectedMark: absent, signal: either });
    });
    if (mark === undefined) throw new TransferError(`${path} is there already`);
    return digest;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof FileError)) throw error;
    if (isSilence(error))
      throw new TransferError(
        `the disk of ${path} does not answer (${error.why}): the file is whole or not there`,
        {
          cause: error,
        },
      );
    const why = error.failure === "FULL" ? `the disk is full (${error.why})` : error.why;
    throw new TransferError(`${path} was not written: ${why}`, { cause: error });
  }
}

/**
 * Opens a file, checks it from its first line to its digest, and lends it to `use`.
 *
 * @throws {TransferError} it is none, or damaged; what `signal` has; what `use` throws
 */
export async function withStateFile<T>(
  path: string,
  use: (file: CheckedFile) => Promise<T>,
  { maxFileBytes = transferLimits.maxFileBytes, disk = transferDisk(), signal }: FileOptions = {},
): Promise<T> {
  const handle = await disk
    .limit(() => openFile(path, maxFileBytes))
    .catch((error: unknown) => {
      throw isSilence(error) ? unread(error, path) : error;
    });
  try {
    const read = (): AsyncGenerator<Batch, Whole, undefined> => batchesOf(linesOf(handle, disk, signal));
    const digests: string[] = [];
    const first = read();
    for (;;) {
      const { done, value } = await first.next();
      if (done !== true) digests.push(value.digest);
      else return await use({ ...value, batches: () => sameAgain(read(), digests) });
    }
  } finally {
    // One that a disk holds does not close before that answers.
    const closing = handle.close();
    await disk.limit(() => closing).catch(() => undefined);
  }
}

async function openFile(path: string, maxFileBytes: number): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    // Opening a pipe must not wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await handle.stat();
    requireRegular(stats);
    if (stats.size > maxFileBytes) throw new FileFault(`it is larger than ${String(maxFileBytes)} bytes`);
    return handle;
  } catch (error) {
    await handle?.close();
    throw unread(error, path);
  }
}

async function* sameAgain(
  batches: AsyncIterable<Batch>,
  digests: readonly string[],
): AsyncGenerator<Batch, void, undefined> {
  let index = 0;
  try {
    for await (const batch of batches) {
      if (batch.digest !== digests[index]) throw changed();
      index += 1;
      yield batch;
    }
  } catch (error) {
    throw error instanceof TransferError && !(error instanceof UnreadError) ? changed() : error;
  }
  if (index !== digests.length) throw changed();
}

const changed = (): TransferError =>
  new TransferError("the file has changed since it was checked; nothing that is new in it was imported");

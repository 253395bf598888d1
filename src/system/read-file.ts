import { constants, read as readCallback } from "node:fs";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import { FileFault } from "./errors.js";
import { requireRegular } from "./file-marks.js";

/** FileHandle's own reading makes small buffers for each call. Beside a large one each sets off the garbage collector. */
const read = promisify(readCallback);

/** Bytes read at once; between two of them a size or time limit ends the reading. */
const chunkBytes = 1024 * 1024;
/** Where a file tells no size, as those of /proc. */
const firstBytes = 64 * 1024;

/**
 * Reads a file of limited size. Counts while reading: a file can grow after its size was asked, and some files tell none.
 *
 * @throws {FileFault} it is larger, or not a regular file; or what the system throws
 */
export async function readFileWithin(
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  // Should a pipe have taken the file's place since it was looked at, opening it must not wait for its other end.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await handle.stat();
    requireRegular(stats);
    // One place for all of it: to join pieces of a hundred megabytes would hold up everything else. The byte more finds
    // the end.
    let buffer = Buffer.allocUnsafe(Math.min(stats.size === 0 ? firstBytes : stats.size, maxBytes) + 1);
    for (let byteCount = 0; ; ) {
      signal?.throwIfAborted();
      const wantedBytes = Math.min(chunkBytes, buffer.length - byteCount);
      const { bytesRead } = await read(handle.fd, buffer, byteCount, wantedBytes, null);
      if (bytesRead === 0) return buffer.subarray(0, byteCount);
      byteCount += bytesRead;
      if (byteCount > maxBytes) throw new FileFault(`it is larger than ${String(maxBytes)} bytes`);
      if (byteCount === buffer.length)
        buffer = Buffer.concat([buffer], Math.min(2 * byteCount, maxBytes + 1));
    }
  } finally {
    await handle.close();
  }
}

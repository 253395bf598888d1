import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { FileFault } from "./errors.js";
import { requireRegular } from "./file-marks.js";

/** Bytes read at once; between two of them a size or time limit ends the reading. */
const chunkBytes = 256 * 1024;

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
    requireRegular(await handle.stat());
    const chunks: Buffer[] = [];
    for (let byteCount = 0; ; ) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null);
      if (bytesRead === 0) return Buffer.concat(chunks);
      byteCount += bytesRead;
      if (byteCount > maxBytes) throw new FileFault(`it is larger than ${String(maxBytes)} bytes`);
      chunks.push(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

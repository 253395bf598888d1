/** Sends the speed test's file. */

import type { ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Download } from "./answers.js";
import type { Line } from "./line.js";
import { speedFileType } from "./replies.js";
import type { Tally } from "./tally.js";
import { writeCounted } from "./tally.js";

/** What the file consists of: all downloads send these same bytes, again and again. */
export interface DownloadSource {
  readonly chunk: Buffer;
  readonly line: Line;
}

/** Each piece waits until the one before has left: a slow caller costs no memory, and every byte counted is out. */
export async function sendDownload(
  response: ServerResponse,
  download: Download,
  { chunk, line }: DownloadSource,
  tally: Tally,
): Promise<void> {
  response.writeHead(200, { "Content-Type": speedFileType, "Content-Length": download.sizeBytes });
  const lastByte = Math.min(download.sizeBytes, download.resetAfterBytes ?? Infinity);
  const largestPieceBytes = Math.min(line.pieceBytes, chunk.length);
  for (let position = 0; position < lastByte; ) {
    const piece = chunk.subarray(0, Math.min(largestPieceBytes, lastByte - position));
    await line.pass(piece.length);
    // Turns of the event loop between pieces: on loopback a caller may take them as fast as they come, and the other
    // nodes of this process have to answer as well.
    await nextTurn();
    if (!(await writeCounted(response, piece, tally))) return;
    position += piece.length;
  }
  if (download.resetAfterBytes === undefined) response.end();
  else response.socket?.resetAndDestroy();
}

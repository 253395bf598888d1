/** Reads the body of GET /upload: as fast as the node's line allows, counted and let go. */

import type { IncomingMessage } from "node:http";
import type { Line } from "./line.js";
import { createPartCounter, type PartCounter } from "./part-counter.js";

export interface UploadReading {
  /** Bytes of the body so far. */
  bodyBytes(): number;
  /** The file so far. */
  readonly file: PartCounter;
}

export interface UploadReadingOptions {
  readonly line: Line;
  /** Where to stop reading for good; Infinity = at the end. */
  readonly stopAfterBytes: number;
  /** The body is read to its end, or as far as wanted; not called for a request that breaks off. */
  readonly onRead: () => void;
}

/** Begins to read, and tells how far it is. Source of the part's name: shared protocol notes, "Server routes". */
export function readUploadBody(request: IncomingMessage, options: UploadReadingOptions): UploadReading {
  const file = createPartCounter(request.headers["content-type"], "file");
  let bodyBytes = 0;
  const stop = (): void => {
    request.off("data", take).off("end", options.onRead).pause();
    options.onRead();
  };
  const take = (chunk: Buffer): void => {
    bodyBytes += chunk.length;
    file.push(chunk);
    if (bodyBytes >= options.stopAfterBytes) {
      stop();
      return;
    }
    request.pause();
    void options.line.pass(chunk.length).then(() => request.resume());
  };
  // Node swallows the rest of a body that nobody has begun to read, once the answer is out; a node that stops reading
  // must leave it where it is.
  request.read(0);
  request.on("error", () => request.destroy());
  if (options.stopAfterBytes === 0) queueMicrotask(stop);
  else request.on("data", take).on("end", options.onRead);
  return { bodyBytes: () => bodyBytes, file };
}

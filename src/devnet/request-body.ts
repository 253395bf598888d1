import type { IncomingMessage } from "node:http";

/** Far above any table; a caller that sends more loses its connection. */
const longestBodyBytes = 64 * 2 ** 20;

const nothing = Buffer.alloc(0);

/** Collects the body of a request; `onEnd` is not called for a request that breaks off. */
export function readBody(request: IncomingMessage, onEnd: (body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  request.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > longestBodyBytes) request.destroy();
  });
  request.on("end", () => {
    onEnd(length === 0 ? nothing : Buffer.concat(chunks, length));
  });
  request.on("error", () => request.destroy());
}

/** A reply that breaks off: written by hand, since Node's server takes care to send whole ones. */

import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Cut } from "./answers.js";
import type { Reply } from "./replies.js";
import type { Tally } from "./tally.js";

export interface CutOptions {
  /** Of the whole reply, status line and headers included. @default half of it */
  readonly afterBytes: number | undefined;
  readonly crashes: boolean;
}

export function cut(reply: Reply, { afterBytes, crashes }: CutOptions): Cut {
  const head = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ""}`,
    ...(reply.contentType === undefined ? [] : [`Content-Type: ${reply.contentType}`]),
    `Content-Length: ${reply.body.length}`,
  ];
  const whole = Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), reply.body]);
  const bytes = whole.subarray(0, afterBytes ?? whole.length / 2);
  return { kind: "cut", status: reply.status, bytes, isWhole: bytes.length === whole.length, crashes };
}

/** How many bytes tell a status. */
export const statusBytes = "HTTP/1.1 200".length;

/** Ends the connection in order, as the system does for a process that died. */
export function sendCut({ socket }: ServerResponse, { bytes }: Cut, tally: Tally): void {
  if (socket === null) return;
  socket.write(bytes, (error) => {
    if (error === null || error === undefined) tally.sentBytes += bytes.length;
    socket.end(() => socket.destroy());
  });
}

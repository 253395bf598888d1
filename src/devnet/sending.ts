/** Carries an answer out on the socket. */

import type { ServerResponse } from "node:http";
import type { Answer } from "./faults.js";
import { jsonType, type Reply } from "./replies.js";

const dripIntervalMs = 100;
const floodChunkBytes = 64 * 1024;

/** Go's net/http states the length of an answer that fits its 2 KiB buffer, and sends a longer one in chunks. */
const longestStatedBytes = 2048;

/** The status line's code, for the ledger; null if there will be none. */
export function statusOf(answer: Answer): number | null {
  switch (answer.kind) {
    case "reply":
      return answer.reply.status;
    case "drip":
    case "flood":
      return 200;
    case "silence":
    case "reset":
      return null;
  }
}

export function send(response: ServerResponse, answer: Answer): void {
  switch (answer.kind) {
    case "reply":
      sendReply(response, answer.reply);
      return;
    case "drip":
      drip(response, answer.opening, answer.filling);
      return;
    case "flood":
      flood(response, answer.opening, answer.filling);
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "silence":
      return;
  }
}

function sendReply(response: ServerResponse, reply: Reply): void {
  const isShort = reply.body.length <= longestStatedBytes;
  response.writeHead(reply.status, {
    ...(reply.contentType === undefined ? {} : { "Content-Type": reply.contentType }),
    ...(isShort ? { "Content-Length": reply.body.length } : {}),
    ...reply.headers,
  });
  response.end(reply.body);
}

function drip(response: ServerResponse, opening: string, filling: string): void {
  response.writeHead(200, { "Content-Type": jsonType });
  response.write(opening);
  let position = 0;
  const timer = setInterval(() => {
    response.write(filling[position % filling.length]);
    position++;
  }, dripIntervalMs);
  response.once("close", () => clearInterval(timer));
}

function flood(response: ServerResponse, opening: string, filling: string): void {
  const chunk = Buffer.from(filling.repeat(Math.ceil(floodChunkBytes / filling.length)));
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk)) {
      // The caller took it all: the next chunk follows until its socket is full.
    }
  };
  response.writeHead(200, { "Content-Type": jsonType });
  response.write(opening);
  response.on("drain", pour);
  pour();
}

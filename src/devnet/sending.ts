/** Carries an answer out on the socket. */

import type { ServerResponse } from "node:http";
import type { Answer, Drip } from "./answers.js";
import { sendCut, statusBytes } from "./cut-reply.js";
import { type DownloadSource, sendDownload } from "./download.js";
import { jsonType, type Reply } from "./replies.js";
import { type Tally, writeCounted } from "./tally.js";

const dripIntervalMs = 100;
const floodChunkBytes = 64 * 1024;

type Flood = Answer & { readonly kind: "flood" };

/** Go's net/http states the length of an answer that fits its 2 KiB buffer, and sends a longer one in chunks. */
const longestStatedBytes = 2048;

/** The status line's code, for the ledger; null if there will be none. */
export function statusOf(answer: Answer): number | null {
  switch (answer.kind) {
    case "reply":
      return answer.reply.status;
    case "download":
    case "drip":
    case "flood":
      return 200;
    case "cut":
      return answer.bytes.length < statusBytes ? null : answer.status;
    case "silence":
    case "reset":
      return null;
  }
}

/** @param tally counts what leaves of the body */
export function send(response: ServerResponse, answer: Answer, source: DownloadSource, tally: Tally): void {
  switch (answer.kind) {
    case "reply":
      sendReply(response, answer.reply, tally);
      return;
    case "download":
      void sendDownload(response, answer, source, tally);
      return;
    case "drip":
      drip(response, answer, tally);
      return;
    case "flood":
      flood(response, answer, tally);
      return;
    case "cut":
      sendCut(response, answer, tally);
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "silence":
      return;
  }
}

function sendReply(response: ServerResponse, reply: Reply, tally: Tally): void {
  const isShort = reply.body.length <= longestStatedBytes;
  response.writeHead(reply.status, {
    ...(reply.contentType === undefined ? {} : { "Content-Type": reply.contentType }),
    ...(isShort ? { "Content-Length": reply.body.length } : {}),
    ...reply.headers,
  });
  response.end(reply.body, () => (tally.sentBytes += reply.body.length));
}

function drip(response: ServerResponse, answer: Drip, tally: Tally): void {
  const { opening, filling, intervalMs = dripIntervalMs, contentType = jsonType, statedBytes } = answer;
  response.writeHead(200, {
    "Content-Type": contentType,
    ...(statedBytes === undefined ? {} : { "Content-Length": statedBytes }),
  });
  void writeCounted(response, opening, tally);
  let position = 0;
  const timer = setInterval(() => {
    void writeCounted(response, filling.charAt(position % filling.length), tally);
    position++;
  }, intervalMs);
  response.once("close", () => clearInterval(timer));
}

function flood(response: ServerResponse, answer: Flood, tally: Tally): void {
  const { opening, filling, contentType = jsonType } = answer;
  const chunk = Buffer.from(filling.repeat(Math.ceil(floodChunkBytes / filling.length)));
  const count = (error: Error | null | undefined): void => {
    if (error === null || error === undefined) tally.sentBytes += chunk.length;
  };
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk, count)) {
      // The caller took it all: the next chunk follows until its socket is full.
    }
  };
  response.writeHead(200, { "Content-Type": contentType });
  void writeCounted(response, opening, tally);
  response.on("drain", pour);
  pour();
}

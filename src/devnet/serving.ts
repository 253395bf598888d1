/** Serves one request: read it, decide on the answer, write the call into the ledger, answer after the delay. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Answer } from "./answers.js";
import type { BadBodies } from "./bad-bodies.js";
import type { LedgerCall } from "./contract.js";
import { answerOf, uploadBytesReadWith } from "./faults.js";
import type { OpenLedger } from "./ledger.js";
import type { CheckedOptions } from "./options.js";
import { readBody } from "./request-body.js";
import { isSpeedUpload, route, routeSpeedUpload, type Routed } from "./routes.js";
import { send, statusOf } from "./sending.js";
import type { Site } from "./sites.js";
import type { Tally } from "./tally.js";
import { readUploadBody } from "./upload-reading.js";
import type { UploadReader } from "./upload-rows.js";

/** What serving a request takes. */
export interface Stage {
  readonly options: CheckedOptions;
  readonly ledger: OpenLedger;
  readonly bodies: BadBodies;
  /** Bytes that the speed test's file consists of. */
  readonly chunk: Buffer;
  readonly readRows: UploadReader;
}

interface Call {
  readonly site: Site;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly response: ServerResponse;
  readonly stage: Stage;
  readonly tally: Tally;
}

export function serve(site: Site, request: IncomingMessage, response: ServerResponse, stage: Stage): void {
  const { method = "", url: path = "", headers } = request;
  const call: Call = { site, method, path, response, stage, tally: { sentBytes: 0 } };
  if (isSpeedUpload(call)) {
    serveSpeedUpload(call, request);
    return;
  }
  readBody(request, (body) => {
    const routed = route(site, { method, path, contentType: headers["content-type"], body });
    const answer = answerTo(call, routed);
    const [status, requestBytes] = [statusOf(answer), body.length];
    if (routed.purpose === "download") {
      response.once("close", () => {
        const { sentBytes } = call.tally;
        record(call, { status: response.headersSent ? status : null, requestBytes, sentBytes });
      });
    } else {
      record(call, { status, requestBytes, ...uploadOf(routed, stage) });
    }
    sendAfter(call, answer);
  });
}

/** The call is over, and recorded, when it is answered, when it breaks off, or when the node stops reading. */
function serveSpeedUpload(call: Call, request: IncomingMessage): void {
  const { site, response } = call;
  const stopAfterBytes = uploadBytesReadWith(site.fault);
  const note = (status: number | null): void => {
    const part = reading.file.part();
    record(call, {
      status,
      requestBytes: reading.bodyBytes(),
      ...(part === undefined ? {} : { partBytes: part.bytes }),
    });
  };
  let status: number | null = null;
  const onClose = (): void => note(response.headersSent ? status : null);
  const onRead = (): void => {
    const answer = answerTo(call, routeSpeedUpload(reading.file));
    status = statusOf(answer);
    if (stopAfterBytes !== Infinity) {
      // A node that does not read does not notice either when its caller leaves.
      response.off("close", onClose);
      note(status);
      // Nor does it close the connection, whatever the caller asked for.
      response.shouldKeepAlive = true;
    }
    sendAfter(call, answer);
  };
  response.once("close", onClose);
  const reading = readUploadBody(request, { line: site.uploadLine, stopAfterBytes, onRead });
}

function answerTo({ site, path, stage }: Call, { healthy, purpose }: Routed): Answer {
  return answerOf(site.fault, {
    healthy,
    purpose,
    path,
    bodies: stage.bodies,
    slowDelayMs: stage.options.slowDelayMs,
    otherNode: site.otherNode,
    falseTable: site.falseTable,
  });
}

function record(
  { site, method, path, stage }: Call,
  facts: Omit<LedgerCall, "time" | "node" | "method" | "path">,
): void {
  stage.ledger.record({ time: new Date().toISOString(), node: site.address, method, path, ...facts });
}

function uploadOf(
  routed: Routed,
  stage: Stage,
): { rows: readonly unknown[] | null; partBytes: number } | undefined {
  if (routed.upload === undefined) return undefined;
  return { rows: stage.readRows(routed.upload), partBytes: routed.upload.length };
}

function sendAfter({ site, response, stage, tally }: Call, answer: Answer): void {
  const delayMs = stage.options.delayMs + latenessMs(answer);
  const source = { chunk: stage.chunk, line: site.downloadLine };
  if (delayMs === 0) {
    send(response, answer, source, tally);
    return;
  }
  const timer = setTimeout(() => {
    if (!response.destroyed) send(response, answer, source, tally);
  }, delayMs);
  // A closed devnet must not keep its process alive for an answer nobody waits for.
  timer.unref();
}

const latenessMs = (answer: Answer): number => ("lateByMs" in answer ? (answer.lateByMs ?? 0) : 0);

/** One request on its way through a node: what all routes do with it. */

import type { ServerResponse } from "node:http";
import type { Answer } from "./answers.js";
import type { BadBodies } from "./bad-bodies.js";
import type { LedgerCall } from "./contract.js";
import { answerOf } from "./faults.js";
import type { OpenLedger } from "./ledger.js";
import type { CheckedOptions } from "./options.js";
import type { Routed } from "./routes.js";
import { send } from "./sending.js";
import type { Site } from "./sites.js";
import type { Tally } from "./tally.js";
import type { UploadReader } from "./upload-rows.js";

/** What serving a request takes. */
export interface Stage {
  readonly options: CheckedOptions;
  readonly ledger: OpenLedger;
  readonly bodies: BadBodies;
  /** Bytes that the speed test's file consists of. */
  readonly chunk: Buffer;
  readonly readRows: UploadReader;
  /** Takes a node off the network. */
  readonly stopNode: (site: Site) => void;
  /** Names a call, unlike any other. */
  readonly nameCall: () => string;
}

export interface Call {
  readonly site: Site;
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly response: ServerResponse;
  readonly stage: Stage;
  readonly tally: Tally;
}

/** What the node answers, its fault considered. */
export function answerTo({ site, path, stage }: Call, { healthy, purpose }: Routed): Answer {
  return answerOf(site.fault, {
    healthy,
    purpose,
    path,
    bodies: stage.bodies,
    slowDelayMs: stage.options.slowDelayMs,
    cutAfterBytes: stage.options.containers.replyCutAfterBytes,
    otherNode: site.otherNode,
    falseTable: site.falseTable,
  });
}

export function record(
  { site, method, path, stage }: Call,
  facts: Omit<LedgerCall, "time" | "node" | "method" | "path">,
): void {
  stage.ledger.record({ time: new Date().toISOString(), node: site.address, method, path, ...facts });
}

/** Sends the answer once the node's delay is over, if somebody still waits for it. */
export function sendAfter({ site, response, stage, tally }: Call, answer: Answer): void {
  const delayMs = stage.options.delayMs + latenessMs(answer);
  if (answer.kind === "cut" && answer.crashes) response.once("close", () => stage.stopNode(site));
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

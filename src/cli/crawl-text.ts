/** The events of a crawl that people read about, in words. */
import {
  type CrawlCompleted,
  CrawlCompleted_EndReason,
  FailureReason,
  type HopCompleted,
  type NodeFailed,
  NodeFailed_Step,
} from "../gen/p2prc/client/v1/ip_table_pb.js";
import { formatMs, msOf } from "./measures.js";
import { plainText } from "./plain-text.js";

const nameOfStep = {
  [NodeFailed_Step.UNSPECIFIED]: "a step",
  [NodeFailed_Step.PROBE]: "probe",
  [NodeFailed_Step.IP_TABLE]: "table exchange",
  [NodeFailed_Step.DOWNLOAD]: "download",
  [NodeFailed_Step.UPLOAD]: "upload",
} as const satisfies Record<NodeFailed_Step, string>;

/** What was tried; a step of a later contract has its number. */
const stepText = (step: NodeFailed_Step): string =>
  (nameOfStep as Partial<Record<number, string>>)[step] ?? `step ${step}`;

/** The contract's name of the reason, so that it can be looked up. */
const reasonText = (reason: FailureReason): string =>
  (FailureReason as Partial<Record<number, string>>)[reason] ?? `REASON_${reason}`;

export const addressOf = (node: string): string => plainText(node).replace(/^nodes\//, "");

/** `127.0.1.7:8088: probe failed, CONNECTION_REFUSED: nothing listens there`. */
export function failedNodeText({ node, step, reason, message, httpStatus }: NodeFailed): string {
  const status = httpStatus === 0 ? "" : ` ${httpStatus}`;
  const words = message === "" ? "" : `: ${plainText(message)}`;
  return `${addressOf(node)}: ${stepText(step)} failed, ${reasonText(reason)}${status}${words}`;
}

/** Whether the step is made within a hop; bandwidth is measured after the last one. */
export const isOfHop = ({ step }: NodeFailed): boolean =>
  step !== NodeFailed_Step.DOWNLOAD && step !== NodeFailed_Step.UPLOAD;

/** `12 new, 1 failed, 0.31 s`. */
export function hopText({ newCount, failedCount, elapsed }: HopCompleted): string {
  return [`${newCount} new`, `${failedCount} failed`, ...elapsedText(elapsed)].join(", ");
}

/** `crawl: 36 active, 38 added, 0 removed, 3 unreachable, 1.24 s`. */
export function completedText(completed: CrawlCompleted): string {
  const { activeCount, addedCount, removedCount, unreachable, elapsed, endReason } = completed;
  if (endReason === CrawlCompleted_EndReason.VALIDATED) return "crawl: only checked; nobody was contacted";
  const facts = [
    `${activeCount} active`,
    `${addedCount} added`,
    `${removedCount} removed`,
    `${unreachable.length} unreachable`,
    ...elapsedText(elapsed),
  ];
  const early =
    endReason === CrawlCompleted_EndReason.FINISHED ? "" : `; ended early: ${endReasonText(endReason)}`;
  return `crawl: ${facts.join(", ")}${early}`;
}

export const endReasonText = (reason: CrawlCompleted_EndReason): string =>
  (CrawlCompleted_EndReason as Partial<Record<number, string>>)[reason] ?? `END_REASON_${reason}`;

const elapsedText = (elapsed: HopCompleted["elapsed"]): string[] =>
  elapsed === undefined ? [] : [formatMs(msOf(elapsed))];

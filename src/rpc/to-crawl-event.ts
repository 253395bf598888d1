import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  CrawlCompleted_EndReason,
  FailureReason,
  NodeFailed_Step,
  type UpdateIpTableResponse,
  UpdateIpTableResponseSchema,
} from "../gen/p2prc/client/v1/ip_table_pb.js";
import type { CrawlEvent, CrawlEventBody, CrawlStep, CrawlSummary, EndReason } from "../p2p/contract.js";
import type { PeerFailure } from "../peer-api/errors.js";
import { toDuration, toNode, toTimestamp } from "./to-node.js";

const stepOf = {
  PROBE: NodeFailed_Step.PROBE,
  IP_TABLE: NodeFailed_Step.IP_TABLE,
  DOWNLOAD: NodeFailed_Step.DOWNLOAD,
  UPLOAD: NodeFailed_Step.UPLOAD,
} as const satisfies Record<CrawlStep, NodeFailed_Step>;

const failureReasonOf = {
  DNS: FailureReason.DNS,
  CONNECTION_REFUSED: FailureReason.CONNECTION_REFUSED,
  CONNECTION_RESET: FailureReason.CONNECTION_RESET,
  NO_ROUTE: FailureReason.NO_ROUTE,
  TIMEOUT: FailureReason.TIMEOUT,
  HTTP_STATUS: FailureReason.HTTP_STATUS,
  BAD_BODY: FailureReason.BAD_BODY,
  TOO_LARGE: FailureReason.TOO_LARGE,
  ADDRESS_BLOCKED: FailureReason.ADDRESS_BLOCKED,
  // A canceled visit is never reported; the row is here so that a new failure without one does not compile.
  CANCELED: FailureReason.UNSPECIFIED,
} as const satisfies Record<PeerFailure, FailureReason>;

const endReasonOf = {
  FINISHED: CrawlCompleted_EndReason.FINISHED,
  DEADLINE: CrawlCompleted_EndReason.DEADLINE,
  LIMIT: CrawlCompleted_EndReason.LIMIT,
  DRAINING: CrawlCompleted_EndReason.DRAINING,
  VALIDATED: CrawlCompleted_EndReason.VALIDATED,
} as const satisfies Record<EndReason, CrawlCompleted_EndReason>;

type WireEvent = NonNullable<MessageInitShape<typeof UpdateIpTableResponseSchema>["event"]>;

/** Converts an event of a crawl to its message. */
export function toCrawlEvent({
  sequence,
  resumeToken,
  timeMs,
  progress,
  body,
}: CrawlEvent): UpdateIpTableResponse {
  return create(UpdateIpTableResponseSchema, {
    sequence: BigInt(sequence),
    resumeToken,
    eventTime: toTimestamp(timeMs),
    progress: { ...progress },
    event: toWireEvent(body),
  });
}

function toWireEvent(body: CrawlEventBody): WireEvent {
  switch (body.kind) {
    case "started":
      return { case: "started", value: { crawl: body.crawl, knownCount: body.knownCount } };
    case "ownAddressFound": {
      const { publicIpAddress, selfNode, warning } = body;
      return { case: "ownAddressFound", value: { publicIpAddress, selfNode, warning } };
    }
    case "hopStarted":
      return { case: "hopStarted", value: { hop: body.hop } };
    case "nodeProbed":
      return { case: "nodeProbed", value: { node: toNode(body.node) } };
    case "nodeDiscovered":
      return { case: "nodeDiscovered", value: { node: toNode(body.node), viaNode: body.viaNode } };
    case "tableFetched":
      return { case: "tableFetched", value: toTableFetched(body) };
    case "nodeFailed": {
      const { node, step, failure, message, httpStatus = 0 } = body;
      const reason = failureReasonOf[failure];
      return { case: "nodeFailed", value: { node, step: stepOf[step], reason, message, httpStatus } };
    }
    case "hopCompleted": {
      const { hop, newCount, failedCount, elapsedMs } = body;
      return { case: "hopCompleted", value: { hop, newCount, failedCount, elapsed: toDuration(elapsedMs) } };
    }
    case "completed":
      return { case: "completed", value: toCompleted(body.summary) };
    case "heartbeat":
      return { case: "heartbeat", value: {} };
  }
}

type ValueOf<Case extends WireEvent["case"]> = Extract<WireEvent, { case: Case }>["value"];

function toTableFetched(body: Extract<CrawlEventBody, { kind: "tableFetched" }>): ValueOf<"tableFetched"> {
  const { node, entryCount, newCount, rejected, bodyBytes, elapsedMs } = body;
  return {
    node,
    entryCount,
    newCount,
    rejectedCountByReason: Object.fromEntries(rejected),
    bodyBytes: BigInt(bodyBytes),
    elapsed: toDuration(elapsedMs),
  };
}

function toCompleted(summary: CrawlSummary): ValueOf<"completed"> {
  const { activeCount, addedCount, removedCount, unreachable, elapsedMs, endReason } = summary;
  return {
    activeCount,
    addedCount,
    removedCount,
    unreachable: [...unreachable],
    elapsed: toDuration(elapsedMs),
    endReason: endReasonOf[endReason],
  };
}

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Output_Stream,
  type RunPluginResponse,
  RunPluginResponseSchema,
  RunSummary_EndReason,
  TaskEvent_Status,
} from "../gen/p2prc/client/v1/plugin_pb.js";
import type { RunEndReason, RunEvent, TaskStatus } from "../plugins/contract.js";
import { toTargetStatus } from "./to-container.js";
import { time, toDuration } from "./to-node.js";

type WireEvent = NonNullable<MessageInitShape<typeof RunPluginResponseSchema>["event"]>;

const statusOf = {
  STARTED: TaskEvent_Status.STARTED,
  OK: TaskEvent_Status.OK,
  CHANGED: TaskEvent_Status.CHANGED,
  FAILED: TaskEvent_Status.FAILED,
  SKIPPED: TaskEvent_Status.SKIPPED,
  UNREACHABLE: TaskEvent_Status.UNREACHABLE,
} as const satisfies Record<TaskStatus, TaskEvent_Status>;

const endReasonOf = {
  FINISHED: RunSummary_EndReason.FINISHED,
  FAILURE_LIMIT: RunSummary_EndReason.FAILURE_LIMIT,
  INTERRUPTED: RunSummary_EndReason.INTERRUPTED,
  VALIDATED: RunSummary_EndReason.VALIDATED,
} as const satisfies Record<RunEndReason, RunSummary_EndReason>;

/** Converts one event of a run to its message. */
export function toRunEvent(event: RunEvent, sequence: bigint): RunPluginResponse {
  const { container, resumeToken, timeMs } = event;
  return create(RunPluginResponseSchema, {
    sequence,
    resumeToken,
    container,
    ...time("eventTime", timeMs),
    event: toWireEvent(event),
  });
}

function toWireEvent(event: RunEvent): WireEvent {
  switch (event.kind) {
    case "started": {
      const targets = event.targets.map(({ container, ports }) => ({ container, ports: [...ports] }));
      return { case: "started", value: { run: event.run, targets, replayed: event.isReplayed } };
    }
    case "task": {
      const { task, status, message, elapsedMs, isIgnored: ignored } = event;
      const elapsed = elapsedMs === undefined ? {} : { elapsed: toDuration(elapsedMs) };
      return { case: "task", value: { task, status: statusOf[status], message, ...elapsed, ignored } };
    }
    case "output": {
      const { text, droppedBytes } = event;
      const stream = event.stream === "STDOUT" ? Output_Stream.STDOUT : Output_Stream.STDERR;
      return { case: "output", value: { stream, text, droppedBytes: BigInt(droppedBytes) } };
    }
    case "finished":
      return { case: "finished", value: toTargetStatus(event.result) };
    case "summary": {
      const { succeededCount, failedCount, notStartedCount, elapsedMs, endReason } = event;
      const counts = { succeededCount, failedCount, notStartedCount };
      return {
        case: "summary",
        value: { ...counts, elapsed: toDuration(elapsedMs), endReason: endReasonOf[endReason] },
      };
    }
  }
}

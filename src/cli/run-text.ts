/** What people read of a plugin run. Every text of a container is made plain: it cannot move the cursor. */
import { Code } from "@connectrpc/connect";
import type { TargetStatus } from "../gen/p2prc/client/v1/group_pb.js";
import {
  type Output,
  type RunPluginResponse,
  type RunSummary,
  RunSummary_EndReason,
  type TaskEvent,
  TaskEvent_Status,
} from "../gen/p2prc/client/v1/plugin_pb.js";
import { formatMs, msOf } from "./measures.js";
import { plainText } from "./plain-text.js";

/** One line or several for each event; none for a task that has only begun. */
export function runLines({ container, event }: RunPluginResponse): readonly string[] {
  const who = container === "" ? "ansible" : shortName(container);
  switch (event.case) {
    case "started": {
      const { run, targets, replayed } = event.value;
      const count = targets.length === 1 ? "1 container" : `${targets.length} containers`;
      return [replayed ? `run ${run} has ended: its results` : `run ${run} on ${count}`];
    }
    case "task":
      return taskLines(who, event.value);
    case "output":
      return outputLines(who, event.value);
    case "finished":
      return [`${who}: ${statusText(event.value)}`];
    case "summary":
      return [summaryText(event.value)];
    case undefined:
      return [];
  }
}

/** `203.0.113.7:8088/eqLNDEiVeXBBXHRpcpCBtU`. */
const shortName = (container: string): string =>
  plainText(container.replace(/^nodes\//, "").replace("/containers/", "/"));

function taskLines(who: string, { task, status, message, elapsed, ignored }: TaskEvent): readonly string[] {
  if (status === TaskEvent_Status.STARTED) return [];
  const name = (TaskEvent_Status as Partial<Record<number, string>>)[status] ?? `STATUS_${status}`;
  const took = msOf(elapsed);
  const notes = [
    ...(took === undefined ? [] : [formatMs(took)]),
    ...(ignored ? ["the playbook goes on"] : []),
    ...(message === "" ? [] : [plainText(message.replace(/\s*[\r\n]+\s*/g, " "))]),
  ];
  return [
    `${who}: ${name.toLowerCase()} ${plainText(task)}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`,
  ];
}

function outputLines(who: string, { text, droppedBytes }: Output): readonly string[] {
  const lines = text.replace(/\n$/, "").split("\n");
  const cut = droppedBytes === 0n ? [] : [`${who} | ... ${String(droppedBytes)} bytes are left out`];
  return [...cut, ...(text === "" ? [] : lines.map((line) => `${who} | ${plainText(line)}`))];
}

function statusText({ code, message, error }: TargetStatus): string {
  if (code === 0) return "done";
  const reason = error?.reason ?? (Code as Partial<Record<number, string>>)[code] ?? `code ${code}`;
  return `FAILED, ${plainText(message)} (${reason})`;
}

export function summaryText({
  succeededCount,
  failedCount,
  notStartedCount,
  endReason,
  elapsed,
}: RunSummary): string {
  if (endReason === RunSummary_EndReason.VALIDATED) return `checked: ${notStartedCount} would be worked on`;
  const notStarted = notStartedCount === 0 ? "" : `, ${notStartedCount} of them not started`;
  const why = endReason === RunSummary_EndReason.INTERRUPTED ? "; the run was interrupted" : "";
  return `${succeededCount} done, ${failedCount} failed${notStarted}${why} (${formatMs(msOf(elapsed) ?? 0)})`;
}

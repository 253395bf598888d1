/** What our callback in Ansible says (`ansible/p2prc_events.py`): one JSON object a line. */
import type { TaskStatus } from "./contract.js";

export interface TaskOutput {
  readonly stream: "STDOUT" | "STDERR";
  readonly text: string;
  readonly droppedBytes: number;
}

/** How a host fared in the whole playbook. */
export interface HostStats {
  readonly failures: number;
  readonly unreachable: number;
}

export type AnsibleEvent =
  | { readonly kind: "start"; readonly host: string; readonly task: string }
  | {
      readonly kind: "result";
      readonly host: string;
      readonly task: string;
      readonly status: Exclude<TaskStatus, "STARTED">;
      readonly isIgnored: boolean;
      readonly message: string;
      readonly elapsedMs: number;
      readonly outputs: readonly TaskOutput[];
    }
  | { readonly kind: "output"; readonly host: string; readonly outputs: readonly TaskOutput[] }
  | { readonly kind: "stats"; readonly hosts: ReadonlyMap<string, HostStats> };

const statuses: Readonly<Record<string, Exclude<TaskStatus, "STARTED">>> = {
  ok: "OK",
  changed: "CHANGED",
  failed: "FAILED",
  skipped: "SKIPPED",
  unreachable: "UNREACHABLE",
};

/** Reads one line. @returns undefined if it is none of ours: a playbook may write to any descriptor */
export function parseEvent(line: string): AnsibleEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const fields = asObject(value);
  const [host, task] = [text(fields["host"]), text(fields["task"])];
  switch (fields["event"]) {
    case "start":
      return { kind: "start", host, task };
    case "output":
      return { kind: "output", host, outputs: outputsOf(fields["outputs"]) };
    case "result": {
      const name = text(fields["status"]);
      const status = Object.hasOwn(statuses, name) ? statuses[name] : undefined;
      if (status === undefined) return undefined;
      return {
        kind: "result",
        host,
        task,
        status,
        isIgnored: fields["ignored"] === true,
        message: text(fields["message"]),
        elapsedMs: count(fields["elapsedMs"]),
        outputs: outputsOf(fields["outputs"]),
      };
    }
    case "stats": {
      const hosts = Object.entries(asObject(fields["hosts"])).map(([name, stats]) => {
        const counts = asObject(stats);
        return [
          name,
          { failures: count(counts["failures"]), unreachable: count(counts["unreachable"]) },
        ] as const;
      });
      return { kind: "stats", hosts: new Map(hosts) };
    }
    default:
      return undefined;
  }
}

function outputsOf(value: unknown): readonly TaskOutput[] {
  if (!Array.isArray(value)) return [];
  return value.map((entry: unknown) => {
    const fields = asObject(entry);
    return {
      stream: fields["stream"] === "stderr" ? "STDERR" : "STDOUT",
      text: text(fields["text"]),
      droppedBytes: count(fields["droppedBytes"]),
    };
  });
}

const asObject = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

/** Half a character is none: it cannot be written as UTF-8. */
const text = (value: unknown): string =>
  typeof value === "string"
    ? value.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
    : "";

const count = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;

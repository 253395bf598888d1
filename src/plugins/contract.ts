/** The nouns of this room, in plain types. `rpc` converts them, nothing else leaves it. */
import type { CallerOptions, Container, ContainerService, TargetResult } from "../containers/contract.js";

type Caller = CallerOptions["caller"];

/** A folder below the plugin path. */
export interface Plugin {
  /** `plugins/FOLDER`. */
  readonly name: string;
  readonly folder: string;
  readonly description: string;
  /** Ports it takes of each container. */
  readonly portCount: number;
  /** Why it cannot run; empty = it can. */
  readonly brokenReason: string;
}

/** What this room needs to know of containers. Implemented by `containers`. */
export type PluginContainers = Pick<
  ContainerService,
  | "catchUp"
  | "get"
  | "getGroup"
  | "list"
  | "trackedNames"
  | "login"
  | "takePorts"
  | "freePorts"
  | "takeRunRequest"
  | "freeRunRequest"
>;

export type RunTargets =
  | { readonly kind: "container"; readonly container: string }
  | { readonly kind: "group"; readonly group: string }
  | { readonly kind: "filter"; readonly filter: string };

export interface FailurePolicy {
  /** Targets worked on at once, 1..64. */
  readonly maxConcurrency: number;
  /** Failed targets after which no other one is started; 0 = all are. */
  readonly maxFailureCount: number;
  readonly undoOnFailure: boolean;
  /** Time of one target's tasks together. */
  readonly targetTimeoutMs: number;
}

export interface RunRequest {
  /** By name or by folder. */
  readonly plugin: string;
  readonly targets: RunTargets;
  readonly variables: ReadonlyMap<string, string>;
  readonly policy: FailurePolicy;
  /** Empty = each call is a new run. */
  readonly requestId: string;
  readonly validateOnly: boolean;
  /** Empty = every target. */
  readonly resumeToken: string;
}

export interface RunTarget {
  readonly container: string;
  /** Internal ports that the plugin is given. */
  readonly ports: readonly number[];
}

export const taskStatuses = ["STARTED", "OK", "CHANGED", "FAILED", "SKIPPED", "UNREACHABLE"] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export type RunEndReason = "FINISHED" | "FAILURE_LIMIT" | "INTERRUPTED" | "VALIDATED";

/** What happens in a run; `container` is empty where it is about the run as a whole. */
export type EventDraft = { readonly container: string } & (
  | {
      readonly kind: "started";
      readonly run: string;
      readonly targets: readonly RunTarget[];
      readonly isReplayed: boolean;
    }
  | {
      readonly kind: "task";
      readonly task: string;
      readonly status: TaskStatus;
      /** It may quote the container. */
      readonly message: string;
      /** Absent while it runs. */
      readonly elapsedMs: number | undefined;
      readonly isIgnored: boolean;
    }
  | {
      readonly kind: "output";
      readonly stream: "STDOUT" | "STDERR";
      readonly text: string;
      readonly droppedBytes: number;
    }
  | { readonly kind: "finished"; readonly result: TargetResult }
  | {
      readonly kind: "summary";
      readonly succeededCount: number;
      readonly failedCount: number;
      readonly notStartedCount: number;
      readonly elapsedMs: number;
      readonly endReason: RunEndReason;
    }
);

export type RunEvent = EventDraft & {
  readonly timeMs: number;
  /** Runs again what has not gone well by the end of this run; empty = the run can do nothing. */
  readonly resumeToken: string;
};

/** What `rpc` may ask of this room. Throws `PluginError`, `ContainerError`, `PeerError` and `StoreError`. */
export interface PluginService {
  list(): Promise<readonly Plugin[]>;
  /** Ends with its reader: a `return` of the iterator, like an abort, ends every process of the run first. */
  run(request: RunRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  /** Fetches a plugin from a git repository, for an operator only. */
  install(url: string, caller: Caller, signal: AbortSignal): Promise<Plugin>;
  /** Removes a plugin's folder, for an operator only. */
  remove(plugin: string, caller: Caller): Promise<void>;
  /** Ends the runs under way. */
  close(): Promise<void>;
}

export type { Caller, Container, TargetResult };

/** What callers asked and heard, line by line in a file that survives them. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";

export type Call =
  | {
      readonly kind: "create";
      /** Sent as base image: the node's ledger and the intent show it too. */
      readonly token: string;
      /** Empty = none. */
      readonly requestId: string;
      readonly node: string;
      /** Empty = none. */
      readonly group: string;
    }
  | { readonly kind: "remove"; readonly container: string; readonly isForgotten: boolean }
  | { readonly kind: "createGroup"; readonly containers: readonly string[] }
  | { readonly kind: "addToGroup"; readonly group: string; readonly containers: readonly string[] }
  | { readonly kind: "takeFromGroup"; readonly group: string; readonly containers: readonly string[] }
  | { readonly kind: "removeGroup"; readonly group: string; readonly removesContainers: boolean };

export type Outcome =
  /** `name` of the container or group that came of it; empty = none. */
  | { readonly kind: "ok"; readonly name: string }
  | {
      readonly kind: "error";
      readonly reason: string;
      readonly metadata: Readonly<Record<string, string>>;
      readonly text: string;
    }
  /** The caller did not wait for it. */
  | { readonly kind: "left" }
  /** Whoever was asked went away. */
  | { readonly kind: "cut" };

export interface SeenChange {
  readonly kind: "CONTAINER" | "GROUP";
  readonly type: "ADDED" | "MODIFIED" | "REMOVED";
  readonly name: string;
  /** Groups of a container, members of a group; sorted. */
  readonly links: readonly string[];
  /** Of a container. */
  readonly state: string;
}

export interface SeenMessage {
  readonly type: "CHANGES" | "INITIAL" | "INITIAL_DONE" | "BOOKMARK";
  readonly revision: string;
  readonly changes: readonly SeenChange[];
}

export type HistoryLine =
  | { readonly at: "asked"; readonly op: string; readonly call: Call }
  | { readonly at: "answered"; readonly op: string; readonly outcome: Outcome }
  /** A watcher begins; `after` empty = with the initial state. */
  | { readonly at: "watching"; readonly watcher: string; readonly after: string }
  | ({ readonly at: "watched"; readonly watcher: string } & SeenMessage)
  | { readonly at: "unwatched"; readonly watcher: string; readonly reason: string };

export interface HistoryWriter {
  note(line: HistoryLine): void;
  close(): void;
}

/** A line is with the system when `note` returns: a killed process has lost none. */
export function openHistory(path: string): HistoryWriter {
  const file = openSync(path, "a");
  return {
    note: (line) => void writeSync(file, `${JSON.stringify(line)}\n`),
    close: () => closeSync(file),
  };
}

export function readHistory(path: string): readonly HistoryLine[] {
  const lines = readFileSync(path, { encoding: "utf8", flag: "a+" }).split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as HistoryLine);
}

/** Names of the watchers, and of what they watch. */
export const watchers = { everything: [], groups: ["GROUP"] } as const satisfies Record<
  string,
  readonly SeenChange["kind"][]
>;
export type WatcherName = keyof typeof watchers;

/** Where a watcher goes on; empty = it has not seen a state yet. */
export function lastRevisionOf(history: readonly HistoryLine[], watcher: string): string {
  const last = history.findLast(
    (line) => line.at === "watched" && line.watcher === watcher && line.type !== "INITIAL",
  );
  return last?.at === "watched" ? last.revision : "";
}

/** What the table's format has no place for: provenance, measurements, origin, silent crawls, the file as last seen. */
import { hash } from "node:crypto";
import { type NodeRecord, keyOf } from "../node-record.js";

export interface SideFile {
  readonly nodes: ReadonlyMap<string, NodeRecord>;
  /** Fingerprint of each row as last seen in the file. */
  readonly base: ReadonlyMap<string, string>;
}

/** A short stand-in for a row's JSON, to tell whether somebody changed it. */
export const fingerprint = (raw: unknown): string =>
  hash("sha256", JSON.stringify(raw), "base64url").slice(0, 22);

export function formatSideFile({ nodes, base }: SideFile): string {
  return JSON.stringify({ version: 1, nodes: [...nodes.values()], base: Object.fromEntries(base) });
}

/** Reads the side file's text. @throws {SyntaxError} it is none of ours */
export function parseSideFile(text: string): SideFile {
  const value = JSON.parse(text) as { version?: unknown; nodes?: unknown; base?: unknown } | null;
  if (
    value?.version !== 1 ||
    !Array.isArray(value.nodes) ||
    typeof value.base !== "object" ||
    value.base === null
  ) {
    throw new SyntaxError("not a side file of version 1");
  }
  const records = value.nodes as NodeRecord[];
  if (!records.every(isWhole)) throw new SyntaxError("a node of the side file lacks a part");
  return {
    nodes: new Map(records.map((record) => [keyOf(record), record])),
    base: new Map(Object.entries(value.base as Record<string, string>)),
  };
}

/** Looks at what the rest of the gateway reads without asking. */
const isWhole = ({ address, row, provenance }: Partial<NodeRecord>): boolean =>
  typeof address?.host === "string" &&
  typeof row?.machineName === "string" &&
  Array.isArray(provenance?.viaNodes);

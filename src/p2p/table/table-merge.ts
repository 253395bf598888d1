import type { PeerRow } from "../../peer-api/contract.js";
import { keyOf, newRecord, type NodeRecord, type Origin } from "../node-record.js";
import { fingerprint } from "./side-file.js";
import { type FileRow, fileKeyOf } from "./table-document.js";

export interface MergeInput {
  /** Our nodes in memory. */
  readonly ours: ReadonlyMap<string, NodeRecord>;
  /** The rows that stand in the file now. */
  readonly theirs: readonly FileRow[];
  /** Fingerprints of the rows last seen in the file, read or written; undefined = never: this is the first import. */
  readonly base: ReadonlyMap<string, string> | undefined;
}

export interface MergeResult {
  readonly nodes: Map<string, NodeRecord>;
  /** Rows of theirs by key, for the fields that we do not know. */
  readonly standing: ReadonlyMap<string, unknown>;
}

/**
 * Joins our table with a file that others write too, by address and port, with the file as last seen as base.
 *
 * - Rows they added come in. Rows they changed since bring their fields; what we measured stays ours.
 * - Rows we removed stay out, unless theirs changed since.
 * - Rows they removed stay only if the node answered in our last crawl.
 *
 * Rows of the first import count as typed by the operator; later ones obey the address policy.
 */
export function mergeTable({ ours, theirs, base }: MergeInput): MergeResult {
  const origin: Origin = base === undefined ? "operator" : "peer";
  const nodes = new Map<string, NodeRecord>();
  const standing = new Map<string, unknown>();
  for (const fileRow of theirs) {
    const key = fileKeyOf(fileRow);
    // It names no node.
    if (key === undefined || fileRow.row === undefined) continue;
    // The first of several rows for one node wins, as in the original client.
    if (standing.has(key)) continue;
    standing.set(key, fileRow.raw);
    const record = ours.get(key);
    const hasChanged = base?.get(key) !== fingerprint(fileRow.raw);
    if (record === undefined) {
      if (base?.has(key) !== true || hasChanged) nodes.set(key, newRecord(fileRow.row, origin));
    } else {
      nodes.set(key, hasChanged ? withTheirFields(record, fileRow.row) : record);
    }
  }
  for (const record of ours.values()) {
    const key = keyOf(record);
    const wasRemovedByThem = base?.has(key) === true && !standing.has(key);
    if (!nodes.has(key) && (!wasRemovedByThem || record.state === "ACTIVE")) nodes.set(key, record);
  }
  return { nodes, standing };
}

/** Their fields, our measurement; a latency that we only read from the file before is read again. */
function withTheirFields(record: NodeRecord, row: PeerRow): NodeRecord {
  const { measurement, ...rest } = record;
  if (measurement !== undefined && measurement.sampleCount > 0) return { ...record, row };
  const read = newRecord(row, record.origin).measurement;
  return { ...rest, row, ...(read === undefined ? {} : { measurement: read }) };
}

/** Pure rules: what a crawl, an added node and a removed node do to the table. */
import { nodeName } from "../../peer-api/address.js";
import type { PeerRow } from "../../peer-api/contract.js";
import { P2pError } from "../errors.js";
import { tableLimits } from "../limits.js";
import { findNode } from "../node-lookup.js";
import { etagOf, keyOf, newRecord, type NodeRecord, withDownloadOf, withUploadOf } from "../node-record.js";

/** What a crawl learnt, by `HOST:PORT`. */
export interface CrawlFindings {
  /** Nodes that answered their probe, as the crawl knows them. */
  readonly answered: ReadonlyMap<string, NodeRecord>;
  /** Those of them that told their own row. */
  readonly toldTheirRow: ReadonlySet<string>;
  /** Nodes that were asked and did not answer. */
  readonly silent: ReadonlySet<string>;
  /** Nodes that the address policy forbade to ask. */
  readonly blocked: ReadonlySet<string>;
  /** Nodes that stood in the table when the crawl began; seeds are none of them. */
  readonly startedFrom: ReadonlySet<string>;
  readonly isOwn: (record: NodeRecord) => boolean;
}

export interface TableChange {
  readonly addedCount: number;
  readonly removedCount: number;
}

/**
 * Brings a crawl's findings into the table.
 *
 * Only nodes that answered come in: what others only claim is no entry. A node silent in three crawls leaves, but a
 * crawl in which nobody answered says something about our network, not about theirs, and counts as no silence. A node
 * that somebody took out while the crawl ran stays out, though it answered.
 */
export function applyCrawl(nodes: Map<string, NodeRecord>, findings: CrawlFindings): TableChange {
  let addedCount = 0;
  let removedCount = 0;
  for (const [key, found] of findings.answered) {
    const known = nodes.get(key);
    const wasTakenOut = known === undefined && findings.startedFrom.has(key);
    if (wasTakenOut || (known === undefined && nodes.size >= tableLimits.maxNodes)) continue;
    if (known === undefined) addedCount += 1;
    // Meanwhile somebody may have edited the row: only the node itself knows better.
    const row = findings.toldTheirRow.has(key) ? found.row : (known?.row ?? found.row);
    nodes.set(
      key,
      known === undefined ? found : { ...withNewerBandwidth(found, known), row, origin: known.origin },
    );
  }
  const somebodyAnswered = findings.answered.size > 0;
  for (const key of [...findings.silent, ...findings.blocked]) {
    const known = nodes.get(key);
    if (known === undefined) continue;
    const counts = somebodyAnswered && findings.silent.has(key);
    const silentCrawlCount = known.silentCrawlCount + (counts ? 1 : 0);
    if (silentCrawlCount >= tableLimits.maxSilentCrawls) {
      nodes.delete(key);
      removedCount += 1;
    } else {
      nodes.set(key, { ...known, state: "UNREACHABLE", silentCrawlCount });
    }
  }
  for (const [key, record] of nodes) {
    if (!findings.isOwn(record)) continue;
    nodes.delete(key);
    removedCount += 1;
  }
  return { addedCount, removedCount };
}

/** Another crawl may have measured a direction of the bandwidth while this one ran. */
function withNewerBandwidth(found: NodeRecord, { measurement: known }: NodeRecord): NodeRecord {
  let { measurement } = found;
  if (measurement === undefined || known === undefined) return found;
  if ((known.downloadMeasureTimeMs ?? 0) > (measurement.downloadMeasureTimeMs ?? 0))
    measurement = withDownloadOf(measurement, known);
  if ((known.uploadMeasureTimeMs ?? 0) > (measurement.uploadMeasureTimeMs ?? 0))
    measurement = withUploadOf(measurement, known);
  return { ...found, measurement };
}

/**
 * Puts a node into the table; `replaceAll` takes every other one out. A known node stays as it is, save that an
 * operator's word makes it the operator's.
 *
 * @throws {P2pError} IP_TABLE_FULL
 */
export function addRecord(
  nodes: Map<string, NodeRecord>,
  added: NodeRecord,
  replaceAll: boolean,
): NodeRecord {
  const key = keyOf(added);
  const known = nodes.get(key);
  const origin = added.origin === "operator" ? added.origin : (known?.origin ?? added.origin);
  const record = { ...(known ?? added), origin };
  if (replaceAll) nodes.clear();
  if (!nodes.has(key) && nodes.size >= tableLimits.maxNodes) {
    throw new P2pError("IP_TABLE_FULL", `the IP table holds ${nodes.size} nodes, which is its limit`);
  }
  nodes.set(key, record);
  return record;
}

/**
 * Takes a node out of the table. An empty etag means whatever it is now.
 *
 * @throws {P2pError} INVALID_ADDRESS, NODE_NOT_FOUND, ETAG_MISMATCH
 */
export function removeRecord(nodes: Map<string, NodeRecord>, text: string, etag: string): NodeRecord {
  const { record } = findNode(text, nodes, "remote");
  if (record === undefined) throw new P2pError("NODE_NOT_FOUND", "not in the IP table");
  if (etag !== "" && etag !== etagOf(record)) {
    const node = nodeName(record.address);
    throw new P2pError("ETAG_MISMATCH", `${node} has changed since`, { metadata: { node } });
  }
  nodes.delete(keyOf(record));
  return record;
}

/**
 * Makes the record of a row that a stranger's table named: its measurements are the stranger's, not ours.
 */
export function discoveredRecord(row: PeerRow, viaNode: string, hopCount: number, nowMs: number): NodeRecord {
  const unmeasured = { ...row, latencyNs: 0, downloadMbps: 0, uploadMbps: 0 };
  return newRecord(unmeasured, "peer", { viaNodes: [viaNode], hopCount, firstSeenTimeMs: nowMs });
}

/** Pure rules: what a crawl, an added node and a removed node do to the table. */
import type { PeerRow } from "../peer-api/contract.js";
import { tableLimits } from "./limits.js";
import { newRecord, type NodeRecord } from "./node-record.js";

/** What a crawl learnt, by `HOST:PORT`. */
export interface CrawlFindings {
  /** Nodes that answered their probe, as the crawl knows them. */
  readonly answered: ReadonlyMap<string, NodeRecord>;
  /** Nodes that were asked and did not answer. */
  readonly silent: ReadonlySet<string>;
  /** Nodes that the address policy forbade to ask. */
  readonly blocked: ReadonlySet<string>;
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
 * crawl in which nobody answered says something about our network, not about theirs, and counts as no silence.
 */
export function applyCrawl(nodes: Map<string, NodeRecord>, findings: CrawlFindings): TableChange {
  let addedCount = 0;
  let removedCount = 0;
  for (const [key, found] of findings.answered) {
    const known = nodes.get(key);
    if (known === undefined && nodes.size >= tableLimits.maxNodes) continue;
    if (known === undefined) addedCount += 1;
    nodes.set(key, known === undefined ? found : { ...found, origin: known.origin });
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

/**
 * Makes the record of a row that a stranger's table named: its measurements are the stranger's, not ours.
 */
export function discoveredRecord(row: PeerRow, viaNode: string, hopCount: number, nowMs: number): NodeRecord {
  const unmeasured = { ...row, latencyNs: 0, downloadMbps: 0, uploadMbps: 0 };
  return newRecord(unmeasured, "peer", { viaNodes: [viaNode], hopCount, firstSeenTimeMs: nowMs });
}

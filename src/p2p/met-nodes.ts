import { addressKey, nodeName } from "../peer-api/address.js";
import type { PeerRow, RowRejection, TableReply } from "../peer-api/contract.js";
import { keyOf, type NodeRecord } from "./node-record.js";
import { type CrawlFindings, discoveredRecord } from "./table-changes.js";

/** What became of a node that this crawl met. */
export type Fate = "pending" | "answered" | "silent" | "blocked" | "own";

export interface MetNode {
  readonly key: string;
  readonly name: string;
  /** Hop at which it was first met. */
  readonly hop: number;
  record: NodeRecord;
  /** How many tables of this crawl named it. */
  witnessCount: number;
  /** Whether it told its own row in this crawl. */
  hasToldItsRow: boolean;
  fate: Fate;
}

/** Reporters kept for each node. */
const maxViaNodes = 3;

/** Everything that one crawl has met, in the order met. */
export class MetNodes {
  readonly #nodes = new Map<string, MetNode>();

  get size(): number {
    return this.#nodes.size;
  }

  values(): Iterable<MetNode> {
    return this.#nodes.values();
  }

  meet(record: NodeRecord, hop: number, witnessCount = 0): MetNode {
    const key = keyOf(record);
    const name = nodeName(record.address);
    const node: MetNode = { key, name, hop, record, witnessCount, hasToldItsRow: false, fate: "pending" };
    this.#nodes.set(key, node);
    return node;
  }

  /**
   * Takes in a table that a node sent: rows about known nodes are heard, the others met.
   *
   * @param refuse why a row of a node not met before is left out
   * @returns the nodes met, and every row left out, by reason
   */
  takeIn(
    reporter: MetNode,
    reply: TableReply,
    hop: number,
    nowMs: number,
    refuse: (row: PeerRow) => RowRejection | undefined,
  ): { readonly fresh: readonly MetNode[]; readonly rejected: ReadonlyMap<RowRejection, number> } {
    const rejected = new Map(reply.rejected);
    const fresh: MetNode[] = [];
    for (const row of reply.rows) {
      const known = this.#nodes.get(addressKey(row.address));
      const reason = known === undefined ? refuse(row) : undefined;
      if (known !== undefined) this.#hearAgain(known, reporter, row);
      else if (reason !== undefined) rejected.set(reason, (rejected.get(reason) ?? 0) + 1);
      else fresh.push(this.meet(discoveredRecord(row, reporter.name, hop, nowMs), hop, 1));
    }
    return { fresh, rejected };
  }

  /** A row about a node changes nothing that the node itself or our own probe said, unless it is the node's own. */
  #hearAgain(known: MetNode, reporter: MetNode, row: PeerRow): void {
    if (known === reporter) {
      const { latencyNs, downloadMbps, uploadMbps } = known.record.row;
      known.record = { ...known.record, row: { ...row, latencyNs, downloadMbps, uploadMbps } };
      known.hasToldItsRow = true;
      return;
    }
    known.witnessCount += 1;
    const { viaNodes } = known.record.provenance;
    if (known.hop === 0 || viaNodes.length >= maxViaNodes) return;
    const provenance = { ...known.record.provenance, viaNodes: [...viaNodes, reporter.name] };
    known.record = { ...known.record, provenance };
  }

  /** Records that others may be told of: not those that turned out silent, forbidden or ourselves. */
  get presentable(): NodeRecord[] {
    const nodes = [...this.#nodes.values()].filter(({ fate }) => fate === "pending" || fate === "answered");
    return nodes.map(({ record }) => record);
  }

  /** What was learnt so far. */
  findings(isOwn: CrawlFindings["isOwn"]): CrawlFindings {
    const nodes = [...this.#nodes.values()];
    const keysOf = (fate: Fate): Set<string> =>
      new Set(nodes.filter((node) => node.fate === fate).map(({ key }) => key));
    const answered = nodes.filter(({ fate }) => fate === "answered");
    return {
      answered: new Map(answered.map((node) => [node.key, withWitnesses(node)])),
      toldTheirRow: new Set(answered.filter(({ hasToldItsRow }) => hasToldItsRow).map(({ key }) => key)),
      silent: keysOf("silent"),
      blocked: keysOf("blocked"),
      isOwn,
    };
  }
}

/** A node named by nobody keeps the count of the crawl that met it. */
export function withWitnesses({ record, witnessCount }: MetNode): NodeRecord {
  if (witnessCount === 0) return record;
  return { ...record, provenance: { ...record.provenance, witnessCount } };
}

import { addressKey, nodeName } from "../../peer-api/address.js";
import type { PeerRow, RowRejection, TableReply } from "../../peer-api/contract.js";
import { crawlLimits } from "../limits.js";
import { keyOf, type NodeRecord } from "../node-record.js";
import { judge, quarantineLimits, type Testimony } from "./quarantine.js";
import { type CrawlFindings, discoveredRecord } from "../table/table-changes.js";

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
  /** Who named it first; absent = the local table or a seed. */
  readonly reporter?: MetNode;
  /** The table it sent: how many rows, and how many of them forbidden. */
  sent?: Pick<Testimony, "rowCount" | "forbiddenRowCount">;
}

/** Reporters kept for each node. */
const maxViaNodes = 3;

/** Everything that one crawl has met, in the order met. */
export class MetNodes {
  readonly #nodes = new Map<string, MetNode>();
  readonly #countByHost = new Map<string, number>();
  readonly #startedFrom: Set<string>;

  /** @param startedFrom keys of the nodes that stood in the table when the crawl began */
  constructor(startedFrom: ReadonlySet<string>) {
    this.#startedFrom = new Set(startedFrom);
  }

  /** Remembers that a pause has written these nodes: from now on they stand in the table, or were taken out of it. */
  wrote(keys: Iterable<string>): void {
    for (const key of keys) this.#startedFrom.add(key);
  }

  get size(): number {
    return this.#nodes.size;
  }

  values(): Iterable<MetNode> {
    return this.#nodes.values();
  }

  meet(record: NodeRecord, hop: number, reporter?: MetNode): MetNode {
    const key = keyOf(record);
    const name = nodeName(record.address);
    const node: MetNode = {
      key,
      name,
      hop,
      record,
      witnessCount: reporter === undefined ? 0 : 1,
      hasToldItsRow: false,
      fate: "pending",
      ...(reporter === undefined ? {} : { reporter }),
    };
    const { host } = record.address;
    this.#countByHost.set(host, (this.#countByHost.get(host) ?? 0) + 1);
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
      const reason = known === undefined ? (refuse(row) ?? this.#overBudget(row, fresh.length)) : undefined;
      if (known !== undefined) this.#hearAgain(known, reporter, row);
      else if (reason !== undefined) rejected.set(reason, (rejected.get(reason) ?? 0) + 1);
      else fresh.push(this.meet(discoveredRecord(row, reporter.name, hop, nowMs), hop, reporter));
    }
    reporter.sent = { rowCount: reply.entryCount, forbiddenRowCount: rejected.get("ADDRESS_BLOCKED") ?? 0 };
    return { fresh, rejected };
  }

  /** One reporter, one address and one crawl bring in so many nodes: a liar cannot make us contact the world. */
  #overBudget(row: PeerRow, freshCount: number): RowRejection | undefined {
    if (this.#nodes.size >= crawlLimits.maxNodes) return "CRAWL_FULL";
    if (freshCount >= crawlLimits.maxNodesPerReporter) return "REPORTER_FULL";
    const sameHostCount = this.#countByHost.get(row.address.host) ?? 0;
    return sameHostCount >= crawlLimits.maxNodesPerAddress ? "ADDRESS_FULL" : undefined;
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

  /** The record of a node that answered, in quarantine if its table was poison. */
  #judged(node: MetNode, named: readonly MetNode[], nowMs: number): NodeRecord {
    const record = withWitnesses(node);
    const reason = node.sent === undefined ? undefined : judge({ ...node.sent, ...outcomeOf(named) });
    if (reason === undefined) return record;
    const untilMs = nowMs + quarantineLimits.quarantineMs;
    return { ...record, state: "QUARANTINED", quarantine: { reason, untilMs } };
  }

  /** The nodes that one reporter alone named, by reporter. */
  #soleNamed(): Map<MetNode, MetNode[]> {
    const byReporter = new Map<MetNode, MetNode[]>();
    for (const node of this.#nodes.values()) {
      if (node.reporter === undefined || node.witnessCount !== 1) continue;
      const named = byReporter.get(node.reporter) ?? [];
      byReporter.set(node.reporter, named);
      named.push(node);
    }
    return byReporter;
  }

  /** The nodes that may be asked to send and take data: active, not in quarantine by now, not ourselves. */
  measurable(isOwn: CrawlFindings["isOwn"], nowMs: number): MetNode[] {
    const soleNamed = this.#soleNamed();
    return [...this.#nodes.values()].filter(
      (node) =>
        node.fate === "answered" &&
        !isOwn(node.record) &&
        this.#judged(node, soleNamed.get(node) ?? [], nowMs).state === "ACTIVE",
    );
  }

  /** What was learnt so far. */
  findings(isOwn: CrawlFindings["isOwn"], nowMs: number): CrawlFindings {
    const nodes = [...this.#nodes.values()];
    const keysOf = (fate: Fate): Set<string> =>
      new Set(nodes.filter((node) => node.fate === fate).map(({ key }) => key));
    const answered = nodes.filter(({ fate }) => fate === "answered");
    const soleNamed = this.#soleNamed();
    return {
      answered: new Map(
        answered.map((node) => [node.key, this.#judged(node, soleNamed.get(node) ?? [], nowMs)]),
      ),
      toldTheirRow: new Set(answered.filter(({ hasToldItsRow }) => hasToldItsRow).map(({ key }) => key)),
      silent: keysOf("silent"),
      blocked: keysOf("blocked"),
      startedFrom: this.#startedFrom,
      isOwn,
    };
  }
}

/** A node named by nobody keeps the count of the crawl that met it. */
export function withWitnesses({ record, witnessCount }: MetNode): NodeRecord {
  if (witnessCount === 0) return record;
  return { ...record, provenance: { ...record.provenance, witnessCount } };
}

function outcomeOf(named: readonly MetNode[]): Pick<Testimony, "askedCount" | "silentCount"> {
  const silentCount = named.filter(({ fate }) => fate === "silent").length;
  return { askedCount: silentCount + named.filter(({ fate }) => fate === "answered").length, silentCount };
}

import type {
  CallOptions,
  PeerApi,
  PeerRow,
  Probe,
  RowRejection,
  TableForm,
  TableReply,
} from "../../peer-api/contract.js";
import { PeerError } from "../../peer-api/errors.js";
import type { CrawlStep } from "../contract.js";
import { toNode, withBandwidthOf } from "../node-record.js";
import { isOwnNode, type OwnAddress, type OwnIdentity } from "../own-address.js";
import { unlessAborted } from "../unless-aborted.js";
import { attempt } from "./attempt.js";
import type { CrawlEvents } from "./crawl-events.js";
import type { CrawlDeps, CrawlPlan } from "./crawl-plan.js";
import type { HopLedger } from "./hop-ledger.js";
import { type MetNode, type MetNodes, withWitnesses } from "./met-nodes.js";
import { buildSharedTable } from "./shared-rows.js";
import type { VisitHandle } from "./visit-queue.js";

/** What visits are made for. What changes while it goes on is asked for each time. */
export interface VisitedCrawl {
  readonly plan: CrawlPlan;
  readonly deps: CrawlDeps;
  readonly events: CrawlEvents;
  readonly hops: HopLedger;
  readonly met: MetNodes;
  /** Resolves when our own address is known or given up. */
  readonly ownSettled: Promise<OwnAddress>;
  readonly own: () => OwnIdentity;
  readonly api: () => PeerApi;
  readonly standing: () => "GOING" | "PAUSED" | "OVER";
  /** A node was met that is to be visited. */
  readonly enqueue: (node: MetNode) => void;
}

/** The exchanges of a crawl with one node after the other: a probe and, within `maxHops`, the tables. */
export class Visits {
  readonly #crawl: VisitedCrawl;
  /** Nodes that have answered and whose exchange was interrupted: of their steps that one is open. */
  readonly #interrupted = new Set<MetNode>();
  #form: Promise<TableForm> | undefined;
  #failedCount = 0;

  constructor(crawl: VisitedCrawl) {
    this.#crawl = crawl;
  }

  /** Steps that failed. */
  get failedCount(): number {
    return this.#failedCount;
  }

  /** Makes one, and says in events what came of it; a node that fails is one of them. */
  async visit(node: MetNode, handle: VisitHandle): Promise<void> {
    const options: CallOptions = {
      signal: handle.signal,
      onActivity: handle.touch,
      isAllowed: node.record.origin === "operator" ? undefined : this.#crawl.deps.policy.allowsConnected,
    };
    // Whatever it has turned out to be since.
    const mayAsk = this.#interrupted.delete(node) || (await this.#probe(node, handle, options));
    if (mayAsk) await this.#exchange(node, handle, options);
    this.#crawl.api().release(node.record.address);
  }

  /** @returns whether the node is to be asked for its table; then that step is open already */
  async #probe(node: MetNode, handle: VisitHandle, options: CallOptions): Promise<boolean> {
    const { hops, plan, standing } = this.#crawl;
    const result = node.fate === "own" ? undefined : await this.#attempt(this.#probeCall(node, options));
    if (standing() === "OVER") return false;
    if (node.fate === "pending" && this.#isInterrupted(result)) {
      handle.again();
      return false;
    }
    if (result === undefined || node.fate !== "pending") {
      hops.done(node.hop, false);
      return false;
    }
    if (result instanceof PeerError) {
      node.fate = result.failure === "ADDRESS_BLOCKED" ? "blocked" : "silent";
      this.#fail(node, "PROBE", result, node.hop);
      return false;
    }
    this.#answered(node, result);
    const mayAsk = node.hop < plan.maxHops && node.record.state !== "QUARANTINED";
    if (mayAsk) hops.open(node.hop + 1);
    hops.done(node.hop, false);
    return mayAsk;
  }

  #probeCall(node: MetNode, options: CallOptions): Promise<Probe> {
    const { api, plan } = this.#crawl;
    return api().probe(node.record.address, { ...options, ...timeoutOf(plan.nodeTimeoutMs) });
  }

  #answered(node: MetNode, probe: Probe): void {
    const observeTimeMs = this.#crawl.deps.clock.nowMs();
    const { specs, ...measured } = probe;
    const { quarantine, ...record } = node.record;
    const isQuarantined = quarantine !== undefined && observeTimeMs < quarantine.untilMs;
    node.fate = "answered";
    node.record = {
      ...record,
      ...(isQuarantined ? { quarantine } : {}),
      state: isQuarantined ? "QUARANTINED" : "ACTIVE",
      silentCrawlCount: 0,
      measurement: withBandwidthOf({ ...measured, measureTimeMs: observeTimeMs }, record.measurement),
      specs: { ...specs, observeTimeMs },
      provenance: { firstSeenTimeMs: observeTimeMs, ...node.record.provenance },
      observeTimeMs,
    };
    this.#crawl.events.emit({ kind: "nodeProbed", node: toNode(withWitnesses(node), false) }, node.hop);
  }

  async #exchange(node: MetNode, handle: VisitHandle, options: CallOptions): Promise<void> {
    const { api, hops, plan, standing } = this.#crawl;
    const hop = node.hop + 1;
    handle.rest();
    const form = await unlessAborted(this.#tableForm(), handle.signal);
    handle.touch();
    const isWanted = node.fate === "answered" && standing() === "GOING";
    const call = { ...options, ...timeoutOf(plan.exchangeTimeoutMs) };
    const reply =
      form !== undefined && isWanted
        ? await this.#attempt(api().exchangeTable(node.record.address, form, call))
        : undefined;
    if (standing() === "OVER") return;
    if (node.fate === "answered" && this.#isInterrupted(reply)) {
      this.#interrupted.add(node);
      handle.again();
    } else if (reply === undefined || node.fate === "own") hops.done(hop, false);
    else if (reply instanceof PeerError) this.#fail(node, "IP_TABLE", reply, hop);
    else {
      this.#readTable(node, reply, hop);
      hops.done(hop, false);
    }
  }

  /** Every node is sent the same bytes, made when our address is known or given up. */
  #tableForm(): Promise<TableForm> {
    const { deps, met, ownSettled, plan } = this.#crawl;
    this.#form ??= ownSettled.then(({ publicIpAddress }) =>
      buildSharedTable(met.presentable, plan.maxSharedRows, publicIpAddress, deps),
    );
    return this.#form;
  }

  #readTable(node: MetNode, reply: TableReply, hop: number): void {
    const { deps, enqueue, events, hops, met } = this.#crawl;
    const { entryCount, bodyBytes, elapsedMs } = reply;
    const { fresh, rejected } = met.takeIn(node, reply, hop, deps.clock.nowMs(), (row) =>
      this.#refuseRow(row),
    );
    const newCount = fresh.length;
    hops.open(hop, newCount);
    events.emit(
      { kind: "tableFetched", node: node.name, entryCount, newCount, rejected, bodyBytes, elapsedMs },
      hop,
    );
    for (const found of fresh) {
      hops.countNew(hop);
      const shown = toNode(withWitnesses(found), false);
      events.emit({ kind: "nodeDiscovered", node: shown, viaNode: node.name }, hop);
      enqueue(found);
    }
  }

  /** Whether a step ended, or never began, only because the crawl pauses. */
  #isInterrupted(result: unknown): boolean {
    if (this.#crawl.standing() !== "PAUSED") return false;
    return result === undefined || (result instanceof PeerError && result.failure === "CANCELED");
  }

  #refuseRow(row: PeerRow): RowRejection | undefined {
    if (isOwnNode(row.address, row, this.#crawl.own())) return "OWN_NODE";
    return this.#crawl.deps.policy.allows(row.address.host) ? undefined : "ADDRESS_BLOCKED";
  }

  #fail(node: MetNode, step: CrawlStep, error: PeerError, hop: number): void {
    const { failure, message, httpStatus } = error;
    this.#failedCount += 1;
    this.#crawl.events.emit({ kind: "nodeFailed", node: node.name, step, failure, message, httpStatus }, hop);
    this.#crawl.hops.done(hop, true);
  }

  readonly #attempt = <T>(call: Promise<T>): Promise<T | PeerError> =>
    attempt(call, this.#crawl.deps.logger, this.#crawl.plan.name);
}

const timeoutOf = (timeoutMs: number | undefined): { timeoutMs?: number } =>
  timeoutMs === undefined ? {} : { timeoutMs };

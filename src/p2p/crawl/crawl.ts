import { nodeName } from "../../peer-api/address.js";
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
import { attempt } from "./attempt.js";
import { BandwidthPhase } from "./bandwidth.js";
import type { CrawlProgress, CrawlStep, EndReason } from "../contract.js";
import { CrawlEvents, progressOf } from "./crawl-events.js";
import type { CrawlDeps, CrawlPlan } from "./crawl-plan.js";
import { HopLedger } from "./hop-ledger.js";
import { crawlLimits } from "../limits.js";
import { type MetNode, MetNodes, withWitnesses } from "./met-nodes.js";
import { type NodeRecord, toNode, withBandwidthOf } from "../node-record.js";
import { isOwnNode, type OwnAddress, type OwnIdentity } from "../own-address.js";
import { OwnLookUp } from "./own-look-up.js";
import { buildSharedTable } from "./shared-rows.js";
import { startOrder } from "./start-order.js";
import type { CrawlFindings } from "../table/table-changes.js";
import { unlessAborted } from "../unless-aborted.js";
import { type VisitHandle, VisitQueue } from "./visit-queue.js";

/**
 * One crawl: probes the local table at hop 0, asks at hop h the nodes first met at hop h-1, and has no barrier between
 * hops: a node is asked as soon as it has answered its own probe. Rows first met at the last hop are probed, not asked.
 *
 * A node that fails is an event and never ends the crawl.
 */
export class Crawl {
  readonly events: CrawlEvents;
  /** Settles when nothing is left to do, or with the reason given to `stop`. Never rejects. */
  readonly over: Promise<EndReason>;
  readonly #deps: CrawlDeps;
  readonly #plan: CrawlPlan;
  #api: PeerApi;
  readonly #queue: VisitQueue;
  readonly #hops: HopLedger;
  readonly #met: MetNodes;
  readonly #bandwidth: BandwidthPhase | undefined;
  #own: OwnIdentity;
  readonly #ownLookUp: OwnLookUp;
  #form: Promise<TableForm> | undefined;
  /** Visits and look-ups of ours that the queue does not know of. */
  #heldCount = 0;
  #failedVisitCount = 0;
  #isOver = false;
  #isPaused = false;
  #end: (reason: EndReason) => void = () => undefined;

  constructor(plan: CrawlPlan, deps: CrawlDeps) {
    const { clock } = deps;
    this.#plan = plan;
    this.#met = new MetNodes(plan.startedFrom);
    this.#deps = deps;
    this.#own = { ...deps.own, publicIpAddress: "" };
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#ownLookUp = new OwnLookUp(deps.ownAddress, (found) => this.#foundOwnAddress(found));
    this.events = new CrawlEvents({
      crawl: plan.name,
      clock,
      heartbeatMs: crawlLimits.heartbeatMs,
      progressAt: (hop) => this.#progressAt(hop),
    });
    this.#hops = new HopLedger(() => clock.monotonicMs(), {
      started: (hop) => this.events.emit({ kind: "hopStarted", hop }, hop),
      completed: (hop, newCount, failedCount, elapsedMs) =>
        this.events.emit({ kind: "hopCompleted", hop, newCount, failedCount, elapsedMs }, hop),
    });
    const { silenceMs, maxSockets } = crawlLimits;
    this.#queue = new VisitQueue({ maxConcurrency: plan.maxConcurrency, maxSockets, silenceMs, clock }, () =>
      this.#finishIfIdle(),
    );
    this.#api = deps.openPeerApi();
    if (plan.bandwidth !== undefined)
      this.#bandwidth = new BandwidthPhase({ ...plan.bandwidth, crawl: plan.name }, deps, (body) =>
        this.events.emit(body),
      );
  }

  start(): void {
    const own = this.#deps.ownAddress.known;
    if (own !== undefined) this.#own = { ...this.#own, publicIpAddress: own.publicIpAddress };
    const order = startOrder(this.#plan.start, this.#own, own !== undefined);
    const atOnce = order.atOnce.map((record) => this.#met.meet(record, 0));
    const held = order.held.map((record) => this.#met.meet(record, 0));
    const knownCount = this.#met.size;
    this.events.emit({ kind: "started", crawl: this.#plan.name, knownCount });
    this.#hops.begin(0);
    if (this.#isOver) {
      // Stopped before it began: nobody is asked, and the stream keeps its rules.
      this.#hops.closeAll();
      return;
    }
    this.#heldCount += 1;
    this.#ownLookUp.start();
    this.#hops.open(0, knownCount);
    for (const node of atOnce) this.#enqueue(node);
    if (held.length > 0) this.#enqueueOnceOwnIsKnown(held);
    this.#finishIfIdle();
  }

  /** Ends the crawl early: sockets are cut, what was learnt counts. */
  stop(reason: EndReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ownLookUp.pause();
    this.#queue.close();
    void this.#bandwidth?.pause();
    this.#api.close();
    this.#hops.closeAll();
    this.#end(reason);
  }

  /** Frees every socket; what was interrupted is kept, to be made again. Resolves when the sockets are free. */
  async pause(): Promise<void> {
    if (this.#isOver) return;
    this.#isPaused = true;
    this.events.rest();
    this.#ownLookUp.pause();
    await this.#queue.pause();
    await this.#bandwidth?.pause();
    this.#api.close();
  }

  /** Goes on where `pause` left off. What was announced is not announced again. */
  resume(): void {
    if (this.#isOver) return;
    this.#isPaused = false;
    this.#api = this.#deps.openPeerApi();
    this.#ownLookUp.resume();
    this.#queue.resume();
    this.#finishIfIdle();
  }

  /** Hears that these nodes have been written, by `HOST:PORT`. */
  wrote(keys: Iterable<string>): void {
    this.#met.wrote(keys);
  }

  /** Where the crawl stands now. */
  get progress(): CrawlProgress {
    return this.#progressAt();
  }

  /** What was learnt so far. */
  get findings(): CrawlFindings {
    return this.#met.findings(this.#isOwn, this.#deps.clock.nowMs());
  }
  readonly #isOwn = (record: NodeRecord): boolean => isOwnNode(record.address, record.row, this.#own);

  #enqueue(node: MetNode): void {
    this.#queue.add(node.key, (handle) => this.#visit(node, handle));
  }

  /**
   * Any node with our port may turn out to be ourselves, who must not be probed: it waits a moment for our address.
   * Only a moment, because probes do not depend on a stranger's service; one found out later is dropped in flight.
   */
  #enqueueOnceOwnIsKnown(nodes: readonly MetNode[]): void {
    let isHeld = true;
    this.#heldCount += 1;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      cancel();
      this.#heldCount -= 1;
      for (const node of nodes) this.#enqueue(node);
    };
    const cancel = this.#deps.clock.after(crawlLimits.selfGraceMs, release);
    void this.#ownLookUp.settled.then(release);
  }

  #foundOwnAddress(found: OwnAddress): void {
    if (this.#isOver) return;
    this.#heldCount -= 1;
    const { publicIpAddress } = found;
    this.#own = { ...this.#own, publicIpAddress };
    const address = { host: publicIpAddress, port: this.#own.serverPort };
    const selfNode = publicIpAddress === "" ? "" : nodeName(address);
    this.events.emit({ kind: "ownAddressFound", publicIpAddress, selfNode, warning: found.warning });
    for (const node of this.#met.values()) {
      if (!this.#isOwn(node.record)) continue;
      node.fate = "own";
      this.#queue.cancel(node.key);
    }
    // What waits for the address goes first; only then is it clear whether anything is left to do.
    queueMicrotask(() => this.#finishIfIdle());
  }

  async #visit(node: MetNode, handle: VisitHandle): Promise<void> {
    const options: CallOptions = {
      signal: handle.signal,
      onActivity: handle.touch,
      isAllowed: node.record.origin === "operator" ? undefined : this.#deps.policy.allowsConnected,
    };
    // A node that has answered is here again because its exchange was interrupted.
    const mayAsk = node.fate === "answered" || (await this.#probe(node, handle, options));
    if (mayAsk) await this.#exchange(node, handle, options);
    this.#api.release(node.record.address);
  }

  /** @returns whether the node is to be asked for its table; then that step is open already */
  async #probe(node: MetNode, handle: VisitHandle, options: CallOptions): Promise<boolean> {
    const result = node.fate === "own" ? undefined : await this.#attempt(this.#probeCall(node, options));
    if (this.#isOver) return false;
    if (node.fate === "pending" && this.#isInterrupted(result)) {
      handle.again();
      return false;
    }
    if (result === undefined || node.fate !== "pending") {
      this.#hops.done(node.hop, false);
      return false;
    }
    if (result instanceof PeerError) {
      node.fate = result.failure === "ADDRESS_BLOCKED" ? "blocked" : "silent";
      this.#fail(node, "PROBE", result, node.hop);
      return false;
    }
    this.#answered(node, result);
    const mayAsk = node.hop < this.#plan.maxHops && node.record.state !== "QUARANTINED";
    if (mayAsk) this.#hops.open(node.hop + 1);
    this.#hops.done(node.hop, false);
    return mayAsk;
  }

  #probeCall(node: MetNode, options: CallOptions): Promise<Probe> {
    return this.#api.probe(node.record.address, { ...options, ...timeoutOf(this.#plan.nodeTimeoutMs) });
  }

  #answered(node: MetNode, probe: Probe): void {
    const observeTimeMs = this.#deps.clock.nowMs();
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
    this.events.emit({ kind: "nodeProbed", node: toNode(withWitnesses(node), false) }, node.hop);
  }

  async #exchange(node: MetNode, handle: VisitHandle, options: CallOptions): Promise<void> {
    const hop = node.hop + 1;
    handle.rest();
    const form = await unlessAborted(this.#tableForm(), handle.signal);
    handle.touch();
    const isWanted = node.fate === "answered" && !this.#isOver && !this.#isPaused;
    const call = { ...options, ...timeoutOf(this.#plan.exchangeTimeoutMs) };
    const reply =
      form !== undefined && isWanted
        ? await this.#attempt(this.#api.exchangeTable(node.record.address, form, call))
        : undefined;
    if (this.#isOver) return;
    if (node.fate === "answered" && this.#isInterrupted(reply)) handle.again();
    else if (reply === undefined || node.fate === "own") this.#hops.done(hop, false);
    else if (reply instanceof PeerError) this.#fail(node, "IP_TABLE", reply, hop);
    else {
      this.#readTable(node, reply, hop);
      this.#hops.done(hop, false);
    }
  }

  /** Every node is sent the same bytes, made when our address is known or given up. */
  #tableForm(): Promise<TableForm> {
    this.#form ??= this.#ownLookUp.settled.then(({ publicIpAddress }) =>
      buildSharedTable(this.#met.presentable, this.#plan.maxSharedRows, publicIpAddress, this.#deps),
    );
    return this.#form;
  }

  #readTable(node: MetNode, reply: TableReply, hop: number): void {
    const { entryCount, bodyBytes, elapsedMs } = reply;
    const { fresh, rejected } = this.#met.takeIn(node, reply, hop, this.#deps.clock.nowMs(), (row) =>
      this.#refuseRow(row),
    );
    const newCount = fresh.length;
    this.#hops.open(hop, newCount);
    this.events.emit(
      { kind: "tableFetched", node: node.name, entryCount, newCount, rejected, bodyBytes, elapsedMs },
      hop,
    );
    for (const found of fresh) {
      this.#hops.countNew(hop);
      const shown = toNode(withWitnesses(found), false);
      this.events.emit({ kind: "nodeDiscovered", node: shown, viaNode: node.name }, hop);
      this.#enqueue(found);
    }
  }

  /** Whether a step ended, or never began, only because the crawl pauses. */
  #isInterrupted(result: unknown): boolean {
    if (!this.#isPaused) return false;
    return result === undefined || (result instanceof PeerError && result.failure === "CANCELED");
  }

  #refuseRow(row: PeerRow): RowRejection | undefined {
    if (isOwnNode(row.address, row, this.#own)) return "OWN_NODE";
    return this.#deps.policy.allows(row.address.host) ? undefined : "ADDRESS_BLOCKED";
  }

  #fail(node: MetNode, step: CrawlStep, error: PeerError, hop: number): void {
    const { failure, message, httpStatus } = error;
    this.#failedVisitCount += 1;
    this.events.emit({ kind: "nodeFailed", node: node.name, step, failure, message, httpStatus }, hop);
    this.#hops.done(hop, true);
  }

  readonly #attempt = <T>(call: Promise<T>): Promise<T | PeerError> =>
    attempt(call, this.#deps.logger, this.#plan.name);

  #finishIfIdle(): void {
    const { queued, inFlight } = this.#queue.counts;
    if (queued === 0 && inFlight === 0 && this.#heldCount === 0) this.#finish();
  }

  /** Every hop is over. What is left is the bandwidth, which waits for somebody to watch. */
  #finish(): void {
    this.#hops.closeAll();
    const phase = this.#isOver ? undefined : this.#bandwidth;
    if (phase === undefined) this.stop("FINISHED");
    else if (!this.#isPaused) {
      const nodes = (): MetNode[] => this.#met.measurable(this.#isOwn, this.#deps.clock.nowMs());
      void phase.run(this.#api, nodes).then((isOver) => isOver && this.stop("FINISHED"));
    }
  }

  #progressAt(hop = this.#hops.highestHop): CrawlProgress {
    const counts = { failedCount: this.#failedVisitCount, knownCount: this.#met.size };
    return progressOf(hop, this.#plan.maxHops, this.#queue.counts, this.#hops.countsOf(hop), counts);
  }
}

const timeoutOf = (timeoutMs: number | undefined): { timeoutMs?: number } =>
  timeoutMs === undefined ? {} : { timeoutMs };

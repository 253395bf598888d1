import { nodeName } from "../../peer-api/address.js";
import type { PeerApi } from "../../peer-api/contract.js";
import { BandwidthPhase } from "./bandwidth.js";
import type { CrawlProgress, EndReason } from "../contract.js";
import { CrawlEvents, progressOf } from "./crawl-events.js";
import type { CrawlDeps, CrawlPlan } from "./crawl-plan.js";
import { HopLedger } from "./hop-ledger.js";
import { crawlLimits } from "../limits.js";
import { type MetNode, MetNodes } from "./met-nodes.js";
import type { NodeRecord } from "../node-record.js";
import { isOwnNode, type OwnAddress, type OwnIdentity } from "../own-address.js";
import { OwnLookUp } from "./own-look-up.js";
import { startOrder } from "./start-order.js";
import type { CrawlFindings } from "../table/table-changes.js";
import { VisitQueue } from "./visit-queue.js";
import { Visits } from "./visits.js";

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
  readonly #visits: Visits;
  readonly #bandwidth: BandwidthPhase | undefined;
  #own: OwnIdentity;
  readonly #ownLookUp: OwnLookUp;
  /** Visits and look-ups of ours that the queue does not know of. */
  #heldCount = 0;
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
    this.#visits = new Visits({
      plan,
      deps,
      events: this.events,
      hops: this.#hops,
      met: this.#met,
      ownSettled: this.#ownLookUp.settled,
      own: () => this.#own,
      api: () => this.#api,
      standing: () => (this.#isOver ? "OVER" : this.#isPaused ? "PAUSED" : "GOING"),
      enqueue: (node) => this.#enqueue(node),
    });
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
    this.#queue.add(node.key, (handle) => this.#visits.visit(node, handle));
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
    const counts = { failedCount: this.#visits.failedCount, knownCount: this.#met.size };
    return progressOf(hop, this.#plan.maxHops, this.#queue.counts, this.#hops.countsOf(hop), counts);
  }
}

/** The last part of a crawl: how fast nodes send and take data. */
import type { CallOptions, PeerApi, Transfer, TransferOptions } from "../../peer-api/contract.js";
import { PeerError } from "../../peer-api/errors.js";
import { attempt } from "./attempt.js";
import type { BandwidthRequest, CrawlEventBody, CrawlStep, Measurement } from "../contract.js";
import type { CrawlDeps } from "./crawl-plan.js";
import { crawlLimits } from "../limits.js";
import { type MetNode, withWitnesses } from "./met-nodes.js";
import { toNode, withDownloadOf, withUploadOf } from "../node-record.js";

export interface BandwidthPlan extends Required<BandwidthRequest> {
  /** `crawls/UUID`. */
  readonly crawl: string;
}

/** What became of one direction: a result, a failure of the node, or nothing because what is known is young enough. */
type Outcome = Transfer | PeerError | "kept";

/** A node, and which directions are to be measured: a missing or old one, also where the other one is young. */
interface DueNode {
  readonly node: MetNode;
  readonly download: boolean;
  readonly upload: boolean;
}

/**
 * Measures one node after the other, lowest latency first: two at once would measure each other.
 *
 * A node cut short, by a pause or by the end of the time, keeps what it had; after a pause it is measured anew.
 */
export class BandwidthPhase {
  readonly #plan: BandwidthPlan;
  readonly #deps: CrawlDeps;
  readonly #emit: (body: CrawlEventBody) => void;
  /** Nodes still to measure; undefined = the phase has not begun. */
  #left: DueNode[] | undefined;
  /** Time that pauses do not use up. */
  #leftMs: number;
  #cut = new AbortController();
  #running: Promise<void> | undefined;

  constructor(plan: BandwidthPlan, deps: CrawlDeps, emit: (body: CrawlEventBody) => void) {
    this.#plan = plan;
    this.#deps = deps;
    this.#emit = emit;
    this.#leftMs = plan.maxDurationMs;
  }

  /**
   * Measures until every node is done, the time is over, or `pause` is called.
   *
   * @param nodes asked once, when the phase begins
   * @returns whether it is over
   */
  async run(api: PeerApi, nodes: () => readonly MetNode[]): Promise<boolean> {
    if (this.#running !== undefined) return false;
    this.#left ??= this.#inOrder(nodes());
    const cut = new AbortController();
    this.#cut = cut;
    let isOutOfTime = this.#leftMs <= 0;
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    const cancel = clock.after(this.#leftMs, () => {
      isOutOfTime = true;
      cut.abort();
    });
    this.#running = this.#measureAll(api, this.#left, cut.signal, startMs + this.#leftMs);
    try {
      await this.#running;
    } finally {
      cancel();
      this.#leftMs -= clock.monotonicMs() - startMs;
      this.#running = undefined;
    }
    return isOutOfTime || this.#left.length === 0;
  }

  /** Cuts what is under way. Resolves when nothing is. */
  async pause(): Promise<void> {
    this.#cut.abort();
    await this.#running;
  }

  #inOrder(nodes: readonly MetNode[]): DueNode[] {
    const nowMs = this.#deps.clock.nowMs();
    const isDue = (measureTimeMs = Number.NEGATIVE_INFINITY): boolean => {
      const ageMs = nowMs - measureTimeMs;
      // A time to come is a clock set back: such a result would be young for who knows how long.
      return ageMs < 0 || ageMs >= this.#plan.maxAgeMs;
    };
    const latencyOf = ({ node: { record } }: DueNode): number => record.measurement?.latencyNs ?? 0;
    return nodes
      .map((node): DueNode => {
        const { downloadMeasureTimeMs, uploadMeasureTimeMs } = node.record.measurement ?? {};
        return { node, download: isDue(downloadMeasureTimeMs), upload: isDue(uploadMeasureTimeMs) };
      })
      .filter(({ download, upload }) => download || upload)
      .sort((a, b) => latencyOf(a) - latencyOf(b));
  }

  async #measureAll(api: PeerApi, left: DueNode[], signal: AbortSignal, endMs: number): Promise<void> {
    for (let due = left[0]; due !== undefined && !signal.aborted; due = left[0]) {
      await this.#measure(api, due, signal, endMs);
      if (!isCut(signal)) left.shift();
    }
  }

  async #measure(api: PeerApi, due: DueNode, signal: AbortSignal, endMs: number): Promise<void> {
    const { address, origin } = due.node.record;
    const call: CallOptions = {
      signal,
      isAllowed: origin === "operator" ? undefined : this.#deps.policy.allowsConnected,
    };
    /** @returns undefined: cut short by us, which is neither a result nor a failure */
    const one = async (
      isDue: boolean,
      transfer: (options: TransferOptions) => Promise<Transfer>,
    ): Promise<Outcome | undefined> => {
      if (!isDue) return "kept";
      const leftMs = endMs - this.#deps.clock.monotonicMs();
      if (signal.aborted || leftMs <= 0) return undefined;
      const maxDurationMs = Math.min(crawlLimits.bandwidthDirectionMs, leftMs);
      const options = { ...call, maxBytes: this.#plan.maxBytesPerNode, maxDurationMs };
      const outcome = await attempt(transfer(options), this.#deps.logger, this.#plan.crawl);
      return isCut(signal) ? undefined : outcome;
    };
    const download = await one(due.download, (options) => api.download(address, options));
    const upload = await one(due.upload, (options) => api.upload(address, options));
    api.release(address);
    if (download === undefined || upload === undefined) return;
    this.#tell(due.node, download, upload);
  }

  /** Both directions are told at once: a node half measured before a pause would fail twice. */
  #tell(node: MetNode, download: Outcome, upload: Outcome): void {
    if (download instanceof PeerError) this.#fail(node, "DOWNLOAD", download);
    if (upload instanceof PeerError) this.#fail(node, "UPLOAD", upload);
    const { measurement } = node.record;
    if (measurement === undefined || !(isResult(download) || isResult(upload))) return;
    node.record = { ...node.record, measurement: this.#withResults(measurement, download, upload) };
    this.#emit({ kind: "nodeProbed", node: toNode(withWitnesses(node), false) });
  }

  /** A direction that failed keeps the value it had, and its age; one with too little data has none. */
  #withResults(before: Measurement, download: Outcome, upload: Outcome): Measurement {
    const nowMs = this.#deps.clock.nowMs();
    let measurement = before;
    if (isResult(download)) {
      const result = { downloadMbps: download.megabitsPerSecond, downloadMeasureTimeMs: nowMs };
      measurement = withDownloadOf(measurement, result);
    }
    if (isResult(upload)) {
      const result = { uploadMbps: upload.megabitsPerSecond, uploadMeasureTimeMs: nowMs };
      measurement = withUploadOf(measurement, result);
    }
    return measurement;
  }

  #fail(node: MetNode, step: CrawlStep, { failure, message, httpStatus }: PeerError): void {
    this.#emit({ kind: "nodeFailed", node: node.name, step, failure, message, httpStatus });
  }
}

/** Asked by call: what was false before an await may be true after it. */
const isCut = (signal: AbortSignal): boolean => signal.aborted;

const isResult = (outcome: Outcome): outcome is Transfer =>
  outcome !== "kept" && !(outcome instanceof PeerError);

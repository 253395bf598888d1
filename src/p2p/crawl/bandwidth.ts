/** The last part of a crawl: how fast nodes send and take data. */
import type { CallOptions, PeerApi, Transfer, TransferOptions } from "../../peer-api/contract.js";
import { PeerError } from "../../peer-api/errors.js";
import { attempt } from "./attempt.js";
import type { BandwidthRequest, CrawlEventBody, CrawlStep } from "../contract.js";
import type { CrawlDeps } from "./crawl-plan.js";
import { crawlLimits } from "../limits.js";
import { type MetNode, withWitnesses } from "./met-nodes.js";
import { toNode } from "../node-record.js";

export interface BandwidthPlan extends Required<BandwidthRequest> {
  /** `crawls/UUID`. */
  readonly crawl: string;
}

/** What became of one direction: a result, a failure of the node, or cut short by us, which is neither. */
type Outcome = Transfer | PeerError | undefined;

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
  #left: MetNode[] | undefined;
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

  #inOrder(nodes: readonly MetNode[]): MetNode[] {
    const nowMs = this.#deps.clock.nowMs();
    const isYoung = ({ record }: MetNode): boolean => {
      const ageMs = nowMs - (record.measurement?.bandwidthMeasureTimeMs ?? Number.NEGATIVE_INFINITY);
      // A time to come is a clock set back: such a result would be young for who knows how long.
      return ageMs >= 0 && ageMs < this.#plan.maxAgeMs;
    };
    const latencyOf = ({ record }: MetNode): number => record.measurement?.latencyNs ?? 0;
    return nodes.filter((node) => !isYoung(node)).sort((a, b) => latencyOf(a) - latencyOf(b));
  }

  async #measureAll(api: PeerApi, left: MetNode[], signal: AbortSignal, endMs: number): Promise<void> {
    for (let node = left[0]; node !== undefined && !signal.aborted; node = left[0]) {
      await this.#measure(api, node, signal, endMs);
      if (!isCut(signal)) left.shift();
    }
  }

  async #measure(api: PeerApi, node: MetNode, signal: AbortSignal, endMs: number): Promise<void> {
    const { address, origin } = node.record;
    const call: CallOptions = {
      signal,
      isAllowed: origin === "operator" ? undefined : this.#deps.policy.allowsConnected,
    };
    const one = async (transfer: (options: TransferOptions) => Promise<Transfer>): Promise<Outcome> => {
      const leftMs = endMs - this.#deps.clock.monotonicMs();
      if (signal.aborted || leftMs <= 0) return undefined;
      const maxDurationMs = Math.min(crawlLimits.bandwidthDirectionMs, leftMs);
      const options = { ...call, maxBytes: this.#plan.maxBytesPerNode, maxDurationMs };
      const outcome = await attempt(transfer(options), this.#deps.logger, this.#plan.crawl);
      return isCut(signal) ? undefined : outcome;
    };
    const download = await one((options) => api.download(address, options));
    const upload = await one((options) => api.upload(address, options));
    api.release(address);
    if (download === undefined || upload === undefined) return;
    this.#tell(node, download, upload);
  }

  /** Both directions are told at once: a node half measured before a pause would fail twice. */
  #tell(node: MetNode, download: Transfer | PeerError, upload: Transfer | PeerError): void {
    if (download instanceof PeerError) this.#fail(node, "DOWNLOAD", download);
    if (upload instanceof PeerError) this.#fail(node, "UPLOAD", upload);
    const { measurement } = node.record;
    const hasResult = !(download instanceof PeerError && upload instanceof PeerError);
    if (measurement === undefined || !hasResult) return;
    const { downloadMbps, uploadMbps, ...latency } = measurement;
    node.record = {
      ...node.record,
      measurement: {
        ...latency,
        ...rate("downloadMbps", download, downloadMbps),
        ...rate("uploadMbps", upload, uploadMbps),
        bandwidthMeasureTimeMs: this.#deps.clock.nowMs(),
      },
    };
    this.#emit({ kind: "nodeProbed", node: toNode(withWitnesses(node), false) });
  }

  #fail(node: MetNode, step: CrawlStep, { failure, message, httpStatus }: PeerError): void {
    this.#emit({ kind: "nodeFailed", node: node.name, step, failure, message, httpStatus });
  }
}

/** Asked by call: what was false before an await may be true after it. */
const isCut = (signal: AbortSignal): boolean => signal.aborted;

/** A direction that failed keeps the value it had; one with too little data has none. */
function rate<K extends string>(
  field: K,
  outcome: Transfer | PeerError,
  before: number | undefined,
): Partial<Record<K, number>> {
  const mbps = outcome instanceof PeerError ? before : outcome.megabitsPerSecond;
  return mbps === undefined ? {} : ({ [field]: mbps } as Record<K, number>);
}

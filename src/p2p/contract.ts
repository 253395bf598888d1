/** The nouns of the peer-to-peer module, in plain types. `rpc` converts them, nothing else leaves this room. */
import type { NodeImage, NodeSpecs, PeerAddress, PeerRow, RowRejection } from "../peer-api/contract.js";
import type { PeerFailure } from "../peer-api/errors.js";
import type { QuarantineReason } from "./crawl/quarantine.js";

/**
 * Who asks. An operator sits at the machine (local socket, command line) and may name any address; everybody else
 * is held to public unicast addresses and `--allow-cidr`.
 */
export type Caller = "remote" | "operator";

/** Outcome of the last probe. */
export type NodeState = "ACTIVE" | "UNREACHABLE" | "UNPROBED" | "QUARANTINED";

export interface Measurement {
  /** Best round trip / 2, in nanoseconds, > 0. */
  readonly latencyNs: number;
  /** Worst - best round trip, in nanoseconds. */
  readonly jitterNs?: number;
  /** Completed round trips; 0 = the latency was read from the table file. */
  readonly sampleCount: number;
  /** Absent = not measured by this gateway. */
  readonly measureTimeMs?: number;
  /** Mbit/s, > 0; absent = unknown. Only what this gateway measured. */
  readonly downloadMbps?: number;
  /** Absent = never measured. A measurement that failed is none; one with too little data is one, without a value. */
  readonly downloadMeasureTimeMs?: number;
  readonly uploadMbps?: number;
  readonly uploadMeasureTimeMs?: number;
}

/** How old the bandwidth is: the earlier of both directions, so that no value is older than that says. */
export function bandwidthMeasureTimeMs({
  downloadMeasureTimeMs,
  uploadMeasureTimeMs,
}: Measurement): number | undefined {
  if (downloadMeasureTimeMs === undefined) return uploadMeasureTimeMs;
  return Math.min(downloadMeasureTimeMs, uploadMeasureTimeMs ?? downloadMeasureTimeMs);
}

export interface Provenance {
  /** Names of the nodes whose tables named it first, at most 3. */
  readonly viaNodes: readonly string[];
  /** Distance in table look-ups from the local table. */
  readonly hopCount: number;
  /** How many tables named it in the last crawl that met it. */
  readonly witnessCount: number;
  readonly firstSeenTimeMs?: number;
}

/** A node as the IP table knows it. */
export interface Node {
  /** `nodes/HOST:PORT`. */
  readonly name: string;
  readonly address: PeerAddress;
  readonly row: PeerRow;
  readonly state: NodeState;
  /** Why it is in quarantine; empty = it is not. */
  readonly stateReason: QuarantineReason | "";
  readonly isSelf: boolean;
  readonly measurement?: Measurement;
  readonly specs?: NodeSpecs & { readonly observeTimeMs: number };
  readonly provenance: Provenance;
  /** Absent = it never answered. */
  readonly observeTimeMs?: number;
  readonly etag: string;
}

export interface CrawlRequest {
  /** 0..10. @default 3 */
  readonly maxHops?: number;
  /** Visits at once, 1..1024. @default 256 */
  readonly maxConcurrency?: number;
  /** One probe, in milliseconds. @default 3000 */
  readonly nodeTimeoutMs?: number;
  /** One table exchange, in milliseconds. @default 60000 */
  readonly exchangeTimeoutMs?: number;
  /** Nodes to start from besides the local table, as typed. @default none */
  readonly seedAddresses?: readonly string[];
  /** Rows of our table sent to each node. @default 16 */
  readonly maxSharedRows?: number;
  /** Measures download and upload after the last hop. @default not */
  readonly bandwidth?: BandwidthRequest;
  /** Checks the request and tells what hop 0 would visit; nobody is contacted, the table stays. @default false */
  readonly validateOnly?: boolean;
  /** Joins the newest crawl in progress from its first event; what else is asked of a crawl then does not count. @default false */
  readonly joinRunning?: boolean;
  /** Continues after the event that it came with; what else is asked of a crawl then does not count. @default empty */
  readonly resumeToken?: string;
}

export interface BandwidthRequest {
  /** Bytes in each direction, 1..67108864. @default 8388608 */
  readonly maxBytesPerNode?: number;
  /** All nodes together, in milliseconds. @default 20000 */
  readonly maxDurationMs?: number;
  /** A younger result is kept, in milliseconds. @default 86400000 */
  readonly maxAgeMs?: number;
}

export type CrawlStep = "PROBE" | "IP_TABLE" | "DOWNLOAD" | "UPLOAD";

/** @see UpdateIpTableResponse in ip_table.proto: the same facts, there for callers. */
export type CrawlEventBody =
  | { readonly kind: "started"; readonly crawl: string; readonly knownCount: number }
  | {
      readonly kind: "ownAddressFound";
      readonly publicIpAddress: string;
      readonly selfNode: string;
      readonly warning: string;
    }
  | { readonly kind: "hopStarted"; readonly hop: number }
  | { readonly kind: "nodeProbed"; readonly node: Node }
  | { readonly kind: "nodeDiscovered"; readonly node: Node; readonly viaNode: string }
  | {
      readonly kind: "tableFetched";
      readonly node: string;
      readonly entryCount: number;
      readonly newCount: number;
      readonly rejected: ReadonlyMap<RowRejection, number>;
      readonly bodyBytes: number;
      readonly elapsedMs: number;
    }
  | {
      readonly kind: "nodeFailed";
      readonly node: string;
      readonly step: CrawlStep;
      readonly failure: PeerFailure;
      readonly message: string;
      readonly httpStatus?: number | undefined;
    }
  | {
      readonly kind: "hopCompleted";
      readonly hop: number;
      readonly newCount: number;
      readonly failedCount: number;
      readonly elapsedMs: number;
    }
  | { readonly kind: "completed"; readonly summary: CrawlSummary }
  | { readonly kind: "heartbeat" };

export type EndReason = "FINISHED" | "DEADLINE" | "LIMIT" | "DRAINING" | "VALIDATED";

export interface CrawlSummary {
  readonly activeCount: number;
  readonly addedCount: number;
  readonly removedCount: number;
  /** Names of the nodes that did not answer, sorted. */
  readonly unreachable: readonly string[];
  readonly elapsedMs: number;
  readonly endReason: EndReason;
}

/** Where a crawl stands. Counts are visits of the whole crawl, save `hopOpenCount` and `hopDoneCount`. */
export interface CrawlProgress {
  readonly hop: number;
  readonly maxHops: number;
  readonly queuedCount: number;
  readonly inFlightCount: number;
  readonly doneCount: number;
  readonly failedCount: number;
  readonly knownCount: number;
  readonly hopOpenCount: number;
  readonly hopDoneCount: number;
}

export interface CrawlEvent {
  /** 1, 2, 3, without gap. */
  readonly sequence: number;
  /** Continues after this event; empty = no event of the crawl, but the end of one caller's stream. */
  readonly resumeToken: string;
  readonly timeMs: number;
  readonly progress: CrawlProgress;
  readonly body: CrawlEventBody;
}

export interface NodePageRequest {
  /** 1..1000; more is taken as 1000. */
  readonly pageSize: number;
  /** Empty = the first page. */
  readonly pageToken: string;
  /** docs/filters.md; empty = every node. */
  readonly filter: string;
  /** docs/filters.md; empty = by name. */
  readonly orderBy: string;
}

export interface NodePage {
  readonly nodes: readonly Node[];
  /** Empty = this was the last page. */
  readonly nextPageToken: string;
}

export interface CallerOptions {
  readonly caller: Caller;
  /** Ends the call; for a crawl: what was learnt until then is written. */
  readonly signal?: AbortSignal | undefined;
  /** What is left of the caller's own deadline, in milliseconds. @default none */
  readonly timeoutMs?: number | undefined;
}

export interface SpecsOptions extends CallerOptions {
  /** A younger answer is taken without asking the node, in milliseconds. @default the node is asked */
  readonly maxAgeMs?: number | undefined;
}

/** What `rpc` may ask of this room. Throws `P2pError` and `PeerError`. */
export interface IpTableService {
  /** Crawls the network. A node that fails is an event; only the failure of the whole crawl is thrown. */
  updateIpTable(request: CrawlRequest, options: CallerOptions): AsyncIterable<CrawlEvent>;
  /** Reads a page of the nodes that pass a filter, in an order, then by name. */
  listNodes(request: NodePageRequest): Promise<NodePage>;
  /** Puts a node into the table; `replaceAll` takes every other one out. Adding a known node changes nothing. */
  addNode(address: string, replaceAll: boolean, options: CallerOptions): Promise<Node>;
  /** Takes a node out of the table. `etag` empty = whatever it is now. */
  removeNode(node: string, etag: string): Promise<Node>;
  /** Asks a node for its specs, and remembers them; or takes what it told a probe or a call of late. */
  specs(node: string, options: SpecsOptions): Promise<NonNullable<Node["specs"]>>;
  /** Asks a node which images it builds. */
  images(node: string, options: CallerOptions): Promise<readonly NodeImage[]>;
  /**
   * Finds the node that a caller names, without contacting it.
   *
   * @returns whether it is contacted as typed: an operator names it, or put it into the table
   */
  locate(
    node: string,
    caller: Caller,
  ): Promise<{ readonly address: PeerAddress; readonly isAsTyped: boolean }>;
  /** Judges the address of a connected socket for a node that is not contacted as typed. */
  allowsConnected(remoteAddress: string): boolean;
  /** Ends crawls that still run, and resolves when what they learnt is written. */
  close(): Promise<void>;
}

import { hash } from "node:crypto";
import { addressKey, nodeName } from "../peer-api/address.js";
import type { NodeSpecs, PeerAddress, PeerRow } from "../peer-api/contract.js";
import type { Quarantine } from "./crawl/quarantine.js";
import type { Measurement, Node, NodeState, Provenance } from "./contract.js";

/**
 * Who put a row into the table. An operator's rows are contacted as typed; every other one obeys the address policy at
 * every contact.
 */
export type Origin = "operator" | "peer";

/** A node in memory. Records are replaced, never changed in place. */
export interface NodeRecord {
  readonly address: PeerAddress;
  readonly row: PeerRow;
  readonly origin: Origin;
  readonly state: NodeState;
  /** Crawls in a row in which it was silent while others answered. */
  readonly silentCrawlCount: number;
  /** Caught lying; absent = not, or not any more. */
  readonly quarantine?: Quarantine;
  readonly measurement?: Measurement;
  readonly specs?: NodeSpecs & { readonly observeTimeMs: number };
  readonly provenance: Provenance;
  readonly observeTimeMs?: number;
}

/** Makes the record of a node that was never asked. */
export function newRecord(row: PeerRow, origin: Origin, provenance: Partial<Provenance> = {}): NodeRecord {
  return {
    address: row.address,
    row,
    origin,
    state: "UNPROBED",
    silentCrawlCount: 0,
    ...(row.latencyNs > 0 ? { measurement: { latencyNs: row.latencyNs, sampleCount: 0 } } : {}),
    provenance: { viaNodes: [], hopCount: 0, witnessCount: 0, ...provenance },
  };
}

export const keyOf = (record: { readonly address: PeerAddress }): string => addressKey(record.address);

/** Shows a record as the rest of the gateway sees a node. */
export const toNode = (record: NodeRecord, isSelf: boolean): Node => new ShownNode(record, isSelf);

/**
 * A class, because a filter looks at thousands of nodes and shows a hundred: object literals with spreads and a getter of
 * their own took twenty times as long to make (`npm run bench`, row "page of").
 */
class ShownNode implements Node {
  readonly name: string;
  readonly address: PeerAddress;
  readonly row: PeerRow;
  readonly state: NodeState;
  readonly stateReason: Node["stateReason"];
  readonly isSelf: boolean;
  // Declared only: what is not known stays absent.
  declare readonly measurement?: Measurement;
  declare readonly specs?: NonNullable<NodeRecord["specs"]>;
  readonly provenance: Provenance;
  declare readonly observeTimeMs?: number;
  readonly #record: NodeRecord;
  #etag: string | undefined;

  constructor(record: NodeRecord, isSelf: boolean) {
    const { address, row, state, measurement, specs, provenance, observeTimeMs } = record;
    this.name = nodeName(address);
    this.address = address;
    this.row = row;
    this.state = state;
    this.stateReason = state === "QUARANTINED" ? (record.quarantine?.reason ?? "") : "";
    this.isSelf = isSelf;
    if (measurement !== undefined) this.measurement = measurement;
    if (specs !== undefined) this.specs = specs;
    this.provenance = provenance;
    if (observeTimeMs !== undefined) this.observeTimeMs = observeTimeMs;
    this.#record = record;
  }

  /** Worked out when it is first asked for, and once: an order by etag compares each node many times. */
  get etag(): string {
    return (this.#etag ??= etagOf(this.#record));
  }
}

/** A short text that changes with every change of a record, quoted as HTTP has it. */
export function etagOf(record: NodeRecord): string {
  const digest = hash("sha256", JSON.stringify(record), "base64url");
  return `"${digest.slice(0, 16)}"`;
}

interface Download {
  readonly downloadMbps?: number | undefined;
  readonly downloadMeasureTimeMs?: number | undefined;
}

interface Upload {
  readonly uploadMbps?: number | undefined;
  readonly uploadMeasureTimeMs?: number | undefined;
}

/** A measurement with another one's download, or without one where that has none. */
export function withDownloadOf(
  { downloadMbps: _, downloadMeasureTimeMs: __, ...rest }: Measurement,
  { downloadMbps, downloadMeasureTimeMs }: Download,
): Measurement {
  return {
    ...rest,
    ...(downloadMbps === undefined ? {} : { downloadMbps }),
    ...(downloadMeasureTimeMs === undefined ? {} : { downloadMeasureTimeMs }),
  };
}

/** The same for the upload. */
export function withUploadOf(
  { uploadMbps: _, uploadMeasureTimeMs: __, ...rest }: Measurement,
  { uploadMbps, uploadMeasureTimeMs }: Upload,
): Measurement {
  return {
    ...rest,
    ...(uploadMbps === undefined ? {} : { uploadMbps }),
    ...(uploadMeasureTimeMs === undefined ? {} : { uploadMeasureTimeMs }),
  };
}

/** A latency measured anew, with the bandwidth measured before. */
export const withBandwidthOf = (latency: Measurement, before: Download & Upload = {}): Measurement =>
  withUploadOf(withDownloadOf(latency, before), before);

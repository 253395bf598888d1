import type { PeerApi, PeerRow, TableForm } from "../../peer-api/contract.js";
import type { Logger } from "../../observability/logger.js";
import type { AddressPolicy } from "../address-policy.js";
import type { BandwidthRequest } from "../contract.js";
import type { Clock } from "../../system/clock.js";
import type { NodeRecord } from "../node-record.js";
import type { OwnAddressSource, OwnIdentity } from "../own-address.js";

/** What a crawl is made of. */
export interface CrawlDeps {
  readonly clock: Clock;
  readonly openPeerApi: () => PeerApi;
  readonly buildTableForm: (rows: readonly PeerRow[]) => TableForm;
  readonly ownAddress: OwnAddressSource;
  readonly own: Omit<OwnIdentity, "publicIpAddress">;
  /** The row that tells others of us; undefined where no P2PRC server runs beside us. */
  readonly findOwnRow: (publicIpAddress: string) => Promise<PeerRow | undefined>;
  readonly policy: AddressPolicy;
  readonly logger: Logger;
}

/** What one crawl is to do. */
export interface CrawlPlan {
  /** `crawls/UUID`. */
  readonly name: string;
  /** Keys of the nodes that stand in the local table. */
  readonly startedFrom: ReadonlySet<string>;
  /** The local table and the seeds. */
  readonly start: readonly NodeRecord[];
  readonly maxHops: number;
  readonly maxConcurrency: number;
  readonly nodeTimeoutMs: number | undefined;
  readonly exchangeTimeoutMs: number | undefined;
  readonly maxSharedRows: number;
  /** Undefined = bandwidth is not measured. */
  readonly bandwidth: Required<BandwidthRequest> | undefined;
}

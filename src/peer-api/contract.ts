/** What the gateway needs from other machines. Implemented by this room; faked in unit tests. */
import type { JsonObject } from "./json-body.js";

/** Where a node's REST API listens. Two addresses are the same node if and only if `addressKey` agrees. */
export interface PeerAddress {
  /** Canonical IP literal (IPv6 without brackets, shortest spelling), or a lower-case DNS name an operator typed. */
  readonly host: string;
  /** TCP port, 1..65535. */
  readonly port: number;
}

export interface CallOptions {
  /** Whole call, from connect to last byte, in milliseconds. @default by route, see `limits.ts` */
  readonly timeoutMs?: number;
  /** Judges the address of the connected socket, before a byte is sent. @default every address is allowed */
  readonly isAllowed?: ((remoteAddress: string) => boolean) | undefined;
  /** Called when something arrives from the node: it is not silent. */
  readonly onActivity?: (() => void) | undefined;
  /** Ends the call at once; its sockets are gone when the promise settles. */
  readonly signal?: AbortSignal | undefined;
}

/** What is looked for at a port: the banner of an SSH server, a TCP connection, or an answer to `GET /` below 500. */
export type PortSign = "SSH_BANNER" | "TCP" | "HTTP";

/**
 * Looks at a port once, on one connection of its own. Resolves when the sign was there.
 *
 * @throws {PeerError} it was not; `HTTP_STATUS`: 500 and above; `BAD_BODY`: something else than asked for answered
 */
export type LookAtPort = (address: PeerAddress, sign: PortSign, options?: CallOptions) => Promise<void>;

/** What a measurement of the bandwidth may cost. Reaching either limit ends it, and is no failure. */
export interface TransferOptions extends CallOptions {
  /** Bytes of the file, in one direction, 1..67108864. */
  readonly maxBytes: number;
  /** How long bytes flow, in milliseconds. @default 3000 */
  readonly maxDurationMs?: number;
}

export interface Transfer {
  /** Bytes of the file that count. */
  readonly bytes: number;
  /** Download: from the first byte of the body to the last one that counts. Upload: to the node's answer. */
  readonly elapsedMs: number;
  /** Absent = too little data for a rate. */
  readonly megabitsPerSecond?: number;
}

/** A node's hardware and platform, as it tells them. Empty text and 0 mean not told. */
export interface NodeSpecs {
  readonly hostname: string;
  readonly platform: string;
  readonly cpuModel: string;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly gpus: readonly Gpu[];
}

/** One graphics processor. Empty text and absent numbers mean not told. */
export interface Gpu {
  readonly model: string;
  readonly driverVersion: string;
  readonly biosVersion: string;
  readonly fanSpeedPercent?: number;
  readonly utilizationPercent?: number;
  readonly memoryUtilizationPercent?: number;
  readonly temperatureCelsius?: number;
  readonly clockMhz?: number;
  readonly memoryClockMhz?: number;
}

export interface NodeImage {
  readonly name: string;
  readonly description: string;
}

/** How far a node is away, and what it said meanwhile. */
export interface Probe {
  /** Best round trip / 2, in nanoseconds, > 0. */
  readonly latencyNs: number;
  /** Worst - best round trip, in nanoseconds; absent with a single sample. */
  readonly jitterNs?: number;
  /** Completed round trips, 1..3. Fewer than 3: the time was over, and what was measured counts. */
  readonly sampleCount: number;
  readonly specs: NodeSpecs;
}

/** One row of an IP table, whatever version wrote it. Empty text, 0 and false mean not told. */
export interface PeerRow {
  readonly address: PeerAddress;
  readonly machineName: string;
  readonly machineUsername: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly udpServerPort: number;
  readonly bareMetalSshPort: number;
  readonly nat: boolean;
  readonly escapeImplementation: string;
  readonly proxyServer: boolean;
  readonly unsafeMode: boolean;
  readonly publicKey: string;
  readonly customInformation: string;
  /** Nanoseconds; 0 = not measured. */
  readonly latencyNs: number;
  /** Mbit/s; 0 = not measured, or a stale value of 2021. */
  readonly downloadMbps: number;
  readonly uploadMbps: number;
}

/** Why a row of a table is left out. The names are public: `TableFetched.rejected_count_by_reason`. */
export const rowRejections = [
  "NOT_A_ROW",
  "INVALID_ADDRESS",
  "INVALID_PORT",
  "UNSPECIFIED_ADDRESS",
  "ADDRESS_BLOCKED",
  "DUPLICATE",
  "OWN_NODE",
  "TOO_MANY_ROWS",
  "ADDRESS_FULL",
  "REPORTER_FULL",
  "CRAWL_FULL",
] as const;
export type RowRejection = (typeof rowRejections)[number];

/** A node's table as it came. */
export interface TableReply {
  readonly rows: readonly PeerRow[];
  /** Rows the node sent, rejected ones included. */
  readonly entryCount: number;
  readonly rejected: ReadonlyMap<RowRejection, number>;
  readonly bodyBytes: number;
  readonly elapsedMs: number;
}

/** A table wrapped as multipart form, built once and sent to many nodes. */
export interface TableForm {
  readonly contentType: string;
  readonly body: Buffer;
}

/** What a node is asked to run. Every text has passed its grammar before it comes here. */
export interface ContainerOrder {
  /** Ports wanted beside those of the image. */
  readonly portCount: number;
  readonly gpu: boolean;
  /** Name of an image of the node (`images`); empty = the node's default. */
  readonly image: string;
  /** What that image is built on; empty = the node's default. */
  readonly baseImage: string;
  /** As in authorized_keys: one key on a line. */
  readonly sshPublicKey: string;
}

/** A port of a container. Empty text and 0 mean not told. */
export interface ContainerPort {
  readonly name: string;
  readonly internalPort: number;
  /** Where the container is reached from outside, 1..65535. */
  readonly externalPort: number;
  readonly protocol: string;
  readonly isUsed: boolean;
  readonly description: string;
}

/** A container as its node describes it, whatever version wrote it. Empty text and 0 mean not told. */
export interface NodeContainer {
  /** Judge it with `isContainerId` before it goes to a node: a tracking file may hold any text. */
  readonly id: string;
  readonly sshUsername: string;
  readonly sshPassword: string;
  /** One key on a line, without the last line's end. */
  readonly sshPublicKey: string;
  /** External port of the first port named SSH. */
  readonly sshPort: number;
  /** External port of the first port named VNC. */
  readonly vncPort: number;
  readonly vncPassword: string;
  /** The node's tag of the built image, never the name that was ordered. */
  readonly image: string;
  readonly baseImage: string;
  readonly gpu: boolean;
  /** At most 128, each with an external port. */
  readonly ports: readonly ContainerPort[];
  /** The description exactly as it came, for the tracking files: never spread or merge it. */
  readonly raw: JsonObject;
}

/** What a node answered to an order. Its `message` is the node's own text, cleaned and short: never show it to callers. */
export type StartAnswer =
  | { readonly kind: "created"; readonly container: NodeContainer }
  /** An error, but a container's description came with it: it runs. */
  | {
      readonly kind: "createdWithError";
      readonly container: NodeContainer;
      readonly httpStatus: number;
      readonly message: string;
    }
  /** A complete answer of status 4xx or 5xx without a container. */
  | {
      readonly kind: "refused";
      readonly httpStatus: number;
      readonly message: string;
      /** Whether a container may exist all the same. False only where that was measured. */
      readonly mayRun: boolean;
      /** Whether the node said that it has no image of that name. */
      readonly isImageUnknown: boolean;
    };

/** What a node answered to a removal. Its `message` is the node's own text: never show it to callers. */
export type RemoveAnswer =
  | { readonly kind: "removed"; readonly message: string }
  /** The container may be gone already, or may run: nodes do not tell these apart. */
  | { readonly kind: "refused"; readonly httpStatus: number; readonly message: string };

/** Which port a node is to make reachable from outside. */
export interface PortOrder {
  /** On the node's own machine, 1..65535. */
  readonly port: number;
  /** Under which the proxy serves it, with TLS; empty = none. */
  readonly domainName: string;
  readonly isUdp: boolean;
}

/** Where a mapped port is reached. */
export interface MappedPort {
  /** Canonical IP literal or lower-case DNS name; empty = not told. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

/** What a node answered to an order for a port. Its `message` is the node's own text: never show it to callers. */
export type MapAnswer =
  | ({ readonly kind: "mapped" } & MappedPort)
  | { readonly kind: "refused"; readonly httpStatus: number; readonly message: string };

/**
 * Calls to nodes over sockets of its own, kept open until `release` or `close`: at most 2 to a node at once, and one more
 * for each container that is being started or removed and each port that is being mapped.
 *
 * Every method throws `PeerError` with a reason, and nothing else.
 */
export interface PeerApi {
  /**
   * Measures how far a node is away: three round trips of its specs, one after the other on one connection.
   * The best one counts, as the original client does it. Asks `/server_info` first and `/server_specs` where the
   * node has no such route.
   * Source: shared protocol notes, "Speed test and units".
   */
  probe(address: PeerAddress, options?: CallOptions): Promise<Probe>;
  /** Sends our table and reads the node's own, after the node has pinged every row of both: minutes are normal. */
  exchangeTable(address: PeerAddress, form: TableForm, options?: CallOptions): Promise<TableReply>;
  /** Reads a node's specs once. */
  specs(address: PeerAddress, options?: CallOptions): Promise<NodeSpecs>;
  /** Reads which images a node builds containers from. */
  images(address: PeerAddress, options?: CallOptions): Promise<readonly NodeImage[]>;
  /** Measures how fast a node sends: reads the beginning of its file `/50`, and keeps none of it. */
  download(address: PeerAddress, options: TransferOptions): Promise<Transfer>;
  /** Measures how fast a node takes: sends it random bytes as a file, none of which it stores. */
  upload(address: PeerAddress, options: TransferOptions): Promise<Transfer>;
  /**
   * Orders a container: minutes are normal, because the node builds its image meanwhile. Sent once, never repeated, on a
   * connection of its own. A failure with `wasSent` leaves open whether a container runs.
   */
  startContainer(address: PeerAddress, order: ContainerOrder, options?: CallOptions): Promise<StartAnswer>;
  /**
   * Removes a container. Sent once, never repeated, on a connection of its own.
   *
   * @throws {RangeError} the id is none by `isContainerId`: a mistake of the caller's, nothing is sent
   */
  removeContainer(address: PeerAddress, id: string, options?: CallOptions): Promise<RemoveAnswer>;
  /**
   * Has a port made reachable from outside: 5 s and more are normal. Sent once, never repeated, on a connection of its
   * own. A failure with `wasSent` leaves open whether it is reachable, and where.
   */
  mapPort(address: PeerAddress, order: PortOrder, options?: CallOptions): Promise<MapAnswer>;
  /** Closes the sockets to one node, after its last call: one still under way fails with reason `CANCELED`. */
  release(address: PeerAddress): void;
  /** Closes every socket. Calls under way fail with reason `CANCELED`. */
  close(): void;
}

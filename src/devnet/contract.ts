/** What a devnet takes and gives: P2PRC nodes on loopback, for the demo, the tests and the benchmark. */

import type { ContainerLedger } from "./container-ledger.js";
import type { ContainerOptions } from "./container-options.js";
import type { DialectName } from "./dialects.js";
import type { FaultPlan, FaultName } from "./faults.js";
import type { Container } from "./runtime.js";

export type { ContainerCreate, ContainerLedger, ContainerRemoval } from "./container-ledger.js";
export type { ContainerOptions } from "./container-options.js";
export type { DockerOptions } from "./docker-options.js";
export type { Container } from "./runtime.js";

/**
 * How healthy nodes know each other.
 * - `random`: levels below the entry nodes; a table names nodes of the next level and some of its own or above
 * - `chain`: each node knows only the next one
 * - `mesh`: every node knows every other one
 */
export type Shape = "random" | "chain" | "mesh";

export type SpeedTestFile = "present" | "missing";

/** Plain values only: they travel to a process of their own as JSON. */
export interface DevnetOptions {
  /** How many nodes, faulty ones included, 1..10000. */
  readonly nodes: number;
  /** One port for all addresses; 0 picks one that is free on all of them. Some nodes are on the ports after it. @default 0 */
  readonly port?: number | undefined;
  /** Before each answer, in milliseconds, 0..600000. @default 0 */
  readonly delayMs?: number | undefined;
  /** The same seed and options give the same network. @default 1 */
  readonly seed?: number | undefined;
  /** How many nodes have which fault. Entry nodes have none. @default no faults */
  readonly faults?: FaultPlan | undefined;
  /** @default "random" */
  readonly shape?: Shape | undefined;
  /** Rows of a table of shape `random`, the node's own one included, 2..4096; faulty neighbours may add to it. @default 6 */
  readonly rowsPerTable?: number | undefined;
  /** How many nodes a crawl starts from; a chain has one. @default 2, or fewer in a tiny network */
  readonly entryNodes?: number | undefined;
  /** Spoken by turns, mixed by the seed. @default every one that the port allows */
  readonly dialects?: readonly DialectName[] | undefined;
  /**
   * File that each call is appended to as a JSON line, and each event of a container as well, with an fsync before the
   * node answers. @default memory only
   */
  readonly ledgerPath?: string | undefined;
  /**
   * Address of the first node, of loopback or private; the next ones follow, without those ending in .0 and .255.
   * @default "127.0.1.1"
   */
  readonly firstAddress?: string | undefined;
  /**
   * Adds so many healthy nodes on ::1, each on a port of its own, where the system has that address; true = one.
   * 0..1000. @default 0
   */
  readonly ipv6?: boolean | number | undefined;
  /**
   * How many nodes, the last ones, share one IPv4 address, as nodes behind an FRP proxy do, each on a port of its own:
   * the first one on the devnet's port, the others on the ports after it. They speak no dialect without ports.
   * 0..1000. @default 0
   */
  readonly sharedAddress?: number | undefined;
  /**
   * Rate of GET /50, of each node by itself, in Mbit/s, 0.001..100000. A list is dealt to the nodes by position, again
   * and again. @default as fast as the machine
   */
  readonly bandwidthMbps?: number | readonly number[] | undefined;
  /** Rate of GET /upload, as `bandwidthMbps`. @default as fast as the machine */
  readonly uploadMbps?: number | readonly number[] | undefined;
  /** Whether the nodes have the file behind GET /50. @default "present" */
  readonly speedTestFile?: SpeedTestFile | undefined;
  /** Net of loopback that nodes with the fault `victims` name 4,096 hosts of. @default "127.200.0.0/16" */
  readonly victimNet?: string | undefined;
  /** On which port, 1..65535. @default the devnet's */
  readonly victimPort?: number | undefined;
  /** How late nodes with the fault `slow` answer, in milliseconds, 0..600000. @default 5000 */
  readonly slowDelayMs?: number | undefined;
  /** How long a node takes to map a port, in milliseconds, 0..600000; real ones take 5 s or more. @default 0 */
  readonly mapDelayMs?: number | undefined;
  /** How containers behave. @default they listen, without delays */
  readonly containers?: ContainerOptions | undefined;
}

export interface DevnetNode {
  /** `127.0.1.1:8088`, or `[::1]:8088`. */
  readonly address: string;
  /** Its machine name, also told as Hostname. */
  readonly name: string;
  readonly dialect: DialectName;
  readonly fault?: FaultName;
  /** Table look-ups from an entry node; 0 for entry nodes themselves. */
  readonly depth: number;
}

/** One request that a node read to its end; of GET /upload also one that broke off in its body. */
export interface LedgerCall {
  /**
   * When the request was complete; for GET /50 and GET /upload when the call was over, for routes of containers when
   * their work was done: ISO 8601, UTC.
   */
  readonly time: string;
  /** Address of the node, as in `DevnetNode.address`. */
  readonly node: string;
  readonly method: string;
  /** With the query, as it came. */
  readonly path: string;
  /** What the node answers with; null if it never answers, or its caller left too early. */
  readonly status: number | null;
  /** Of the body, as far as it came. */
  readonly requestBytes: number;
  /** POST /IpTable with a file part: the rows in it; null if the part holds no such JSON. */
  readonly rows?: readonly unknown[] | null;
  /** POST /IpTable and GET /upload with a file part: its size, as far as it came. */
  readonly partBytes?: number;
  /** GET /MAPPort: the port outside that leads to the one asked for; absent = none was opened. */
  readonly mappedPort?: number;
  /** GET /50: bytes of the body written until it was complete or the caller left. */
  readonly sentBytes?: number;
}

/** Picks calls; what is left out does not matter. `path` is compared without the query. */
export type CallPattern = Partial<Pick<LedgerCall, "node" | "method" | "path" | "status">>;

/** The calls of container routes are also kept as creates and removals, from the moment they have come. */
export interface Ledger extends ContainerLedger {
  readonly calls: readonly LedgerCall[];
  /** The calls that match, oldest first. */
  matching(pattern: CallPattern): readonly LedgerCall[];
  count(pattern?: CallPattern): number;
  /** Resolves once every call recorded so far is in the file. */
  flush(): Promise<void>;
}

/** What both kinds of devnet tell about their network. */
export interface DevnetView {
  readonly port: number;
  /** Whether this system has ::1. Where it is missing, the option `ipv6` adds no nodes. */
  readonly ipv6Available: boolean;
  /** In address order; entry nodes first. */
  readonly nodes: readonly DevnetNode[];
  /** The nodes to start a crawl from. All healthy nodes are within reach of them. */
  readonly entryAddresses: readonly string[];
}

/** One node, as it is now. */
export interface NodeControl {
  readonly address: string;
  readonly isListening: boolean;
  readonly fault: FaultName | undefined;
  /** Its containers, oldest first. */
  readonly containers: readonly Container[];
  /** Ends P2PRC there: connections are cut, new ones refused. Containers go on, unless the whole machine goes. */
  stop(options?: StopOptions): Promise<void>;
  /** Starts P2PRC again, on the same port. @throws {DevnetError} somebody else has taken it */
  start(): Promise<void>;
  /**
   * Has the node fail in another way from now on, or no more.
   *
   * @throws {DevnetError} the fault is one that is decided before a node listens
   */
  setFault(fault: FaultName | undefined): void;
}

export interface StopOptions {
  /** Whether the ports of its containers close as well, for good. @default false */
  readonly machineToo?: boolean | undefined;
}

export interface Devnet extends DevnetView {
  readonly ledger: Ledger;
  /** @param which its position in `nodes`, or its address. @throws {DevnetError} there is no such node */
  node(which: number | string): NodeControl;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

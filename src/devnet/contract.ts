/** What a devnet takes and gives: P2PRC nodes on loopback, for the demo, the tests and the benchmark. */

import type { DialectName } from "./dialects.js";
import type { FaultPlan, FaultName } from "./faults.js";

/**
 * How healthy nodes know each other.
 * - `random`: levels below the entry nodes; a table names nodes of the next level and some of its own or above
 * - `chain`: each node knows only the next one
 * - `mesh`: every node knows every other one
 */
export type Shape = "random" | "chain" | "mesh";

/** Plain values only: they travel to a process of their own as JSON. */
export interface DevnetOptions {
  /** How many nodes, faulty ones included, 1..10000. */
  readonly nodes: number;
  /** One port for all addresses; 0 picks one that is free on all of them. @default 0 */
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
  /** File that each call is appended to as a JSON line. @default memory only */
  readonly ledgerPath?: string | undefined;
  /** Address of the first node; the next ones follow, without those ending in .0 and .255. @default "127.0.1.1" */
  readonly firstAddress?: string | undefined;
  /** Adds one healthy node on ::1 where the system has that address. @default false */
  readonly ipv6?: boolean | undefined;
  /** How late nodes with the fault `slow` answer, in milliseconds, 0..600000. @default 5000 */
  readonly slowDelayMs?: number | undefined;
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

/** One request that a node read to its end. */
export interface LedgerCall {
  /** When the request was complete: ISO 8601, UTC. */
  readonly time: string;
  /** Address of the node, as in `DevnetNode.address`. */
  readonly node: string;
  readonly method: string;
  /** With the query, as it came. */
  readonly path: string;
  /** What the node answers with; null if it never answers. */
  readonly status: number | null;
  /** Of the body. */
  readonly requestBytes: number;
  /** POST /IpTable with a file part: the rows in it; null if the part holds no such JSON. */
  readonly rows?: readonly unknown[] | null;
  /** POST /IpTable with a file part: its size. */
  readonly partBytes?: number;
}

/** Picks calls; what is left out does not matter. `path` is compared without the query. */
export type CallPattern = Partial<Pick<LedgerCall, "node" | "method" | "path" | "status">>;

export interface Ledger {
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
  /** In address order; entry nodes first. */
  readonly nodes: readonly DevnetNode[];
  /** The nodes to start a crawl from. All healthy nodes are within reach of them. */
  readonly entryAddresses: readonly string[];
}

export interface Devnet extends DevnetView {
  readonly ledger: Ledger;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

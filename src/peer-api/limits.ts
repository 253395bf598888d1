/** Time and size limits of each call to a node. docs/limits.md lists the same rows; a test compares both ways. */
export interface RouteLimit {
  /** Whole call, from connect to last byte, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest body taken, in bytes. The connection is cut at the first byte beyond. */
  readonly maxBodyBytes: number;
}

export const routeLimits = {
  probe: { timeoutMs: 3_000, maxBodyBytes: 256 * 1024 },
  specs: { timeoutMs: 10_000, maxBodyBytes: 256 * 1024 },
  ipTable: { timeoutMs: 60_000, maxBodyBytes: 4 * 1024 * 1024 },
  images: { timeoutMs: 10_000, maxBodyBytes: 256 * 1024 },
  publicAddress: { timeoutMs: 3_000, maxBodyBytes: 4 * 1024 },
} as const satisfies Record<string, RouteLimit>;

/** Rows taken from one table; the rest is counted as rejected. */
export const maxTableRows = 4_096;

/** Images taken from one list. */
export const maxImages = 1_024;

/** Largest block of response headers, in bytes. */
export const maxHeaderBytes = 16 * 1024;

/** Sockets to one node at once. */
export const maxSocketsPerNode = 2;

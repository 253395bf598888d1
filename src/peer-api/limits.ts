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
  download: { timeoutMs: 6_000, maxBodyBytes: 64 * 1024 * 1024 },
  upload: { timeoutMs: 11_000, maxBodyBytes: 64 * 1024 },
  startContainer: { timeoutMs: 600_000, maxBodyBytes: 64 * 1024 },
  removeContainer: { timeoutMs: 60_000, maxBodyBytes: 4 * 1024 },
  mapPort: { timeoutMs: 60_000, maxBodyBytes: 4 * 1024 },
  publicAddress: { timeoutMs: 3_000, maxBodyBytes: 4 * 1024 },
  portLook: { timeoutMs: 3_000, maxBodyBytes: 8 * 1024 },
} as const satisfies Record<string, RouteLimit>;

/** How a download and an upload are measured. docs/limits.md lists the same rows; a test compares both ways. */
export const speedLimits = {
  /** From the call to the first byte of the body, in milliseconds. */
  firstByteMs: 3_000,
  /** How long bytes flow, in milliseconds, where the caller does not say. */
  defaultDurationMs: 3_000,
  /** What may pass beyond that until the node has answered an upload: what the kernels hold has to arrive first. */
  answerMs: 5_000,
  /** Bytes, or milliseconds, of which one must be reached for a rate: less says more of the start than of the line. */
  enoughBytes: 1024 * 1024,
  enoughMs: 1_000,
  /** Below so many bytes there is no rate, however long it took. */
  minBytes: 32 * 1024,
} as const;

/** Rows taken from one table; the rest is counted as rejected. */
export const maxTableRows = 4_096;

/** Values in those rows: twice as many as today's 16 columns. */
export const maxTableValues = maxTableRows * 32;

/** Images taken from one list. */
export const maxImages = 1_024;

/** Ports taken of one container. */
export const maxContainerPorts = 128;

/** How deep lists and objects may lie in each other in what is kept as it came. */
export const maxJsonDepth = 16;

/** Largest block of response headers, in bytes. */
export const maxHeaderBytes = 16 * 1024;

/** Longest line before or in the banner of an SSH server, in bytes, its end included. Source: RFC 4253, 4.2. */
export const maxBannerLineBytes = 255;

/** Sockets to one node at once. */
export const maxSocketsPerNode = 2;

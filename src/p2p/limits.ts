/** Limits of one crawl and of the table. docs/limits.md lists the same rows; a test compares both ways. */
export const crawlLimits = {
  /** Look-ups away from the local table. */
  maxHops: 10,
  defaultHops: 3,
  /** Visits at once. */
  defaultConcurrency: 256,
  maxConcurrency: 1_024,
  /** A visit silent for so long gives its place back, and goes on. */
  silenceMs: 500,
  /** Visits under way, silent ones included: each holds a socket. */
  maxSockets: 1_024,
  /** Nodes one crawl meets; rows beyond are rejected as CRAWL_FULL. */
  maxNodes: 10_000,
  /** Nodes one table brings in; rows beyond are rejected as REPORTER_FULL: others that are honest will name them too. */
  maxNodesPerReporter: 256,
  /** Nodes met at one address, on ports of their own, as behind a proxy; rows beyond are rejected as ADDRESS_FULL. */
  maxNodesPerAddress: 64,
  /** Longest crawl. */
  maxCrawlMs: 30 * 60_000,
  /** Crawls at once. */
  maxCrawls: 4,
  /** A stream without an event for so long carries a heartbeat. */
  heartbeatMs: 10_000,
  /** How long nodes that may be ourselves wait at hop 0 for our public address. */
  selfGraceMs: 250,
  /** Events kept of one crawl, for those who join or come back. */
  maxLogEvents: 50_000,
  /** How long a crawl is kept that nobody watches, and one that is over. */
  keptMs: 5 * 60_000,
  /** How long a crawl may go on once the gateway drains. */
  drainMs: 5_000,
  /** Rows of our table sent to a node. */
  defaultSharedRows: 16,
  /** Bytes that measure a node's bandwidth, in each direction. */
  defaultBandwidthBytes: 8 * 1024 * 1024,
  maxBandwidthBytes: 64 * 1024 * 1024,
  /** How long they flow, in each direction. */
  bandwidthDirectionMs: 3_000,
  /** All measurements of a crawl together. */
  defaultBandwidthMs: 20_000,
  maxBandwidthMs: 300_000,
  /** A younger result is kept. */
  defaultBandwidthAgeMs: 24 * 60 * 60_000,
} as const;

export const tableLimits = {
  /** Largest table file read, in bytes. */
  maxFileBytes: 64 * 1024 * 1024,
  /** Largest side file, in bytes. */
  maxSideFileBytes: 256 * 1024 * 1024,
  /** A disk that does not answer for so long fails the call. */
  diskTimeoutMs: 10_000,
  /** How often a change is made anew because others wrote the file meanwhile. */
  writeAttempts: 8,
  /** Nodes that crawls and callers may bring into the table. */
  maxNodes: 20_000,
  /** A node silent in so many crawls leaves the table. */
  maxSilentCrawls: 3,
  /** Age up to which a caller may take specs without asking the node. */
  maxSpecsAgeMs: 30 * 24 * 60 * 60_000,
  /** Nodes on one page. */
  maxPageSize: 1_000,
  /** Rough size of a page, in bytes: the response limit of gRPC clients is 4 MiB. */
  maxPageBytes: 2 * 1024 * 1024,
} as const;

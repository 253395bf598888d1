/** Limits of this room. docs/limits.md lists the same rows; a test compares both ways. */
export const containerLimits = {
  /** Members of a group: so that every change of a group fits one commit. */
  maxGroupMembers: 1_000,
  /** Groups a container is in. */
  maxGroupsPerContainer: 16,
  /** Keys and values of the labels of a container together, in bytes. */
  maxLabelBytes: 2 * 1024,
  /** Labels of a container. */
  maxLabels: 64,
  /** Ports wanted besides SSH. */
  maxPortCount: 64,
  /** How long an answer is kept for those who repeat a `request_id`. */
  requestIdKeptMs: 24 * 60 * 60_000,
  /** How long a container that was removed is shown to those who ask. */
  tombstoneKeptMs: 7 * 24 * 60 * 60_000,
  /** Such containers at most, and as many groups that have ended; the oldest go first. */
  maxTombstones: 10_000,
  /** Longest description of a container taken over from a tracking file; a longer one stays in the file only. */
  maxEntryBytes: 128 * 1024,
  /** Creations under way at once. */
  maxCreates: 256,
  /** Ports being mapped at once. */
  maxPortMaps: 64,
  /** How long calls to nodes may go on once the gateway drains. */
  drainMs: 30_000,
  /** How long a change is made anew because others changed the same record meanwhile. */
  conflictMs: 10_000,
  /** How long the outcome of a call to a node waits for a disk that is full or silent, before its caller is answered. */
  commitRetryMs: 10_000,
  /** How long a caller waits for what the state is to show while its store is away. */
  awayMs: 10_000,
  /** Between two heartbeats of a gateway that has creations or removals under way. */
  heartbeatMs: 5_000,
  /** A gateway that has work and neither a heartbeat nor an end of it for so long has died: its outcome is unknown. */
  ownerSilenceMs: 15_000,
  /** A disk that does not answer for so long fails who waits for the gateway's SSH key. */
  keyDiskMs: 10_000,
  /** How long the outcome of a creation waits for the local journal, before it goes on without. */
  journalMs: 2_000,
  /** Size of the local journal from which on it is written anew, without what has left it. */
  maxJournalBytes: 32 * 1024 * 1024,
  /** How long the local journal keeps an outcome for a state that has never heard of it. */
  journalKeptMs: 7 * 24 * 60 * 60_000,
  /** How long it keeps, at least, an outcome that the state has: a failover may take so long to lose it again. */
  journalToldMs: 5 * 60_000,
  /** How often records out of date are cleared away. */
  sweepMs: 60_000,
  /** How long a record stands without what it belongs to, after a loss, before it is taken away. */
  orphanMs: 60_000,
  /** Items on one page. */
  maxPageSize: 1_000,
  /** Rough size of a page, in bytes: the response limit of gRPC clients is 4 MiB. */
  maxPageBytes: 2 * 1024 * 1024,
  /** Watchers at once. */
  maxWatchers: 4_096,
  /** Messages kept for one watcher that reads slowly; more end its stream. */
  maxWatchQueue: 1_024,
  /** The same in bytes, roughly. */
  maxWatchQueueBytes: 8 * 1024 * 1024,
  /** Rough size of one message of Watch, in bytes; a larger commit comes in several. */
  maxWatchMessageBytes: 1024 * 1024,
  /** A Watch without a message for so long carries a BOOKMARK. */
  defaultHeartbeatMs: 10_000,
  /** Longest wait of WaitContainer. */
  maxWaitMs: 60 * 60_000,
  /** Without `timeout`. */
  defaultWaitMs: 60_000,
  /** Gateways of one state whose SSH keys a new container lets in; those that came last count. */
  maxGatewayKeys: 8,
  /** Between two looks of WaitContainer. */
  waitIntervalMs: 500,
  /** Looks of WaitContainer at once; those who wait for the same port share one. */
  maxLooks: 256,
  /** One look at a port. */
  lookTimeoutMs: 3_000,
  /** Between two looks at a tracked container, on average. */
  livenessIntervalMs: 60_000,
  /** Looks at once. */
  livenessConcurrency: 16,
  /** Of them at containers of one node. */
  livenessPerNode: 4,
  /** From a look that nobody answered to the second one, on average. */
  livenessDoubtMs: 3_000,
  /** Containers that one commit of the liveness shows as reachable or unreachable. */
  maxFlips: 256,
} as const;

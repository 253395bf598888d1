/**
 * Bugs of gateways that share a state, planted from outside: a module of the product is replaced by one of `planted/`
 * in the process that starts with it (`plant.ts`). Each is in every gateway of its fleet.
 */
interface Substitution {
  /** Below `src`. */
  readonly module: string;
  /** Below `planted`: has the same exports. */
  readonly by: string;
}

const store = "store/redis/redis-store.js";
const scripts = "store/redis/redis-scripts.js";

const substitutions = {
  "sends a lost commit again under another operation id": { module: scripts, by: "fresh-operation-ids.js" },
  "writes records before the log": { module: scripts, by: "log-last.js" },
  "never rewrites its heartbeat": { module: store, by: "no-heartbeat.js" },
  "repeats a creation of unknown outcome": { module: store, by: "asks-again.js" },
  "passes over a gap in the log": { module: store, by: "over-gaps.js" },
  "takes a flushed state for an empty one": { module: store, by: "believes-a-flush.js" },
  "does not sync its local journal": { module: "system/line-journal.js", by: "unsynced-journal.js" },
  "does not read its local journal": { module: "containers/sharing/seen-replay.js", by: "unread-journal.js" },
} as const satisfies Record<string, Substitution>;

export type FleetBugName = keyof typeof substitutions;
export const fleetBugs: Readonly<Record<FleetBugName, Substitution>> = substitutions;

import { StoreError, type StoreReason } from "../errors.js";
import { RedisAddressError } from "./redis-address.js";

/** The connection failed, or Redis did not answer in time. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
  /** False = no byte of the command left: it was not done. */
  readonly wasSent: boolean;

  constructor(message: string, wasSent: boolean, cause?: unknown) {
    super(message, { cause });
    this.wasSent = wasSent;
  }
}

/** What failed came first: nothing of what was to follow was sent. */
export function notSent(error: unknown): never {
  throw error instanceof ConnectionLostError ? new ConnectionLostError(error.message, false, error) : error;
}

/** Redis answered that it did not do it. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  /** The first word of Redis's answer. */
  readonly code: string;

  constructor(text: string) {
    super(text);
    this.code = codeOf(text);
  }
}

interface Refusal {
  readonly reason: StoreReason;
  readonly words: string;
  /** It goes away by itself: worth asking again for a moment. */
  readonly isPassing: boolean;
}

const refusal = (reason: StoreReason, words: string, isPassing = false): Refusal => ({
  reason,
  words,
  isPassing,
});

const unavailable = "STATE_STORE_UNAVAILABLE";
/** One address leads to one node: when the slot moves, or its node fails, no other one is found. */
export const clusterWords =
  "--redis names a node of a Redis Cluster, which cannot hold the state: name a Redis with cluster-enabled no, alone or with replicas";
export const sentinelWords =
  "--redis names a Sentinel: name the Redis that it watches, or an address that follows its primary";
const refusalOf: Readonly<Record<string, Refusal>> = {
  // A primary that became a replica. The next connection may lead to the new one.
  READONLY: refusal("STATE_READ_ONLY", "Redis is a replica and takes no writes", true),
  OOM: refusal("DISK_FULL", "Redis has no memory left (maxmemory)"),
  MISCONF: refusal("STATE_READ_ONLY", "Redis cannot save to its disk and takes no writes"),
  LOADING: refusal(unavailable, "Redis is still loading its data", true),
  BUSY: refusal(unavailable, "Redis is busy with a script", true),
  MASTERDOWN: refusal(unavailable, "Redis is a replica that lost its primary", true),
  NOREPLICAS: refusal(unavailable, "Redis has fewer replicas than it asks for", true),
  UNBLOCKED: refusal(unavailable, "Redis changed its role", true),
  CLUSTERDOWN: refusal(unavailable, "the Redis Cluster is down", true),
  TRYAGAIN: refusal(unavailable, "the Redis Cluster moves its data", true),
  MOVED: refusal(unavailable, clusterWords),
  ASK: refusal(unavailable, clusterWords),
  NOAUTH: refusal(unavailable, "Redis wants a password"),
  WRONGPASS: refusal(unavailable, "Redis refuses the user or the password"),
  NOPERM: refusal(unavailable, "Redis does not permit this user what the state needs"),
  WRONGTYPE: refusal("STATE_UNREADABLE", "the keys in Redis are none of ours; they stay as they are"),
};
const other = refusal(unavailable, "Redis refuses");
/** What XADD says of a number that the log has passed: the log is there, and the counter is of another time. */
const tornLog = refusal(
  "STATE_UNREADABLE",
  "the state's log in Redis goes on from elsewhere than its counter says",
);

/** What Redis says without a word of its own in front. */
const refusalBy: readonly (readonly [RegExp, Refusal])[] = [
  [/equal or smaller than the target stream top item/, tornLog],
  [/SELECT is not allowed in cluster mode/, refusal(unavailable, clusterWords)],
  // The first command to any database but 0.
  [/unknown command .select/i, refusal(unavailable, sentinelWords)],
];

function findRefusal({ code, message }: RefusedError): Refusal {
  const [, found] = refusalBy.find(([sign]) => sign.test(message)) ?? [];
  return found ?? refusalOf[code] ?? other;
}

/**
 * Before version 7, an error inside a script stands at the end: `ERR Error running script (...): @user_script:30: -OOM ...`,
 * or without the dash. What a user may not run inside a script has no code of its own but in 7.0.
 */
function codeOf(text: string): string {
  const inner = /^(?:ERR Error running script .*)?@user_script: ?\d+: (.*)$/s.exec(text)?.[1] ?? text;
  if (/^ERR ACL failure|can't (?:run this command|access at least one)/.test(inner)) return "NOPERM";
  return /^-?([A-Z]+)/.exec(inner)?.[1] ?? "";
}

/** The command that a user may not run, or the keys that it may not touch, where Redis says it. */
function whatIsForbidden({ code, message }: RefusedError): string | undefined {
  if (code !== "NOPERM") return undefined;
  if (/access (?:a|one of the|at least one of the) keys?\b/.test(message)) return "the keys ~{p2prc:*";
  const [, ours, theirs] = /^NOPERM ([A-Z]+)$|'([a-z|]+)' command/.exec(message) ?? [];
  return (ours ?? theirs)?.toUpperCase();
}

/** Tells whether the same may go well in a moment. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true;
  return error instanceof RefusedError && findRefusal(error).isPassing;
}

/** Reads go well meanwhile, so that nothing else tells of it. */
const refusalsOfChanges: ReadonlySet<string> = new Set(["READONLY", "OOM", "MISCONF", "NOREPLICAS"]);

/** Tells whether Redis answers, and takes no changes. */
export function isRefusalOfChanges(error: unknown): boolean {
  const { cause } = error instanceof StoreError ? error : {};
  return cause instanceof RefusedError && refusalsOfChanges.has(cause.code);
}

/** Names why Redis, or the way to it, failed. Text of Redis is cut short: it may quote what was sent. */
export function toRedisStoreError(
  error: unknown,
  metadata: Readonly<Record<string, string>> = {},
): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof RedisAddressError)
    return new StoreError(unavailable, error.message, { metadata, cause: error });
  if (error instanceof RefusedError) {
    const { reason, words } = findRefusal(error);
    const forbidden = whatIsForbidden(error);
    const more = words === other.words ? ` (${error.message.slice(0, 200)})` : "";
    const message = `${words}${forbidden === undefined ? more : `: ${forbidden}`}`;
    return new StoreError(reason, message, { metadata, cause: error });
  }
  const message = error instanceof Error ? error.message : "unknown error";
  return new StoreError(unavailable, `Redis does not answer (${message})`, { metadata, cause: error });
}

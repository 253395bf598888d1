import { StoreError, type StoreReason } from "../errors.js";

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
  MOVED: refusal(
    unavailable,
    "this node of a Redis Cluster does not hold the namespace; name the one that does",
  ),
  ASK: refusal(
    unavailable,
    "this node of a Redis Cluster does not hold the namespace; name the one that does",
  ),
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

function findRefusal({ code, message }: RefusedError): Refusal {
  if (message.includes("equal or smaller than the target stream top item")) return tornLog;
  return refusalOf[code] ?? other;
}

/** Before version 7, an error inside a script stands at the end: `ERR Error running script (...): ...: -OOM command ...`. */
function codeOf(text: string): string {
  const inner = /^ERR Error running script .*: -([A-Z]+) /.exec(text)?.[1];
  return inner ?? /^[A-Z]+/.exec(text)?.[0] ?? "";
}

/** Tells whether the same may go well in a moment. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ConnectionLostError) return true;
  return error instanceof RefusedError && findRefusal(error).isPassing;
}

/** Names why Redis, or the way to it, failed. Text of Redis is cut short: it may quote what was sent. */
export function toRedisStoreError(
  error: unknown,
  metadata: Readonly<Record<string, string>> = {},
): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof RefusedError) {
    const { reason, words } = findRefusal(error);
    const message = words === other.words ? `${words} (${error.message.slice(0, 200)})` : words;
    return new StoreError(reason, message, { metadata, cause: error });
  }
  const message = error instanceof Error ? error.message : "unknown error";
  return new StoreError(unavailable, `Redis does not answer (${message})`, { metadata, cause: error });
}

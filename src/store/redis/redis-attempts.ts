import type { Clock } from "../../system/clock.js";
import { StoreError } from "../errors.js";
import type { RedisConnection } from "./redis-connection.js";
import { ConnectionLostError, isPassing, RefusedError, toRedisStoreError } from "./redis-errors.js";
import type { RedisLink } from "./redis-link.js";

export interface AttemptLimits {
  /** How long to ask again, from the first failure on, when nothing was done and the cause may pass, in milliseconds. */
  readonly patienceMs: number;
  /**
   * How long to ask again when a command left and no answer came, in milliseconds. Absent = it changes nothing, and
   * nothing can become of it.
   */
  readonly unknownMs?: number;
}

/** A call that Redis may be asked for again and again without harm. */
export interface Attempt<Reply, T> {
  readonly link: RedisLink;
  readonly clock: Clock;
  readonly limits: AttemptLimits;
  /** Asks once; `attempt` counts from 1. */
  readonly ask: (connection: RedisConnection, attempt: number) => Promise<Reply>;
  /** Says what a reply means; what it throws is judged like what `ask` throws. */
  readonly read: (reply: Reply) => T;
  /** Told before each repetition. */
  readonly onRepeat?: () => void;
  /** For the error. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** No connection was made within the time left: little, where a call failed before, or Redis is known to be away. */
class TimeIsOver extends ConnectionLostError {
  constructor() {
    super("no connection within the time for it", false);
  }
}

const firstPauseMs = 20;
const lastPauseMs = 500;

/**
 * Asks Redis until it answers, within bounds.
 *
 * As long as nothing left, or Redis said that it did nothing, giving up is safe and comes soon. Once a command left without
 * an answer, only another answer tells what became of it: that is waited for longer, and if none comes, the error says so.
 *
 * @throws {StoreError} metadata `outcome`: `not_done` or `unknown`
 */
export async function askUntilAnswered<Reply, T>(attempt: Attempt<Reply, T>): Promise<T> {
  const { link, clock, limits } = attempt;
  let failedMs: number | undefined;
  let pauseMs = firstPauseMs;
  let isUnknown = false;
  let limitMs = limits.patienceMs;
  let told: unknown;
  for (let count = 1; ; count += 1) {
    const beganMs = clock.monotonicMs();
    let connection = link.current;
    try {
      const isFirst = failedMs === undefined && !link.isAway;
      const restMs = isFirst ? undefined : (failedMs ?? beganMs) + limitMs - beganMs;
      connection ??= await connectionWithin(link, clock, restMs);
      return attempt.read(await attempt.ask(connection, count));
    } catch (error) {
      if (error instanceof ConnectionLostError && error.wasSent && limits.unknownMs !== undefined) {
        isUnknown = true;
        limitMs = limits.unknownMs;
      }
      // A replica by now: the name may lead to another server, the connection never will.
      if (error instanceof RefusedError && error.code === "READONLY") link.drop(error);
      // Nobody was there all the while.
      failedMs ??= connection === undefined ? beganMs : clock.monotonicMs();
      const isOver = clock.monotonicMs() - failedMs + pauseMs > limitMs;
      // That the time ran out tells less than why it was waited at all.
      if (told === undefined || !(error instanceof TimeIsOver)) told = error;
      if (isOver || error instanceof StoreError || !(isUnknown || isPassing(error))) {
        throw finalError(told, isUnknown, attempt.metadata);
      }
    }
    await new Promise<void>((resolve) => void clock.after(pauseMs, resolve));
    pauseMs = Math.min(pauseMs * 2, lastPauseMs);
    attempt.onRepeat?.();
  }
}

function finalError(
  error: unknown,
  isUnknown: boolean,
  metadata: Readonly<Record<string, string>> = {},
): StoreError {
  const failure = toRedisStoreError(error, { ...metadata, outcome: isUnknown ? "unknown" : "not_done" });
  if (!isUnknown) return failure;
  const words = `${failure.message}; what became of it is not known`;
  return new StoreError("STATE_STORE_UNAVAILABLE", words, { metadata: failure.metadata, cause: error });
}

/** @param limitMs undefined = as long as a connection may take */
async function connectionWithin(
  link: RedisLink,
  clock: Clock,
  limitMs: number | undefined,
): Promise<RedisConnection> {
  const connecting = link.connection();
  if (limitMs === undefined) return await connecting;
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(limitMs, () => reject(new TimeIsOver()));
  });
  try {
    return await Promise.race([connecting, late]);
  } finally {
    cancel();
  }
}

/** How long Redis is asked again, where nobody answers at all. */
import { expect, it } from "@jest/globals";
import type { StoreError } from "../../../src/store/errors.js";
import { askUntilAnswered, type AttemptLimits } from "../../../src/store/redis/redis-attempts.js";
import type { RedisConnection } from "../../../src/store/redis/redis-connection.js";
import { ConnectionLostError, RefusedError } from "../../../src/store/redis/redis-errors.js";
import type { RedisLink } from "../../../src/store/redis/redis-link.js";
import { FakeClock } from "../../support/fake-clock.js";

const lost = (wasSent: boolean): ConnectionLostError => new ConnectionLostError("as told", wasSent);

interface Way {
  readonly limits?: AttemptLimits;
  readonly isAway?: boolean;
}

/**
 * Asks over connections that are made as told, one after the other; each fails as `failure`.
 *
 * @returns what became of it, once it is over
 */
function asking(
  clock: FakeClock,
  connections: readonly (() => Promise<RedisConnection>)[],
  failure: Error = lost(true),
  { limits = { patienceMs: 10_000, unknownMs: 15_000 }, isAway = false }: Way = {},
): { outcome: unknown; reason: unknown } {
  const told: { outcome: unknown; reason: unknown } = { outcome: undefined, reason: undefined };
  let count = 0;
  const link = {
    current: undefined,
    isAway,
    drop: () => undefined,
    connection: () => connections[Math.min((count += 1), connections.length) - 1]!(),
  } as unknown as RedisLink;
  askUntilAnswered({ link, clock, limits, ask: () => Promise.reject(failure), read: () => "" }).catch(
    (error: unknown) => {
      const { reason, metadata } = error as StoreError;
      Object.assign(told, { reason, outcome: metadata["outcome"] });
    },
  );
  return told;
}

const connected = (): Promise<RedisConnection> => Promise.resolve({} as unknown as RedisConnection);
const never = (): Promise<RedisConnection> => new Promise(() => undefined);

it("gives up when the time is over, though a connection is being made still", async () => {
  const clock = new FakeClock();
  const told = asking(clock, [connected, never]);
  await clock.advance(14_900);
  expect(told.outcome).toBeUndefined();
  await clock.advance(200);
  expect(told.outcome).toBe("unknown");
});

it("names what Redis said before, when no further connection is made in time", async () => {
  const clock = new FakeClock();
  const told = asking(clock, [connected, never], new RefusedError("READONLY You can't write"));
  await clock.advance(10_100);
  expect(told).toEqual({ reason: "STATE_READ_ONLY", outcome: "not_done" });
});

it("counts from when the first connection was begun", async () => {
  const clock = new FakeClock();
  const late = (): Promise<RedisConnection> =>
    new Promise((_, reject) => void clock.after(10_000, () => reject(lost(false))));
  const told = asking(clock, [late]);
  await clock.advance(9_900);
  expect(told.outcome).toBeUndefined();
  await clock.advance(200);
  expect(told.outcome).toBe("not_done");
});

it("waits no longer than for a repetition where Redis is known to be away", async () => {
  const clock = new FakeClock();
  const limits = { patienceMs: 1_000, unknownMs: 15_000 };
  const told = asking(clock, [never], lost(false), { limits, isAway: true });
  await clock.advance(900);
  expect(told.outcome).toBeUndefined();
  await clock.advance(200);
  expect(told).toEqual({ reason: "STATE_STORE_UNAVAILABLE", outcome: "not_done" });
});

it("says that nothing was done of what changes nothing, also where it was sent", async () => {
  const clock = new FakeClock();
  const told = asking(clock, [connected], lost(true), { limits: { patienceMs: 1_000 } });
  await clock.advance(1_100);
  expect(told.outcome).toBe("not_done");
});

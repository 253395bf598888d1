/** How long Redis is asked again, where nobody answers at all. */
import { expect, it } from "@jest/globals";
import { askUntilAnswered } from "../../../src/store/redis/redis-attempts.js";
import type { RedisConnection } from "../../../src/store/redis/redis-connection.js";
import { ConnectionLostError } from "../../../src/store/redis/redis-errors.js";
import type { RedisLink } from "../../../src/store/redis/redis-link.js";
import { FakeClock } from "../../support/fake-clock.js";

const lost = (wasSent: boolean): ConnectionLostError => new ConnectionLostError("as told", wasSent);

/** Asks over connections that are made as told, one after the other. @returns what became of it, once it is over */
function asking(
  clock: FakeClock,
  connections: readonly (() => Promise<RedisConnection>)[],
): { outcome: unknown } {
  const told = { outcome: undefined as unknown };
  let count = 0;
  const link = {
    current: undefined,
    connection: () => connections[Math.min((count += 1), connections.length) - 1]!(),
  } as unknown as RedisLink;
  const limits = { patienceMs: 10_000, unknownMs: 15_000 };
  askUntilAnswered({ link, clock, limits, ask: () => Promise.reject(lost(true)), read: () => "" }).catch(
    (error: unknown) => (told.outcome = (error as { metadata: { outcome: string } }).metadata.outcome),
  );
  return told;
}

it("gives up when the time is over, though a connection is being made still", async () => {
  const clock = new FakeClock();
  const never = (): Promise<RedisConnection> => new Promise(() => undefined);
  const told = asking(clock, [() => Promise.resolve({} as unknown as RedisConnection), never]);
  await clock.advance(14_900);
  expect(told.outcome).toBeUndefined();
  await clock.advance(200);
  expect(told.outcome).toBe("unknown");
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

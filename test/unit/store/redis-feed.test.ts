/** What readers are handed while the follower of Redis's log has lost its connection. */
import { expect, it } from "@jest/globals";
import type { ChangeSet } from "../../../src/store/contract.js";
import type { RedisConnection, RedisReply } from "../../../src/store/redis/redis-connection.js";
import { ConnectionLostError } from "../../../src/store/redis/redis-errors.js";
import { RedisFeed } from "../../../src/store/redis/redis-feed.js";
import { redisKeys } from "../../../src/store/redis/redis-keys.js";
import type { RedisLink } from "../../../src/store/redis/redis-link.js";
import type { LogPart } from "../../../src/store/redis/redis-log.js";
import type { RedisScripts } from "../../../src/store/redis/redis-scripts.js";
import { FakeClock } from "../../support/fake-clock.js";

const [first, second, third] = ["0-0000000000000000", "1-aaaaaaaaaaaaaaaa", "2-bbbbbbbbbbbbbbbb"] as const;

/** A commit as Redis tells of it. */
const entry = (previous: string, revision: string): RedisReply => {
  const [number = "", nonce = ""] = revision.split("-");
  return [`${number}-0`, ["previous", previous, "nonce", nonce, "timeMs", "1", "changes", "[]"]];
};

it("hands out no commit from before a failover that the new server does not have", async () => {
  let cut = (): void => undefined;
  const waits: Promise<RedisReply>[] = [
    Promise.resolve([["log", [entry(first, second)]]]),
    new Promise((_, reject) => (cut = () => reject(new ConnectionLostError("cut", true)))),
  ];
  const connection = { send: () => waits.shift() } as unknown as RedisConnection;
  let end = (): void => undefined;
  const connections = [
    Promise.resolve(connection),
    new Promise<never>((_, reject) => (end = (): void => reject(new Error("closed")))),
  ];
  const link = { connection: () => connections.shift(), close: () => Promise.resolve().then(end) };
  const reads: RedisReply[] = [
    [first, first],
    [third, first, entry(second, third)],
    [third, first],
  ];
  const scripts = { read: { run: () => Promise.resolve(reads.shift()) } } as unknown as RedisScripts;
  let now: LogPart = {
    head: third,
    base: first,
    entries: [first, second].map((previous, n) => ({
      previous,
      changeSet: { revision: [second, third][n]!, timeMs: 1, changes: [] },
      characters: 2,
    })),
  };
  let noteRead = (): void => undefined;
  const feed = new RedisFeed({
    link: link as unknown as RedisLink,
    scripts,
    keys: redisKeys("unit"),
    clock: new FakeClock(),
    waitMs: 1_000,
    historyCommits: 10,
    read: (after) => {
      noteRead();
      return Promise.resolve({ ...now, entries: now.entries.slice(after) });
    },
  });
  const staying = new AbortController().signal;
  const before = feed.changes(first, staying);
  const seen: ChangeSet[] = [];
  const reading = (async () => {
    for await (const changeSet of before) if (seen.push(changeSet) === 2) setTimeout(cut, 5);
  })();
  await expect(reading).rejects.toMatchObject({ reason: "STATE_STORE_UNAVAILABLE" });
  expect(seen.map(({ revision }) => revision)).toEqual([second, third]);

  // A replica that had heard of the first commit alone.
  now = { head: second, base: first, entries: [] };
  const asked = new Promise<void>((resolve) => (noteRead = resolve));
  const after = feed.changes(second, staying).next();
  expect(await Promise.race([after.then(() => "handed out"), asked.then(() => "asked")])).toBe("asked");
  await Promise.all([
    feed.close(),
    expect(after).rejects.toMatchObject({ message: "the state store is closed" }),
  ]);
});

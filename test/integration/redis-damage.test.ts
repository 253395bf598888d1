/** What damage, or a hand, leaves in Redis: it is named, it stays, and what stands beside it is served where that can be. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import { StoreError } from "../../src/store/errors.js";
import { redisKeys } from "../../src/store/redis/redis-keys.js";
import { readLog } from "../../src/store/redis/redis-log.js";
import { loadRedisScripts } from "../../src/store/redis/redis-scripts.js";
import { openRedisStore, type RedisStore } from "../../src/store/redis/redis-store.js";
import { makeNonce } from "../../src/store/revision.js";
import { RecordView } from "../../src/store/view.js";
import { RedisServer } from "../support/redis-server.js";
import { put, reasonOf, startOf, take } from "../support/store-calls.js";

const keys = redisKeys("damage");
let server: RedisServer;
let store: RedisStore;
beforeEach(async () => {
  server = await RedisServer.start();
  store = await openRedisStore({ url: server.url, namespace: "damage", logger: silentLogger });
});
afterEach(async () => {
  await store.close();
  await server[Symbol.asyncDispose]();
});

async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  const failure = await call.catch((error: unknown) => error);
  if (!(failure instanceof StoreError)) throw new Error("it did not fail as a store does");
  return failure;
}

describe("a record that cannot be read", () => {
  it.each([
    ["is no JSON", "1-0123456789abcdef {secret-canary"],
    ["is no object", '1-0123456789abcdef ["secret-canary"]'],
    ["is null", "1-0123456789abcdef null"],
    ["is of no commit", "secret-canary {}"],
    ["has no commit", "{}"],
    ["is empty", ""],
  ])("ends a load that names it where it %s, and stays as it is", async (_, stored) => {
    await put(store, "beside");
    await server.ask("HSET", keys.records, "c/damaged", stored);
    for (const call of [store.load(), store.get("c/damaged")]) {
      const { reason, message, metadata, cause } = await failureOf(call);
      expect([reason, metadata]).toEqual(["STATE_UNREADABLE", { key: "c/damaged" }]);
      expect(message).toContain("c/damaged");
      expect(`${message} ${String(cause)}`).not.toContain("secret-canary");
    }
    expect(await server.ask("HGET", keys.records, "c/damaged")).toBe(stored);
    await server.ask("HDEL", keys.records, "c/damaged");
    expect([...(await store.load()).records.keys()]).toEqual(["beside"]);
  });

  it("is named in few and harmless characters, whatever its key holds", async () => {
    await server.ask("HSET", keys.records, `\u001b[2J\n\u202e\u0000${"x".repeat(10_000)}`, "?");
    const { message, metadata } = await failureOf(store.load());
    expect(metadata["key"]).toMatch(/^\\u001b\[2J\\u000a\\u202e\\u0000x+\.\.\.$/);
    expect(message).toMatch(/^[\x20-\x7e]{1,400}$/);
  });

  it("keeps a gateway that runs as if Redis were away, when it has to read all anew, until it is gone", async () => {
    await put(store, "a", { n: 1 });
    const view = await RecordView.open(store, silentLogger);
    try {
      // At one instant: a view that meets the flush alone brings back what it has seen.
      await server.ask(
        "EVAL",
        `redis.call("FLUSHALL")
         redis.call("HSET", KEYS[1], "schema", "1", "head", ARGV[1], "base", ARGV[1], "bytes", "0")
         redis.call("HSET", KEYS[2], "damaged", "?")`,
        ...["2", keys.meta, keys.records, "0-0123456789abcdef"],
      );
      await standing(view, true);
      expect(view.get("a")?.value).toEqual({ n: 1 });
      await server.ask("HDEL", keys.records, "damaged");
      await standing(view, false);
      expect((await store.get("a"))?.value).toEqual({ n: 1 });
    } finally {
      await view.close();
    }
  });
});

it.each(["records", "log", "operations", "meta"] as const)(
  "a key that is gone is named: %s",
  async (part) => {
    await put(store, "a");
    await server.ask("DEL", keys[part]);
    const { reason, message } = await failureOf(store.load());
    expect(reason).toBe("STATE_UNREADABLE");
    expect(message).toContain(`(${keys[part]})`);
  },
);

it("a log that somebody began anew keeps no gateway from what the records say", async () => {
  await put(store, "a", { n: 1 });
  await server.ask("DEL", keys.log);
  await server.ask("XADD", keys.log, "1-0", "of", "somebody");
  expect([...(await store.load()).records.keys()]).toEqual(["a"]);
});

/** Resolves when the store is away, or back, as a view sees it. */
const standing = async (view: RecordView, wanted: boolean): Promise<void> => {
  let stop = (): void => undefined;
  await new Promise<void>((resolve) => {
    stop = view.onStanding((isBehind) => {
      if (isBehind === wanted) resolve();
    });
  });
  stop();
};

describe("a commit in the log that cannot be read", () => {
  /** Adds one by hand, after those that are there. */
  async function addDamaged(fields: Readonly<Record<string, string>>): Promise<string> {
    const previous = await store.head();
    const number = Number(previous.split("-")[0]) + 1;
    const nonce = makeNonce();
    const whole = { nonce, previous, timeMs: "1", operation: "hand", size: "1", changes: "[]", ...fields };
    await server.ask("XADD", keys.log, `${number}-0`, ...Object.entries(whole).flat());
    await server.ask("HSET", keys.meta, "head", `${number}-${nonce}`);
    return `${number}-0`;
  }

  const damages = [
    ["tells no JSON", { changes: "[secret-canary" }],
    ["tells no list", { changes: '{"secret-canary":1}' }],
    ["tells no changes", { changes: '[["key","secret-canary"]]' }],
    ["has no time", { timeMs: "secret-canary" }],
  ] as const;

  it.each(damages)("is named where it %s", async (_, fields) => {
    await put(store, "a");
    const id = await addDamaged(fields);
    const connection = await server.connect();
    const reading = readLog(connection, { scripts: loadRedisScripts(), keys }, 0);
    const { reason, message, metadata, cause } = await failureOf(reading);
    connection.end(new Error("done"));
    expect([reason, metadata]).toEqual(["STATE_UNREADABLE", { key: id }]);
    expect(`${message} ${String(cause)}`).not.toContain("secret-canary");
  });

  it.each(damages)("is got past by reading anew where it %s, and readers are told to", async (_, fields) => {
    const start = await startOf(store);
    const lines: unknown[] = [];
    const warn: Logger["warn"] = (told) => lines.push(told);
    const view = await RecordView.open(store, { ...silentLogger, warn });
    try {
      const kinds: string[] = [];
      view.subscribe(({ kind }) => kinds.push(kind));
      await view.reached(await put(store, "a", { n: 1 }));
      const id = await addDamaged(fields);
      const next = view.reached(await put(store, "b", { n: 2 }));
      await next;
      await view.reached(await put(store, "c", { n: 3 }));
      expect(["a", "b", "c"].map((key) => view.get(key)?.value)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      expect(view.behindSinceMs).toBeUndefined();
      expect(kinds).toContain("resynced");
      expect(lines).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ metadata: { key: id } }) }),
      );
      expect(await reasonOf(take(store, start, 4))).toBe("REVISION_COMPACTED");
    } finally {
      await view.close();
    }
  });
});

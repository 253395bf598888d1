/**
 * What gateways bring back that have seen different parts of what Redis has lost, where one of them has just restarted. Not
 * in the contract suite: only a store on another machine loses what it has confirmed.
 */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import type { RecordValue, Revision } from "../../src/store/contract.js";
import { storeLimits } from "../../src/store/limits.js";
import { openRedisStore, type RedisStore } from "../../src/store/redis/redis-store.js";
import { isOfRescue, RecordView } from "../../src/store/view.js";
import { eventually as eventuallyAsync } from "../support/container-bench.js";
import { RedisServer } from "../support/redis-server.js";
import { commit, put, startOf } from "../support/store-calls.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const eventually = async (assertion: () => unknown): Promise<void> =>
  await eventuallyAsync(async () => {
    await assertion();
  });

/** A gateway's way to the state: its own network, its store, its view. */
class Seat {
  readonly way: TcpProxy;
  #opened: { readonly store: RedisStore; readonly view: RecordView } | undefined;

  private constructor(way: TcpProxy) {
    this.way = way;
  }

  static async open(port: number): Promise<Seat> {
    const seat = new Seat(await TcpProxy.start(port));
    await seat.start();
    return seat;
  }

  get store(): RedisStore {
    return this.#opened!.store;
  }

  get values(): Readonly<Record<string, RecordValue>> {
    const records = [...this.#opened!.view.entries()].filter(({ key }) => !isOfRescue(key));
    return Object.fromEntries(records.map(({ key, value }) => [key, value]));
  }

  /** Who has brought something back. */
  get marks(): readonly string[] {
    return [...this.#opened!.view.entries()]
      .map(({ key }) => key)
      .filter((key) => key.startsWith("~rescue/"));
  }

  async start(): Promise<void> {
    const store = await openRedisStore({
      url: this.way.url,
      namespace: "rescue",
      logger: silentLogger,
      // A load of large commits may keep a busy machine from an answer for a while.
      replyTimeoutMs: 20_000,
      feedWaitMs: 200,
    });
    this.#opened = { store, view: await RecordView.open(store, silentLogger) };
  }

  async stop(): Promise<void> {
    await this.#opened?.view.close();
    await this.#opened?.store.close();
    this.#opened = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Hears nothing from now on. */
  leave(): void {
    this.way.hold("replies");
  }

  async comeBack(): Promise<void> {
    // What was on its way is lost.
    this.way.reset();
    await this.way.release();
  }

  async shows(values: Readonly<Record<string, RecordValue>>): Promise<void> {
    await eventually(() => expect(this.values).toEqual(values));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.way.reset();
    await this.stop();
    await this.way[Symbol.asyncDispose]();
  }
}

let server: RedisServer;
let replica: RedisServer;
let between: TcpProxy;
let ahead: Seat;
let behind: Seat;
beforeEach(async () => {
  server = await RedisServer.start({ settings: { "repl-diskless-sync-delay": "0" } });
  replica = await RedisServer.start();
  between = await TcpProxy.start(server.port, { isRaw: true });
  ahead = await Seat.open(server.port);
  behind = await Seat.open(server.port);
});
afterEach(async () => {
  for (const each of [ahead, behind, between, replica, server]) await each[Symbol.asyncDispose]();
});

/** Ways to lose all, or all but the first commits: `begin` before the rest is written, `lose` after it. */
const losses = {
  "a flush": {
    begin: async () => Promise.resolve(),
    lose: async () => {
      await server.ask("FLUSHALL");
    },
  },
  "a failover to a replica that lags": {
    begin: async () => {
      await replica.ask("REPLICAOF", "127.0.0.1", String(between.port));
      const number = (await startOf(ahead.store)).split("-")[0];
      await eventually(async () =>
        expect(await replica.ask("XREVRANGE", "{p2prc:rescue}:log", "+", "-", "COUNT", "1")).toEqual([
          [`${number}-0`, expect.anything()],
        ]),
      );
      between.hold("replies");
    },
    lose: async () => {
      await server.kill();
      await replica.ask("REPLICAOF", "NO", "ONE");
      for (const { way } of [ahead, behind]) way.targetPort = replica.port;
    },
  },
} as const;

describe.each(Object.entries(losses))("after %s, a gateway that has just restarted", (_, loss) => {
  const whole = { changed: { n: 2 }, made: { n: 2 } };

  /** One has seen all, and remembers none of it; the other has not heard of the end. */
  async function seeDifferently(): Promise<void> {
    await put(ahead.store, "kept-by-the-replica");
    await loss.begin();
    await commit(ahead.store, {
      put: ["changed", "gone"].map((key) => ({ key, value: { n: 1 } })),
      delete: ["kept-by-the-replica"],
    });
    await behind.shows({ changed: { n: 1 }, gone: { n: 1 } });
    behind.leave();
    await put(ahead.store, "changed", { n: 2 });
    await commit(ahead.store, { put: [{ key: "made", value: { n: 2 } }], delete: ["gone"] });
    await ahead.restart();
    await ahead.shows(whole);
  }

  it("tells another one that it has seen more than that one", async () => {
    await seeDifferently();
    await loss.lose();
    ahead.way.reset();
    await eventually(() => expect(ahead.marks).toHaveLength(1));
    await behind.comeBack();
    await eventually(() => expect(behind.marks).toEqual(ahead.marks));
    for (const seat of [ahead, behind]) await seat.shows(whole);
  });

  it("takes away what another one brought back that had seen less", async () => {
    await seeDifferently();
    ahead.leave();
    await loss.lose();
    await behind.comeBack();
    await eventually(() => expect(behind.marks).toHaveLength(1));
    await behind.shows({ changed: { n: 1 }, gone: { n: 1 } });
    await ahead.comeBack();
    for (const seat of [ahead, behind]) await seat.shows(whole);
  });
});

describe("after a second loss", () => {
  it("a gateway that was away during both does not bring back what was removed before the first", async () => {
    await put(ahead.store, "gone");
    await behind.shows({ gone: {} });
    behind.leave();
    await commit(ahead.store, { put: [{ key: "made", value: {} }], delete: ["gone"] });
    await ahead.shows({ made: {} });
    await server.ask("FLUSHALL");
    await eventually(() => expect(ahead.marks).toHaveLength(1));
    const [first] = ahead.marks;
    await ahead.restart();
    await server.ask("FLUSHALL");
    await eventually(() => {
      expect(ahead.marks).toHaveLength(1);
      expect(ahead.marks).not.toContain(first);
    });
    await behind.comeBack();
    await eventually(() => expect(behind.marks).toEqual(ahead.marks));
    await behind.shows({ made: {} });
  });
});

describe("what a load tells of the commits before", () => {
  const write = async (count: number, value: RecordValue = {}): Promise<readonly Revision[]> => {
    const revisions: Revision[] = [];
    for (let n = 0; n < count; n += 1) revisions.push(await put(ahead.store, `k${n % 7}`, value));
    return revisions;
  };

  it("is the last 500, in order, the one that it shows at the end", async () => {
    const revisions = await write(storeLimits.trailCommits + 20);
    expect((await behind.store.load()).trail).toEqual(revisions.slice(20));
  });

  it("ends where the log begins, and is nothing in a state that is new", async () => {
    expect((await behind.store.load()).trail).toEqual([]);
    const revisions = await write(5);
    await server.ask("XDEL", "{p2prc:rescue}:log", "1-0", "2-0");
    expect((await behind.store.load()).trail).toEqual(revisions.slice(2));
  });

  it("is fewer where they are large", async () => {
    const text = "x".repeat(1024 * 1024);
    const revisions = await write(3);
    const large = await write(12, { text });
    const trail = (await behind.store.load()).trail!;
    expect(trail).toEqual([...revisions, ...large].slice(-trail.length));
    // Each stands there with what it replaced.
    expect([trail.length >= 4, trail.length <= 8]).toEqual([true, true]);
  });
});

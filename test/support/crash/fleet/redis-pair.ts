/** A Redis and its replica, which lags as told: what the fleet's state is lost by, and who takes over. */
import { setTimeout as delay } from "node:timers/promises";
import type { RecordChange } from "../../../../src/store/contract.js";
import { RedisServer } from "../../redis-server.js";
import { TcpProxy } from "../../tcp-proxy.js";
import { readOut } from "./lost-log.js";

const settings = { appendonly: "yes", appendfsync: "always", "repl-diskless-sync-delay": "0" };

/** How long a replica may take to have all that there is, in milliseconds. */
const syncMs = 60_000;

export class RedisPair implements AsyncDisposable {
  #primary: RedisServer;
  #replica: RedisServer;
  /** What the replica hears its primary through. */
  readonly #between: TcpProxy;
  #isLagging = false;

  private constructor(primary: RedisServer, replica: RedisServer, between: TcpProxy) {
    this.#primary = primary;
    this.#replica = replica;
    this.#between = between;
  }

  static async start(): Promise<RedisPair> {
    const [primary, replica] = [await RedisServer.start({ settings }), await RedisServer.start({ settings })];
    const pair = new RedisPair(primary, replica, await TcpProxy.start(primary.port, { isRaw: true }));
    await pair.#follow();
    return pair;
  }

  /** The one that takes commits now. */
  get primary(): RedisServer {
    return this.#primary;
  }

  /** The replica, which has all, hears of nothing from now on. */
  async lag(): Promise<void> {
    if (this.#isLagging) return;
    await this.#catchUp();
    this.#isLagging = true;
    this.#between.hold("replies");
  }

  /**
   * Kills the primary; its replica, which has heard nothing for so long at least, takes over. The other one comes back as
   * its replica.
   *
   * @returns what the old one had in its log
   * @param onSwitch told when the new primary takes commits, before anybody is sent there
   */
  async failOver(lagMs: number, onSwitch: (primary: RedisServer) => void): Promise<readonly RecordChange[]> {
    await this.lag();
    await delay(lagMs);
    const [old, next] = [this.#primary, this.#replica];
    await old.kill();
    await next.ask("REPLICAOF", "NO", "ONE");
    // What was on its way to it is lost.
    this.#between.reset();
    await this.#between.release();
    this.#isLagging = false;
    [this.#primary, this.#replica] = [next, old];
    onSwitch(next);
    await old.startAgain();
    const lost = await readOut(old);
    await this.#follow();
    return lost;
  }

  async #follow(): Promise<void> {
    this.#between.targetPort = this.#primary.port;
    await this.#replica.ask("REPLICAOF", "127.0.0.1", String(this.#between.port));
    await this.#catchUp();
  }

  /** Resolves when the replica has all that was there when this was asked. */
  async #catchUp(): Promise<void> {
    const connection = await this.#primary.connect();
    try {
      await connection.send(["SET", "pair:asked", String(performance.now())]);
      if ((await connection.send(["WAIT", "1", String(syncMs)])) !== 1)
        throw new Error("the replica does not catch up");
    } finally {
      connection.end(new Error("done"));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.#between, this.#replica, this.#primary]) await each[Symbol.asyncDispose]();
  }
}

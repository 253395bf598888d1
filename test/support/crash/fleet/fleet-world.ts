/** Gateways that share a Redis which keeps what it confirms, nodes with a ledger on the disk, and what is known of all. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ContainerOptions } from "../../../../src/devnet/container-options.js";
import { type DevnetProcess, startDevnetProcess } from "../../../../src/devnet/devnet-process.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import type { RecordChange, Revision } from "../../../../src/store/contract.js";
import { openRedisStore } from "../../../../src/store/redis/redis-store.js";
import { RedisServer } from "../../redis-server.js";
import type { Evidence, Violation } from "../evidence.js";
import { readHistory } from "../history.js";
import { violationsIn } from "../invariants/index.js";
import { textOf } from "../text-of.js";
import { commitsOf, nodes } from "../world.js";
import type { FleetBugName } from "./fleet-bugs.js";
import { flushOut } from "./lost-log.js";
import { RedisPair } from "./redis-pair.js";
import { Seat } from "./seat.js";

export interface FleetWorldOptions {
  readonly build: string;
  readonly gateways: number;
  /** How long nodes take, besides what every world has. */
  readonly containers?: Partial<ContainerOptions>;
  /** Whether Redis has a replica, which may take over. @default false */
  readonly hasReplica?: boolean;
  /** In every gateway. */
  readonly bug?: FleetBugName | undefined;
}

export class FleetWorld {
  readonly parent: string;
  readonly devnet: DevnetProcess;
  readonly seats: readonly Seat[];
  /** What all callers asked and heard, whichever gateway they asked. */
  readonly historyPath: string;
  /** Rounds in which Redis has lost something. */
  readonly lossRounds = new Set<string>();
  /** Outages of Redis come one after the other. */
  #outage: Promise<void> = Promise.resolve();
  /** What logs held that are no more. */
  readonly #lost: RecordChange[] = [];
  readonly #redis: RedisServer | RedisPair;
  readonly #origin: Revision;
  readonly #secret: string;

  private constructor(
    parent: string,
    redis: RedisServer | RedisPair,
    parts: Pick<FleetWorld, "devnet" | "seats">,
    origin: Revision,
    secret: string,
  ) {
    this.parent = parent;
    this.#redis = redis;
    this.devnet = parts.devnet;
    this.seats = parts.seats;
    this.historyPath = join(parent, "calls.history");
    this.#origin = origin;
    this.#secret = secret;
  }

  static async make(options: FleetWorldOptions): Promise<FleetWorld> {
    const { build, gateways, containers, hasReplica, bug } = options;
    const parent = await mkdtemp(join(tmpdir(), "p2prc-fleet-"));
    const settings = { appendonly: "yes", appendfsync: "always" };
    const pair = hasReplica === true ? await RedisPair.start() : undefined;
    const redis = pair?.primary ?? (await RedisServer.start({ settings }));
    const devnet = await startDevnetProcess({
      ...nodes,
      containers: { ...nodes.containers, ...containers },
      ledgerPath: join(parent, "ledger"),
    });
    const store = await openStore(redis);
    const { revision } = await store.load();
    await store.close();
    const secret = `canary${randomBytes(12).toString("hex")}`;
    const seats: Seat[] = [];
    const world = new FleetWorld(parent, pair ?? redis, { devnet, seats }, revision, secret);
    const mayBeCompacted = (): boolean => world.lossRounds.size > 0;
    for (let at = 0; at < gateways; at += 1) {
      const name = String.fromCharCode(97 + at);
      seats.push(
        await Seat.make({ parent, name, build, redisPort: redis.port, secret, bug, mayBeCompacted }),
      );
    }
    return world;
  }

  /** The one that takes commits now. */
  get redis(): RedisServer {
    return this.#redis instanceof RedisPair ? this.#redis.primary : this.#redis;
  }

  get nodes(): readonly string[] {
    return this.devnet.nodes.map(({ address }) => `nodes/${address}`);
  }

  get living(): readonly Seat[] {
    return this.seats.filter(({ isAlive }) => isAlive);
  }

  /** Kills Redis, and starts it again on its files so much later. */
  async killRedis(awayMs: number): Promise<void> {
    await this.#suffer(async () => {
      await this.redis.kill();
      await delay(awayMs);
      await this.redis.startAgain();
    });
  }

  async holdUpRedis(awayMs: number): Promise<void> {
    await this.#suffer(async () => {
      this.redis.freeze();
      await delay(awayMs);
      this.redis.thaw();
    });
  }

  /** It forgets everything. */
  async flushRedis(round: string): Promise<void> {
    await this.#suffer(async () => {
      this.lossRounds.add(round);
      this.#lost.push(...(await flushOut(this.redis)));
    });
  }

  /** The replica hears of nothing from now on. */
  async lag(): Promise<void> {
    await this.#pair.lag();
  }

  /** A replica that has heard nothing for so long takes over. */
  async failOver(lagMs: number, round: string): Promise<void> {
    const pair = this.#pair;
    await this.#suffer(async () => {
      this.lossRounds.add(round);
      const lost = await pair.failOver(lagMs, ({ port }) => {
        for (const { proxy } of this.seats) {
          proxy.targetPort = port;
          proxy.reset();
        }
      });
      this.#lost.push(...lost);
    });
  }

  get #pair(): RedisPair {
    if (this.#redis instanceof RedisPair) return this.#redis;
    throw new Error("there is no replica");
  }

  async #suffer(outage: () => Promise<void>): Promise<void> {
    const turn = this.#outage.then(outage);
    this.#outage = turn.catch(() => undefined);
    await turn;
  }

  async keys(): Promise<ReadonlySet<string>> {
    const store = await openStore(this.redis);
    try {
      return new Set((await store.load()).records.keys());
    } finally {
      await store.close();
    }
  }

  /**
   * Looks at everything that is there now, once for each gateway. Nothing may be under way.
   *
   * @param moment of the gateways that run; of the others it is `killed`
   */
  async look(moment: "settled" | "calm"): Promise<readonly Evidence[]> {
    // The ledger first: what stands there was in the state before it reached a node.
    const ledger = await this.devnet.containerLedger();
    const shown = await Promise.all(this.seats.map(async ({ api }) => await api?.shown()));
    const store = await openStore(this.redis);
    try {
      const { records, revision } = await store.load();
      const commits = await commitsOf(store, await this.#beginning(), revision);
      const calls = readHistory(this.historyPath);
      const values = new Map([...records].map(([key, { value }]) => [key, value]));
      return this.seats.map((seat, at) => ({
        ...{ ledger, records: values, revision, commits },
        ...this.#outside(seat),
        history: [...calls, ...readHistory(seat.historyPath)],
        // What was written beside a gateway that does not run waits for its next start.
        foreign: new Map(this.living.flatMap(({ foreign }) => [...foreign.added])),
        foreignTexts: seat.isAlive ? [] : seat.foreign.texts,
        leftovers: undefined,
        lossRounds: this.lossRounds,
        lost: this.#lost,
        moment: seat.isAlive ? moment : "killed",
        ...(shown[at] === undefined ? {} : { shown: shown[at] }),
        ...(seat.journal === undefined ? {} : { journal: seat.journal }),
      }));
    } finally {
      await store.close();
    }
  }

  /** Looks until there is nothing to say against it, or for long enough: changes take their time from gateway to gateway. */
  async violations(moment: "settled" | "calm", looks = 60): Promise<readonly Violation[]> {
    for (let look = 1; ; look += 1) {
      const found = await this.#violations(moment);
      if (found.length === 0 || look === looks) return found;
      await delay(500);
    }
  }

  async #violations(moment: "settled" | "calm"): Promise<readonly Violation[]> {
    const evidence = await this.look(moment);
    return evidence.flatMap((one, at) =>
      violationsIn(one).map(({ invariant, what }) => ({
        invariant,
        what: `${this.seats[at]?.name ?? ""}: ${what}`,
      })),
    );
  }

  /** Where the log begins. One that begins elsewhere than at first is of a state that was lost. */
  async #beginning(): Promise<Revision> {
    if (this.lossRounds.size === 0) return this.#origin;
    return String(await this.redis.ask("HGET", "{p2prc:default}:meta", "base"));
  }

  #outside(seat: Seat): Pick<Evidence, "tracked" | "groups" | "texts" | "secrets" | "modes" | "owners"> {
    const own = join(seat.folder, ".p2prc");
    const keyPath = [join(seat.folder, "p2prc.privateKey"), join(own, "p2prc.privateKey")].find(existsSync);
    // A line from the middle of the key.
    const keyLine = keyPath === undefined ? "" : (readFileSync(keyPath, "utf8").split("\n")[2] ?? "");
    const open = [this.historyPath, seat.historyPath, seat.logPath, join(own, "tracking.side.json")];
    const closed = [own, join(own, "seen.journal"), ...(keyPath === undefined ? [] : [keyPath])];
    return {
      tracked: textOf(seat.foreign.trackedPath),
      groups: textOf(seat.foreign.groupsPath),
      texts: open.map((path) => ({ where: path, text: textOf(path) ?? "" })),
      secrets: [this.#secret, ...(keyLine === "" ? [] : [keyLine])],
      modes: closed
        .filter((path) => existsSync(path))
        .map((path) => ({ path, mode: statSync(path).mode & 0o777 })),
      owners: seat.owners,
    };
  }

  /** Ends every process. What is on the disk stays. */
  async close(): Promise<void> {
    await Promise.all(this.seats.map((seat) => seat.destroy()));
    await this.devnet.close();
    await this.#redis[Symbol.asyncDispose]();
  }

  async destroy(): Promise<void> {
    await this.close();
    await rm(this.parent, { recursive: true, force: true, maxRetries: 10 });
  }
}

const openStore = async ({ url }: RedisServer) =>
  await openRedisStore({ url, namespace: "default", logger: silentLogger });

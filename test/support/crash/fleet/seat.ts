/** One gateway of a fleet: its folder, its own way to Redis, who edits its files, and its lives. */
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { TcpProxy } from "../../tcp-proxy.js";
import type { Owner, SurvivingJournal } from "../evidence.js";
import { ForeignWriter } from "../foreign.js";
import { type GatewaySeat, type RunningGateway, startGateway } from "../gateways.js";
import { lastRevisionOf, openHistory, readHistory, type WatcherName, watchers } from "../history.js";
import type { KillPlan, Landing } from "../kill-plan.js";
import type { Ending } from "../lives.js";
import { runWatcher } from "../traffic.js";
import { type WireApi, wireApi } from "../wire-api.js";
import type { FleetBugName } from "./fleet-bugs.js";

interface Life {
  readonly gateway: RunningGateway;
  readonly api: WireApi;
  /** Aborted when nobody watches it any more. */
  readonly leaving: AbortController;
  /** Resolves when it has ended and nobody watches it any more. */
  readonly over: Promise<void>;
}

export interface SeatOptions {
  readonly parent: string;
  readonly name: string;
  readonly build: string;
  readonly redisPort: number;
  readonly secret: string;
  readonly bug?: FleetBugName | undefined;
  /** Whether Redis has lost something: then watchers may be told to begin anew. */
  readonly mayBeCompacted: () => boolean;
}

export class Seat implements GatewaySeat {
  readonly name: string;
  readonly folder: string;
  readonly proxy: TcpProxy;
  readonly foreign: ForeignWriter;
  readonly logPath: string;
  /** What its watchers were told. */
  readonly historyPath: string;
  readonly flags: readonly string[];
  readonly imports: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly owners: Owner[] = [];
  /** Of its last end. */
  journal: SurvivingJournal | undefined;
  readonly #build: string;
  readonly #mayBeCompacted: () => boolean;
  #life: Life | undefined;

  private constructor(
    { name, build, secret, bug, mayBeCompacted }: SeatOptions,
    folder: string,
    proxy: TcpProxy,
  ) {
    this.name = name;
    this.#mayBeCompacted = mayBeCompacted;
    this.folder = folder;
    this.proxy = proxy;
    this.#build = build;
    this.foreign = new ForeignWriter(folder, secret, name);
    this.logPath = `${folder}.log`;
    this.historyPath = `${folder}.history`;
    this.flags = ["--redis", proxy.url];
    this.imports = bug === undefined ? [] : ["fleet/plant.js"];
    this.env = bug === undefined ? {} : { P2PRC_TEST_BUG: bug };
  }

  static async make(options: SeatOptions): Promise<Seat> {
    const folder = join(options.parent, options.name);
    await mkdir(join(folder, ".p2prc"), { recursive: true, mode: 0o700 });
    return new Seat(options, folder, await TcpProxy.start(options.redisPort));
  }

  get isAlive(): boolean {
    return this.#life !== undefined;
  }

  /** Absent = it does not run. */
  get api(): WireApi | undefined {
    return this.#life?.api;
  }

  /** Starts it with its watchers. @returns whether it came to serve: a kill may be meant for its start */
  async start(plan?: KillPlan): Promise<boolean> {
    rmSync(this.#landingPath, { force: true });
    rmSync(this.#syncedPath, { force: true });
    const order = {
      landingPath: this.#landingPath,
      planPath: this.#planPath,
      syncedPath: this.#syncedPath,
      ...(plan === undefined ? {} : { plan }),
    };
    const gateway = await startGateway(this, this.#build, order);
    if (gateway === undefined) this.#noteEnd();
    else this.#life = this.#live(gateway);
    return gateway !== undefined;
  }

  /** Gives the gateway that runs another plan, or none. */
  arm(plan?: KillPlan): void {
    writeFileSync(this.#planPath, JSON.stringify({ plan }));
    this.#life?.gateway.child.kill("SIGUSR2");
  }

  /** It stays connected and does nothing for so long. */
  async holdUp(awayMs: number): Promise<void> {
    const child = this.#life?.gateway.child;
    child?.kill("SIGSTOP");
    await delay(awayMs);
    child?.kill("SIGCONT");
  }

  kill(): void {
    this.#life?.gateway.child.kill("SIGKILL");
  }

  /** Resolves when the gateway that runs now has ended. */
  async ended(): Promise<void> {
    await this.#life?.over;
  }

  /** How the last life ended. */
  get ending(): Ending {
    if (!existsSync(this.#landingPath)) return { kind: "killed" };
    return { kind: "landed", landing: JSON.parse(readFileSync(this.#landingPath, "utf8")) as Landing };
  }

  /** Ends it in order, unwatched. @returns its exit code */
  async stop(): Promise<number | null> {
    const life = this.#life;
    life?.leaving.abort();
    life?.gateway.child.kill("SIGTERM");
    await life?.over;
    return (await life?.gateway.ended) ?? null;
  }

  async destroy(): Promise<void> {
    this.kill();
    await this.ended();
    await this.proxy[Symbol.asyncDispose]();
  }

  #live(gateway: RunningGateway): Life {
    const api = wireApi(gateway.url, gateway.socketPath);
    const leaving = new AbortController();
    const history = openHistory(this.historyPath);
    const watching = (Object.keys(watchers) as WatcherName[]).map(async (watcher) => {
      for (let isAnew = false; ; ) {
        const after = isAnew ? "" : lastRevisionOf(readHistory(this.historyPath), watcher);
        // The history is in Redis: while that is away, nobody is led through it, and what it has lost is not in it.
        const mayEndWith = (reason: string): boolean =>
          reason === "STATE_STORE_UNAVAILABLE" || (reason === "REVISION_COMPACTED" && this.#mayBeCompacted());
        const reason = await runWatcher({ api, history }, watcher, after, leaving.signal, mayEndWith);
        if (reason === undefined) return;
        isAnew = reason === "REVISION_COMPACTED";
        await delay(100);
      }
    });
    const over = gateway.ended.then(async () => {
      leaving.abort();
      await Promise.all(watching);
      api.close();
      history.close();
      this.#life = undefined;
      this.#noteEnd();
    });
    return { gateway, api, leaving, over };
  }

  /** Takes away what was never synced, as if the machine had lost its power, and reads what is left. */
  #noteEnd(): void {
    const path = join(this.folder, ".p2prc", "seen.journal");
    if (!existsSync(path)) return;
    const synced = existsSync(this.#syncedPath) ? Number(readFileSync(this.#syncedPath, "utf8")) : 0;
    // What it found at its start was on the disk before.
    if (existsSync(this.#syncedPath) || this.#wasAt("create.seen"))
      truncateSync(path, Math.min(synced, statSync(path).size));
    const containers = new Map<string, string>();
    for (const line of readFileSync(path, "utf8").split("\n").slice(0, -1)) {
      const { seen, done } = JSON.parse(line) as JournalLine;
      if (seen !== undefined) containers.set(seen.intent.id, keyOf(seen));
      if (done !== undefined) containers.delete(done);
    }
    const open = new Set([...(this.journal?.open ?? []), ...containers.values()]);
    this.journal = { open: [...open], lacksOne: this.#wasAt("create.seen") && containers.size === 0 };
  }

  #wasAt(name: Landing["name"]): boolean {
    const { ending } = this;
    return ending.kind === "landed" && ending.landing.name === name;
  }

  get #landingPath(): string {
    return `${this.folder}.landing`;
  }

  get #planPath(): string {
    return `${this.folder}.plan`;
  }

  get #syncedPath(): string {
    return `${this.folder}.synced`;
  }
}

interface JournalLine {
  readonly seen?: {
    readonly intent: {
      readonly id: string;
      readonly address: { readonly host: string; readonly port: number };
    };
    readonly described: { readonly id: string };
  };
  readonly done?: string;
}

const keyOf = ({ intent, described }: NonNullable<JournalLine["seen"]>): string =>
  `${intent.address.host}:${String(intent.address.port)}/${described.id}`;

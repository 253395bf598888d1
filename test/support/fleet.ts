/** Several gateways on one Redis and one devnet. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type App, openApp } from "../../src/app/app.js";
import { loadConfig } from "../../src/config/config.js";
import type { Devnet, DevnetOptions } from "../../src/devnet/contract.js";
import { openDevnet } from "../../src/devnet/devnet.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { silentLogger } from "../../src/observability/logger.js";
import { CliProcess } from "./cli.js";
import type { Api } from "./container-bench.js";
import { RedisServer } from "./redis-server.js";

export interface Member {
  readonly api: Api;
  readonly url: string;
  readonly baseDir: string;
  readonly app: App;
}

/** A member in a process of its own, which can be killed. */
export interface MemberProcess extends Omit<Member, "app"> {
  readonly process: CliProcess;
}

export interface FleetOptions {
  readonly devnet?: Partial<DevnetOptions>;
  readonly redisSettings?: Readonly<Record<string, string>>;
}

export interface JoinOptions {
  /** Where it finds Redis. @default the server itself */
  readonly redisUrl?: string;
  /** A folder that had a gateway before. @default an empty one */
  readonly baseDir?: string;
  readonly flags?: Readonly<Record<string, unknown>>;
}

export interface StartOptions extends Omit<JoinOptions, "flags"> {
  /** With a state of its own, embedded. */
  readonly isAlone?: boolean;
}

export class Fleet implements AsyncDisposable {
  readonly redis: RedisServer;
  readonly devnet: Devnet;
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(redis: RedisServer, devnet: Devnet) {
    this.redis = redis;
    this.devnet = devnet;
  }

  /** One Redis that keeps all it has confirmed, and three nodes of today. */
  static async open({ devnet = {}, redisSettings = {} }: FleetOptions = {}): Promise<Fleet> {
    const settings = { appendonly: "yes", appendfsync: "always", ...redisSettings };
    const redis = await RedisServer.start({ settings });
    const network = await openDevnet({ nodes: 3, seed: 7, shape: "mesh", dialects: ["2026-01"], ...devnet });
    return new Fleet(redis, network);
  }

  /** Names of the nodes. */
  get nodes(): readonly string[] {
    return this.devnet.nodes.map(({ address }) => `nodes/${address}`);
  }

  /** Opens a gateway in this process. */
  async join(options: JoinOptions = {}): Promise<Member> {
    const flags = { ...(await this.#flags(options)), lookInterval: "0", ...options.flags };
    const config = loadConfig({ flags, env: {}, cwd: flags.base });
    const app = await openApp({ config, logger: silentLogger, listen: true });
    this.#cleanups.push(() => app.close());
    return { ...(await this.#member(app.url ?? "", flags.base)), app };
  }

  /** Starts a gateway in a process of its own. */
  async start(options: StartOptions = {}): Promise<MemberProcess> {
    const { listen, base, allowCidr, publicIp, redis } = await this.#flags(options);
    const process = new CliProcess(
      [
        "serve",
        "--listen",
        listen,
        "--base",
        base,
        "--allow-cidr",
        allowCidr[0]!,
        "--public-ip",
        publicIp,
      ].concat(options.isAlone === true ? [] : ["--redis", redis], [
        "--look-interval",
        "0",
        "--log-level",
        "warn",
      ]),
      base,
    );
    this.#cleanups.push(async () => {
      process.child.kill("SIGKILL");
      await process.ended;
    });
    const [, url = ""] = await process.until(/gateway ready: (\S+)/);
    return { ...(await this.#member(url, base)), process };
  }

  async #flags({ redisUrl, baseDir }: JoinOptions) {
    return {
      listen: "127.0.0.1:0",
      base: baseDir ?? (await this.#folder()),
      allowCidr: ["127.0.0.0/8"],
      publicIp: "off",
      redis: redisUrl ?? this.redis.url,
    };
  }

  async #member(url: string, baseDir: string): Promise<Omit<Member, "app">> {
    const api = createClient(ClientService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    for (const { address } of this.devnet.nodes) await api.addNode({ address });
    return { api, url, baseDir };
  }

  async #folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "p2prc-fleet-"));
    this.#cleanups.push(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    await this.devnet.close();
    await this.redis[Symbol.asyncDispose]();
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisConnection, type RedisReply } from "../../src/store/redis/redis-connection.js";
import { systemClock } from "../../src/system/clock.js";
import { freePort } from "./free-port.js";

export interface RedisServerOptions {
  /** Settings as on the command line: `{ appendonly: "yes" }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A name in PATH, or a path. CONTRIBUTING.md says which others are tried, and where they come from. */
export const redisProgram = process.env["P2PRC_TEST_REDIS_SERVER"] ?? "redis-server";

/** A real redis-server, or one of its kin, on a free port, with files in a folder of its own. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  tlsPort = 0;
  readonly #folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();

  private constructor(port: number, folder: string, settings: Readonly<Record<string, string>>) {
    this.port = port;
    this.#folder = folder;
    this.#settings = settings;
  }

  static async start({ settings = {} }: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = await mkdtemp(join(tmpdir(), "p2prc-redis-"));
    // Between our look and its bind, another program may take the port: then with another one.
    for (let tries = 0; ; tries += 1) {
      const server = new RedisServer(await freePort(), folder, settings);
      try {
        await server.startAgain();
        return server;
      } catch (error) {
        if (tries < 3 && String(error).includes("in use")) continue;
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
    }
  }

  /** One that also speaks TLS; its certificate is among the settings. */
  static async startTls({ settings = {} }: RedisServerOptions): Promise<RedisServer> {
    const tlsPort = await freePort();
    const server = await RedisServer.start({ settings: { ...settings, "tls-port": String(tlsPort) } });
    server.tlsPort = tlsPort;
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Starts it with the files and on the port that it had. */
  async startAgain({ untilLoaded = true } = {}): Promise<void> {
    const settings = {
      bind: "127.0.0.1",
      port: String(this.port),
      dir: this.#folder,
      save: "",
      appendonly: "no",
      daemonize: "no",
      ...this.#settings,
    };
    const words = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    // Not our stderr: jest would wait for a server that a test which ran out of time has left behind.
    const child = spawn(redisProgram, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    this.#exited = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const ready = untilLoaded ? "Ready to accept connections" : "Server initialized";
    await new Promise<void>((resolve, reject) => {
      let log = "";
      child.once("error", () =>
        reject(
          new Error(
            `${redisProgram} is missing: run "bash scripts/install-e2e.sh redis", or install Redis 6.2 or later`,
          ),
        ),
      );
      // When its output has been read, too: it says why.
      child.once("close", () => reject(new Error(`redis-server did not start:\n${log}`)));
      for (const output of [child.stdout, child.stderr]) {
        output.setEncoding("utf8").on("data", (text: string) => {
          log = (log + text).slice(-4_000);
          if (log.includes(ready)) resolve();
        });
      }
    });
  }

  /** For commands that go past a store. End it. */
  async connect(): Promise<RedisConnection> {
    const limits = { connectTimeoutMs: 10_000, replyTimeoutMs: 60_000, clock: systemClock };
    return await RedisConnection.open({ url: this.url, ...limits }, new AbortController().signal);
  }

  /** Sends one command over a connection of its own. */
  async ask(...words: readonly string[]): Promise<RedisReply> {
    const connection = await this.connect();
    try {
      return await connection.send(words);
    } finally {
      connection.end(new Error("done"));
    }
  }

  /** Lets it save what it is told to save, and end. */
  async stop(): Promise<void> {
    this.#process?.kill("SIGTERM");
    await this.#exited;
  }

  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#exited;
  }

  /** Holds it up: it stays connected and does nothing. */
  freeze(): void {
    this.#process?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    await this.kill();
    // A child of it that saves is not killed with it, and writes on for a moment.
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

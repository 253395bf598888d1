import { isIP } from "node:net";
import type { createClient } from "redis";
import type { Clock } from "../../system/clock.js";
import { addressError, hintFor } from "./redis-address.js";
import { ConnectionLostError, RefusedError } from "./redis-errors.js";

export type RedisReply = string | number | null | readonly RedisReply[];

export interface ConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database. */
  readonly url: string;
  /** From the first packet until Redis has let us in, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** While commands wait, a reply comes at least so often, in milliseconds; else the connection is cut. */
  readonly replyTimeoutMs: number;
  readonly clock: Clock;
}

type Client = ReturnType<typeof createClient>;

/**
 * One connection to Redis, for as long as it lives. It is never mended: what was on its way when it failed must be judged
 * by those who sent it.
 *
 * node-redis would reconnect and resend by itself, and its own time-out ends when a command is written (6.3.1, read): a
 * commit could then run long after its caller was told that it did not.
 */
export class RedisConnection {
  readonly #client: Client;
  readonly #isErrorReply: (error: unknown) => error is Error;
  readonly #options: ConnectionOptions;
  readonly #socket: AbortController;
  #outstanding = 0;
  /** When it brought something, or began to owe something. */
  #lastReplyMs = 0;
  #heardMs = -Infinity;
  #asking: Promise<unknown> | undefined;
  #stopWatch: (() => void) | undefined;
  #failure: unknown;
  #isEnded = false;

  private constructor(
    client: Client,
    isErrorReply: (error: unknown) => error is Error,
    socket: AbortController,
    options: ConnectionOptions,
  ) {
    this.#client = client;
    this.#isErrorReply = isErrorReply;
    this.#socket = socket;
    this.#options = options;
  }

  /** @throws {ConnectionLostError}, {RefusedError}, {RedisAddressError} */
  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<RedisConnection> {
    // When it is needed: it takes longer to load than the rest of this room.
    const { createClient: makeClient, ErrorReply } = await import("redis");
    const socket = new AbortController();
    const client = makeClient({
      url: options.url,
      RESP: 2,
      // A command that waits for a connection would run after its caller has given up.
      disableOfflineQueue: true,
      disableClientInfo: true,
      maintNotifications: "disabled",
      commandOptions: { timeout: 0 },
      socket: {
        connectTimeout: options.connectTimeoutMs,
        reconnectStrategy: false,
        signal: socket.signal,
        ...tlsOptions(options.url),
      },
    }) as Client;
    const isErrorReply = (error: unknown): error is Error => error instanceof ErrorReply;
    const connection = new RedisConnection(client, isErrorReply, socket, options);
    client.on("error", (error) => connection.end(error));
    const end = (): void => connection.end(new Error("closed"));
    signal.addEventListener("abort", end);
    const stopTimer = options.clock.after(options.connectTimeoutMs, () =>
      connection.end(
        new Error(`no connection within ${options.connectTimeoutMs} ms; ${hintFor(options.url)}`),
      ),
    );
    try {
      signal.throwIfAborted();
      await client.connect();
      if (connection.isEnded) throw connection.#failure;
      // One round trip before anything that matters: a proxy may take the connection with no Redis behind it, and what
      // is sent then has an unknown end. It also brings LOADING, BUSY and NOAUTH to light.
      await connection.send(["PING"]);
      return connection;
    } catch (error) {
      connection.end(error);
      if (error instanceof RefusedError) throw error;
      if (isErrorReply(error)) throw new RefusedError(error.message);
      const failure = connection.#failure;
      throw (
        addressError(failure) ?? new ConnectionLostError(openingWords(failure, options.url), false, error)
      );
    } finally {
      stopTimer();
      signal.removeEventListener("abort", end);
    }
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** It owed replies and brought none: whoever is behind it may be away, and not the connection alone. */
  get fellSilent(): boolean {
    return this.#failure instanceof SilenceError;
  }

  /**
   * Asks whether anybody is there, if nothing was heard for so long; all who ask meanwhile share one question. What is sent
   * to one that fell silent while nobody asked has an unknown end.
   *
   * @returns undefined: it was heard
   * @throws {ConnectionLostError}, {RefusedError}
   */
  heardWithin(limitMs: number): Promise<unknown> | undefined {
    if (this.#options.clock.monotonicMs() - this.#heardMs < limitMs) return undefined;
    this.#asking ??= this.send(["PING"]).finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /**
   * No function of its own waits for the reply: thousands may be under way, and each would stand in memory.
   *
   * @throws {ConnectionLostError}, {RefusedError}
   */
  send(words: readonly string[]): Promise<RedisReply> {
    if (this.#isEnded) {
      return Promise.reject(new ConnectionLostError(wordsOf(this.#failure), false, this.#failure));
    }
    if (this.#outstanding === 0) this.#lastReplyMs = this.#options.clock.monotonicMs();
    this.#outstanding += 1;
    this.#stopWatch ??= this.#watch(this.#options.replyTimeoutMs);
    return this.#client.sendCommand<RedisReply>(words).then(this.#onReply, this.#onFailure);
  }

  readonly #onReply = (reply: RedisReply): RedisReply => {
    this.#noteReply();
    return reply;
  };

  readonly #onFailure = (error: unknown): never => {
    this.#noteReply();
    if (this.#isErrorReply(error)) throw new RefusedError(error.message);
    this.end(error);
    throw new ConnectionLostError(wordsOf(this.#failure), true, error);
  };

  #noteReply(): void {
    this.#outstanding -= 1;
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#lastReplyMs = this.#heardMs;
  }

  /** Cuts the connection at once. What waits for a reply fails. */
  end(failure: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#failure = failure;
    this.#stopWatch?.();
    this.#client.destroy();
    // While node-redis connects, `destroy` knows no socket yet.
    this.#socket.abort();
  }

  #watch(delayMs: number): () => void {
    return this.#options.clock.after(delayMs, () => {
      // What arrived while this process was held up is read first.
      setImmediate(() => this.#look());
    });
  }

  #look(): void {
    this.#stopWatch = undefined;
    if (this.#outstanding === 0 || this.#isEnded) return;
    const { replyTimeoutMs, clock } = this.#options;
    const quietMs = clock.monotonicMs() - this.#lastReplyMs;
    if (quietMs >= replyTimeoutMs) this.end(new SilenceError(replyTimeoutMs));
    else this.#stopWatch = this.#watch(replyTimeoutMs - quietMs);
  }
}

class SilenceError extends Error {
  constructor(limitMs: number) {
    super(`no reply within ${limitMs} ms`);
  }
}

/** The name that a server of several certificates is asked for. Neither node-redis nor node:tls takes it from the URL. */
function tlsOptions(url: string): { tls: true; servername: string } | undefined {
  const { protocol, hostname } = new URL(url);
  return protocol === "rediss:" && isIP(hostname.replace(/^\[|\]$/g, "")) === 0
    ? { tls: true, servername: hostname }
    : undefined;
}

/** Redis that was told TLS where it wants none, or the reverse, hangs up. So does one that is being restarted. */
const openingWords = (failure: unknown, url: string): string => {
  const words = wordsOf(failure);
  return words === closedWords || words === "ECONNRESET" ? `${words}; ${hintFor(url)}` : words;
};

/** Of node-redis. */
const closedWords = "Socket closed unexpectedly";

const wordsOf = (failure: unknown): string => {
  const { code, message } = (failure ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string") return code;
  return typeof message === "string" && message !== "" ? message : "the connection was cut";
};

import { StoreError } from "../errors.js";
import { type ConnectionOptions, RedisConnection } from "./redis-connection.js";

/** The way to Redis: one connection at a time, made when it is asked for. */
export class RedisLink {
  readonly #options: ConnectionOptions;
  readonly #closed = new AbortController();
  #current: RedisConnection | undefined;
  #opening: Promise<RedisConnection> | undefined;
  #opened = 0;
  #hasFailed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The connection, if there is one. */
  get current(): RedisConnection | undefined {
    return this.#current?.isEnded === false ? this.#current : undefined;
  }

  get isConnected(): boolean {
    return this.current !== undefined;
  }

  /** The last connection fell silent, or none could be made since: the next one may take as long as it may. */
  get isAway(): boolean {
    return !this.isConnected && (this.#hasFailed || this.#current?.fellSilent === true);
  }

  /** How often a connection was made after the first one. */
  get reconnects(): number {
    return Math.max(0, this.#opened - 1);
  }

  /** @throws {ConnectionLostError}, {RefusedError}; {StoreError} STATE_STORE_UNAVAILABLE once closed */
  async connection(): Promise<RedisConnection> {
    if (this.current !== undefined) return this.current;
    if (this.#closed.signal.aborted) throw closedError();
    this.#opening ??= this.#open();
    return await this.#opening;
  }

  /** Cuts the connection; the next one leads to where the name leads by then. */
  drop(failure: unknown): void {
    this.#current?.end(failure);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#current?.end(new Error("closed"));
    await this.#opening?.catch(() => undefined);
  }

  async #open(): Promise<RedisConnection> {
    try {
      const connection = await RedisConnection.open(this.#options, this.#closed.signal);
      this.#current = connection;
      this.#opened += 1;
      this.#hasFailed = false;
      if (this.#closed.signal.aborted) connection.end(new Error("closed"));
      return connection;
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    } finally {
      this.#opening = undefined;
    }
  }
}

export const closedError = (): StoreError =>
  new StoreError("STATE_STORE_UNAVAILABLE", "the state store is closed");

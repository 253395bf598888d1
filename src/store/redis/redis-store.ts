import type { Logger } from "../../observability/logger.js";
import { type Clock, systemClock } from "../../system/clock.js";
import { failpoint } from "../../system/failpoint.js";
import { readRecord } from "../change-rows.js";
import type {
  ChangeSet,
  Commit,
  CommitResult,
  Revision,
  Snapshot,
  StateStore,
  StoredRecord,
} from "../contract.js";
import { type EncodedCommit, encodeCommit, requireKey } from "../encoding.js";
import { StoreError } from "../errors.js";
import { Gate } from "./gate.js";
import { OutageLog } from "../outage-log.js";
import { type HistoryLimits, redisLimits, storeLimits } from "../limits.js";
import { askUntilAnswered, type Attempt, type AttemptLimits } from "./redis-attempts.js";
import { commitArguments, historyWords, readCommitReply } from "./redis-commit.js";
import type { RedisReply } from "./redis-connection.js";
import { isRefusalOfChanges, notSent } from "./redis-errors.js";
import { RedisFeed } from "./redis-feed.js";
import { redisKeys } from "./redis-keys.js";
import { closedError, RedisLink } from "./redis-link.js";
import { loadFrom } from "./redis-load.js";
import { loadRedisScripts } from "./redis-scripts.js";
import { checkServer, tryCommands } from "./redis-settings.js";
import { goneError, RedisState } from "./redis-state.js";
import { makeNonce } from "../revision.js";

export interface RedisStoreOptions {
  /** `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url: string;
  /** Gateways of one namespace share one state. Letters, digits, `.`, `-`, `_`; at most 64. */
  readonly namespace: string;
  readonly logger: Logger;
  /** Whether an empty state is made where there is none. @default true */
  readonly makes?: boolean;
  readonly clock?: Clock;
  /** @default storeLimits */
  readonly history?: HistoryLimits;
  /** `redisLimits` says what each is; in milliseconds. */
  readonly connectTimeoutMs?: number;
  readonly replyTimeoutMs?: number;
  readonly commitTimeoutMs?: number;
  readonly patienceMs?: number;
  readonly feedWaitMs?: number;
  readonly freshMs?: number;
}

/** Counters since the store was opened. */
export interface RedisStoreStats {
  readonly isConnected: boolean;
  readonly commits: number;
  readonly conflicts: number;
  /** Commits asked for again because a reply was lost or Redis refused for a moment. */
  readonly repeats: number;
  /** Connections made anew, of both. */
  readonly reconnects: number;
  /** Commits that failed. */
  readonly failures: number;
  /** The state is gone: flushed, or another Redis. Nothing is written until it was loaded anew. */
  readonly isGone: boolean;
  /** Age of the latest change when it arrived, in milliseconds; undefined before the first. */
  readonly lagMs: number | undefined;
}

export interface RedisStore extends StateStore {
  readonly stats: RedisStoreStats;
  /** There was no state: opening it made one. */
  readonly wasMade: boolean;
}

/**
 * Opens the state that gateways share in Redis; makes it if there is none, unless the options say otherwise.
 *
 * @throws {StoreError} STATE_STORE_UNAVAILABLE, STATE_UNREADABLE, STATE_READ_ONLY, DISK_FULL
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  requireUrl(options.url);
  const store = new SharedStore(options);
  try {
    await store.open();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The URL holds the password: it stands in no error. */
function requireUrl(url: string): void {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol)) {
    throw new StoreError("STATE_STORE_UNAVAILABLE", "the URL of Redis begins with redis:// or rediss://");
  }
}

class SharedStore implements RedisStore {
  readonly #state: RedisState;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #historyWords: readonly string[];
  readonly #limits: { patienceMs: number; connectTimeoutMs: number; freshMs: number };
  readonly #commitLimits: AttemptLimits;
  readonly #link: RedisLink;
  readonly #feedLink: RedisLink;
  readonly #feed: RedisFeed;
  readonly #gate = new Gate(redisLimits.maxCommitsUnderWay, redisLimits.maxBytesUnderWay);
  readonly #refusals: OutageLog;
  readonly #counts = { commits: 0, conflicts: 0, repeats: 0, failures: 0 };
  #wasMade = false;
  #closing: Promise<void> | undefined;

  constructor(options: RedisStoreOptions) {
    const { namespace, logger, makes = true } = options;
    const state = new RedisState(loadRedisScripts(), redisKeys(namespace), logger, makes);
    this.#state = state;
    this.#logger = logger;
    const clock = options.clock ?? systemClock;
    this.#clock = clock;
    this.#refusals = new OutageLog(logger, clock, "Redis takes changes again");
    const { historyCommits: commits, historyBytes: bytes } = storeLimits;
    const history = options.history ?? { commits, bytes };
    this.#historyWords = historyWords(history);
    const limits = { ...redisLimits, ...options };
    const { connectTimeoutMs, replyTimeoutMs, feedWaitMs: waitMs } = limits;
    this.#limits = limits;
    this.#commitLimits = { patienceMs: limits.patienceMs, unknownMs: limits.commitTimeoutMs };
    const way = { url: options.url, connectTimeoutMs, clock };
    this.#link = new RedisLink({ ...way, replyTimeoutMs });
    this.#feedLink = new RedisLink({ ...way, replyTimeoutMs: waitMs + replyTimeoutMs });
    const read = async (after: number) => await this.#ask((connection) => state.read(connection, after));
    const { scripts, keys } = state;
    const { commits: historyCommits } = history;
    this.#feed = new RedisFeed({ link: this.#feedLink, scripts, keys, clock, waitMs, historyCommits, read });
  }

  get stats(): RedisStoreStats {
    return {
      ...this.#counts,
      isConnected: this.#link.isConnected,
      isGone: this.#state.isGone,
      reconnects: this.#link.reconnects + this.#feedLink.reconnects,
      lagMs: this.#feed.lagMs,
    };
  }

  get heardMs(): number | undefined {
    return this.#feed.heardMs;
  }

  get wasMade(): boolean {
    return this.#wasMade;
  }

  /** Waits for Redis, judges it, and finds or makes the state. */
  async open(): Promise<void> {
    await this.#ask(async (connection) => {
      await checkServer(connection, this.#logger);
      await tryCommands(connection, this.#state.keys);
      this.#wasMade = await this.#state.prepare(connection);
    }, this.#limits.connectTimeoutMs);
  }

  async load(): Promise<Snapshot> {
    this.#requireOpen();
    return await this.#ask(async (connection) => {
      // Where the state is gone, a new one begins here: who loads knows what was there before, and can bring it back.
      await this.#state.prepare(connection);
      this.#state.see(true);
      return await loadFrom(connection, this.#state, () => this.#requireOpen());
    });
  }

  async head(): Promise<Revision> {
    this.#requireOpen();
    return await this.#ask((connection) => this.#state.require(connection));
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    this.#requireOpen();
    requireKey(key);
    const stored = await this.#ask(async (connection) => {
      if (this.#state.isGone) await this.#state.require(connection);
      return await connection.send(["HGET", this.#state.keys.records, key]);
    });
    return typeof stored === "string" ? readRecord(key, stored) : undefined;
  }

  async commit(commit: Commit): Promise<CommitResult> {
    this.#requireOpen();
    const encoded = encodeCommit(commit);
    if (!this.#gate.enter(encoded.bytes)) await this.#gate.turn(encoded.bytes);
    try {
      const result = await this.#commit(encoded);
      if (result.kind === "committed") {
        this.#feed.expect(result.revision);
        this.#refusals.answered();
      }
      this.#counts[result.kind === "committed" ? "commits" : "conflicts"] += 1;
      return result;
    } catch (error) {
      this.#counts.failures += 1;
      if (isRefusalOfChanges(error)) this.#refusals.failed(error, "Redis answers, and takes no changes");
      throw error;
    } finally {
      this.#gate.leave(encoded.bytes);
    }
  }

  async *changes(after: Revision, signal: AbortSignal): AsyncGenerator<ChangeSet, void, undefined> {
    this.#requireOpen();
    yield* this.#feed.changes(after, signal);
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    await this.#feed.close();
    await this.#gate.isEmpty();
    await this.#link.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }

  /** Asks for what changes nothing. */
  async #ask<T>(ask: Attempt<T, T>["ask"], patienceMs = this.#limits.patienceMs): Promise<T> {
    const limits = { patienceMs };
    const read = (answer: T): T => answer;
    return await askUntilAnswered({ link: this.#link, clock: this.#clock, limits, ask, read });
  }

  /** Each function that waits between a caller and the socket makes every commit some percent dearer: hence so few. */
  #commit(commit: EncodedCommit): Promise<CommitResult> {
    const nonce = makeNonce();
    const { scripts, keys: all } = this.#state;
    const { records, log, operations, meta, mark } = all;
    const keys = [records, log, operations, meta, mark(nonce)];
    const parts = { nonce, timeMs: this.#clock.nowMs(), history: this.#historyWords };
    return askUntilAnswered({
      link: this.#link,
      clock: this.#clock,
      limits: this.#commitLimits,
      metadata: { operationId: commit.operationId },
      onRepeat: () => (this.#counts.repeats += 1),
      ask: (connection, attempt) => {
        const send = (): Promise<RedisReply> => {
          failpoint("commit.leaving");
          const args = commitArguments(commit, { ...parts, attempt });
          const replying = scripts.commit.run(connection, keys, args);
          failpoint("commit.sent");
          return replying;
        };
        const hearing = connection.heardWithin(this.#limits.freshMs);
        return hearing === undefined ? send() : hearing.then(send, notSent);
      },
      read: (reply) => {
        failpoint("commit.replied");
        const result = readCommitReply(reply);
        this.#state.see(result !== "gone");
        if (result === "gone") throw goneError();
        return result;
      },
    });
  }
}

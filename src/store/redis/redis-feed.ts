import type { Clock } from "../../system/clock.js";
import type { ChangeSet, Revision } from "../contract.js";
import { StoreError } from "../errors.js";
import { toRedisStoreError } from "./redis-errors.js";
import type { RedisKeys } from "./redis-keys.js";
import { closedError, type RedisLink } from "./redis-link.js";
import { awaitLog, type LogEntry, type LogPart, readLog } from "./redis-log.js";
import type { RedisScripts } from "./redis-scripts.js";
import { numberOfRevision } from "../revision.js";
import { Turns } from "../turns.js";

export interface FeedOptions {
  /** A connection of its own: it waits in Redis most of the time. */
  readonly link: RedisLink;
  readonly scripts: RedisScripts;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** How long one question waits for a commit, in milliseconds; so soon an idle reader learns that the log is another. */
  readonly waitMs: number;
  /** What the log keeps: nothing older is handed out. */
  readonly historyCommits: number;
  /** Reads the log for a reader who is behind. */
  readonly read: (after: number) => Promise<LogPart>;
}

/** One follower of the log's end; it ends at the first failure, and with it those who read along. */
interface Run {
  failure: unknown;
}

/** Entries kept decoded for readers near the log's end; large ones are not. */
const maxRecent = 512;
const maxRecentCharacters = 16_384;
/** How long handing out may hold the event loop, in milliseconds. */
const sliceMs = 4;
const nowhere = "0-0000000000000000";

/** Hands the log to any number of readers: one connection waits at its end and wakes them all. */
export class RedisFeed {
  readonly #options: FeedOptions;
  readonly #recent = new Map<number, LogEntry>();
  readonly #sleeping = new Set<() => void>();
  readonly #reading = new Map<Revision, Promise<LogPart>>();
  readonly #turns = new Turns();
  #run: Run | undefined;
  #following: Promise<void> | undefined;
  #position: Revision = nowhere;
  #rings = 0;
  #isClosed = false;
  #lagMs: number | undefined;
  #heardMs: number | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** How old the latest commit was when it arrived here, by the clocks of both gateways, in milliseconds. */
  get lagMs(): number | undefined {
    return this.#lagMs;
  }

  /** When Redis last told where the log ends, wall clock in milliseconds since 1970. */
  get heardMs(): number | undefined {
    return this.#heardMs;
  }

  async *changes(after: Revision, signal: AbortSignal): AsyncGenerator<ChangeSet, void, undefined> {
    const run = this.#join();
    let position = after;
    let ahead: readonly LogEntry[] = [];
    let sliceEnd = performance.now() + sliceMs;
    while (!signal.aborted) {
      this.#requireGoing(run, position);
      const rings = this.#rings;
      let entry = ahead[0] ?? this.#recentAfter(position);
      if (entry === undefined) {
        ahead = await this.#readAfter(position);
        [entry] = ahead;
      }
      if (entry === undefined) {
        await this.#sleep(rings, signal);
      } else {
        if (entry.previous !== position) throw compacted(position);
        ahead = ahead.slice(1);
        position = entry.changeSet.revision;
        yield entry.changeSet;
        if (performance.now() < sliceEnd) continue;
      }
      await this.#turns.next();
      sliceEnd = performance.now() + sliceMs;
    }
  }

  /** Lets readers look again when a commit of our own is not where it should be: the log may be another one. */
  expect(revision: Revision): void {
    const number = numberOfRevision(revision);
    if (number > numberOfRevision(this.#position)) return;
    if (this.#recent.get(number)?.changeSet.revision !== revision) this.#ring();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ring();
    await this.#options.link.close();
    await this.#following;
  }

  #requireGoing(run: Run, position: Revision): void {
    if (this.#isClosed) throw closedError();
    if (run.failure !== undefined) throw orCompacted(toRedisStoreError(run.failure), position);
  }

  #recentAfter(position: Revision): LogEntry | undefined {
    const entry = this.#recent.get(numberOfRevision(position) + 1);
    // Of another past, maybe: what is in Redis decides.
    return entry?.previous === position ? entry : undefined;
  }

  /** @returns nothing at the log's end. @throws {StoreError} REVISION_COMPACTED if `position` is not in the log */
  async #readAfter(position: Revision): Promise<readonly LogEntry[]> {
    const number = numberOfRevision(position);
    // Readers at one place share one question.
    let reading = this.#reading.get(position);
    if (reading === undefined) {
      // What is no revision at all is in no log either.
      reading = this.#options
        .read(Number.isNaN(number) ? 0 : number)
        .catch((error: unknown) => {
          throw orCompacted(error, position);
        })
        .finally(() => this.#reading.delete(position));
      this.#reading.set(position, reading);
    }
    const { head, base, entries } = await reading;
    const [first] = entries;
    if ((first === undefined ? head : first.previous) !== position) throw compacted(position, base);
    return entries;
  }

  async #sleep(rings: number, signal: AbortSignal): Promise<void> {
    if (rings !== this.#rings) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#sleeping.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#sleeping.add(wake);
      signal.addEventListener("abort", wake);
      if (signal.aborted) wake();
    });
  }

  #ring(): void {
    this.#rings += 1;
    for (const wake of [...this.#sleeping]) wake();
  }

  #join(): Run {
    if (this.#run === undefined) {
      const run: Run = { failure: undefined };
      this.#run = run;
      this.#following = this.#follow().catch((error: unknown) => {
        run.failure = error;
        this.#run = undefined;
        // The next server may have taken another way from where this one's replicas were.
        this.#recent.clear();
        this.#ring();
      });
    }
    return this.#run;
  }

  async #follow(): Promise<never> {
    const { link, keys, waitMs } = this.#options;
    const connection = await link.connection();
    const { head } = await readLog(connection, this.#options, 0, 0);
    this.#hear();
    this.#moveTo(head);
    for (;;) {
      const entry = await awaitLog(connection, keys, numberOfRevision(this.#position), waitMs);
      this.#hear();
      if (entry !== undefined) this.#take([entry]);
      for (;;) {
        const part = await readLog(connection, this.#options, numberOfRevision(this.#position));
        this.#hear();
        this.#take(part.entries);
        if (part.entries.length > 0) continue;
        if (part.head !== this.#position) this.#moveTo(part.head);
        break;
      }
    }
  }

  #hear(): void {
    this.#heardMs = this.#options.clock.nowMs();
  }

  /** The log's end is not where we were: flushed, or that of another server. */
  #moveTo(head: Revision | undefined): void {
    this.#recent.clear();
    this.#position = head ?? nowhere;
    this.#ring();
  }

  #take(entries: readonly LogEntry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (entry.previous !== this.#position) this.#recent.clear();
      const { revision, timeMs } = entry.changeSet;
      this.#position = revision;
      this.#lagMs = this.#options.clock.nowMs() - timeMs;
      if (entry.characters <= maxRecentCharacters) this.#recent.set(numberOfRevision(revision), entry);
      const [oldest] = this.#recent.keys();
      if (this.#recent.size > Math.min(maxRecent, this.#options.historyCommits) && oldest !== undefined)
        this.#recent.delete(oldest);
    }
    this.#ring();
  }
}

const compacted = (revision: Revision, oldest?: Revision, cause?: StoreError): StoreError =>
  new StoreError("REVISION_COMPACTED", "this revision is not in the history", {
    metadata: { revision, ...(oldest === undefined ? {} : { oldest }) },
    cause,
  });

/** Nobody gets past a commit that cannot be read; who reads the whole state anew does. */
const orCompacted = (error: unknown, position: Revision): unknown =>
  error instanceof StoreError && error.reason === "STATE_UNREADABLE"
    ? compacted(position, undefined, error)
    : error;

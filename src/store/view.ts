import type { Logger } from "../observability/logger.js";
import { type Clock, systemClock } from "../system/clock.js";
import { pause } from "../system/pause.js";
import type { ChangeSet, RecordChange, Revision, Snapshot, StateStore, StoredRecord } from "./contract.js";
import { spelledKey, StoreError } from "./errors.js";
import type { EndRule } from "./rescue.js";
import { loadRescued, type Rescued } from "./rescue-work.js";
import { numberOfRevision } from "./revision.js";
import { differenceOf } from "./difference.js";
import { SeenRevisions } from "./seen-revisions.js";
import { Standing } from "./standing.js";

/** Whether a record tells of somebody bringing back what the store has lost; it is nobody's own. */
export { isOfRescue } from "./rescue-marks.js";

/** What a view tells its listeners, each time after it shows it. */
export type ViewUpdate =
  | { readonly kind: "changed"; readonly changeSet: ChangeSet }
  /**
   * The history did not reach back to where the view was, so it was read anew: commits between are not told one by one.
   * `changes` leads from what the view showed to what it shows now.
   */
  | { readonly kind: "resynced"; readonly revision: Revision; readonly changes: readonly RecordChange[] };

export type ViewListener = (update: ViewUpdate) => void;

/** Where a view was when something began: a commit made from there comes later. */
export interface Place {
  readonly revision: Revision;
  /** How often it was read anew. */
  readonly resyncCount: number;
}

interface Waiter {
  readonly isShown: () => boolean;
  readonly wake: () => void;
}

/** How long to wait before a store that failed is asked again, in milliseconds. Doubles. */
const firstRetryMs = 100;
const lastRetryMs = 1_000;
/** The same before all of it is read anew. */
const lastReadMs = 5_000;

/** All records of a store in memory, as of some commit, following it. Indexes are for listeners to keep. */
export class RecordView {
  readonly #store: StateStore;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #standing: Standing;
  readonly #hasKnownEnd: EndRule | undefined;
  readonly #listeners = new Set<ViewListener>();
  readonly #waiters = new Set<Waiter>();
  readonly #closed = new AbortController();
  #records: Map<string, StoredRecord>;
  #revision: Revision;
  readonly #seen = new SeenRevisions();
  #resyncCount = 0;
  #following: Promise<void> | undefined;

  private constructor(
    store: StateStore,
    logger: Logger,
    clock: Clock,
    { records, revision, trail = [] }: Snapshot,
    hasKnownEnd: EndRule | undefined,
  ) {
    this.#hasKnownEnd = hasKnownEnd;
    this.#store = store;
    this.#logger = logger;
    this.#clock = clock;
    this.#standing = new Standing(logger, clock);
    this.#records = records;
    this.#revision = revision;
    for (const seen of [...trail, revision]) this.#seen.add(seen);
  }

  /**
   * Reads the store and follows it from there. Close it before the store.
   *
   * @throws {StoreError} what `load` throws
   */
  static async open(
    store: StateStore,
    logger: Logger,
    clock: Clock = systemClock,
    hasKnownEnd?: EndRule,
  ): Promise<RecordView> {
    const view = new RecordView(store, logger, clock, await store.load(), hasKnownEnd);
    view.#following = view.#follow();
    return view;
  }

  /** The latest commit that the view shows. */
  get revision(): Revision {
    return this.#revision;
  }

  get place(): Place {
    return { revision: this.#revision, resyncCount: this.#resyncCount };
  }

  /** How many records there are. */
  get size(): number {
    return this.#records.size;
  }

  /** Since when nothing was heard of the store, wall clock in milliseconds since 1970; undefined while it answers. */
  get behindSinceMs(): number | undefined {
    return this.#standing.behindSinceMs;
  }

  /** Tells at once, and each time that it changes, whether the store does not answer. @returns what ends it */
  onStanding(listener: (isBehind: boolean) => void): () => void {
    return this.#standing.onChange(listener);
  }

  get(key: string): StoredRecord | undefined {
    return this.#records.get(key);
  }

  /** Walks over all records, in no order. */
  entries(): Iterable<StoredRecord> {
    return this.#records.values();
  }

  /** Calls `listener` for each update from now on, in order. @returns what ends it */
  subscribe(listener: ViewListener): () => void {
    // A function of its own, so that one listener can be subscribed twice.
    const own: ViewListener = (update) => listener(update);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /**
   * Resolves when the view shows at least this commit.
   *
   * @param from where the view was when the commit began: also resolves once it has been read anew since. The store may
   * have lost this commit then, and whether it is shown is for the caller to find out. A commit that does not come later
   * than that place is of another past, which the view is about to show
   * @throws {StoreError} STATE_STORE_UNAVAILABLE once closed; what `signal` was aborted with
   */
  async reached(revision: Revision, signal?: AbortSignal, from?: Place): Promise<void> {
    signal?.throwIfAborted();
    const number = numberOfRevision(revision);
    const isElsewhere = from !== undefined && !isAtOrAfter(revision, from.revision);
    const isShown = (): boolean =>
      (!isElsewhere && number <= numberOfRevision(this.#revision)) ||
      (from !== undefined && this.#resyncCount > from.resyncCount);
    if (isShown()) return;
    if (this.#isClosed()) throw closedError();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const waiter: Waiter = { isShown, wake };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", wake);
    });
    signal?.throwIfAborted();
    if (!isShown()) throw closedError();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    for (const waiter of [...this.#waiters]) waiter.wake();
    await this.#following;
    this.#listeners.clear();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closed;
    let retryMs = firstRetryMs;
    while (!this.#isClosed()) {
      try {
        for await (const changeSet of this.#store.changes(this.#revision, signal)) {
          retryMs = firstRetryMs;
          this.#standing.answered();
          this.#apply(changeSet);
        }
      } catch (error) {
        if (this.#isClosed()) return;
        const isLost = error instanceof StoreError && error.reason === "REVISION_COMPACTED";
        if (isLost && (await this.#resync(error))) continue;
        if (!isLost) this.#standing.failed(error, "the state store does not answer; the view stays as it is");
        this.#standing.fellSilent(this.#heardMs());
        await pause(this.#clock, retryMs, signal);
        // One that answers, and cannot be read anew, is not back: to read all of it again and again would wear it out.
        const isBack = !isLost && (await this.#answers());
        retryMs = isBack ? firstRetryMs : Math.min(retryMs * 2, isLost ? lastReadMs : lastRetryMs);
      }
    }
  }

  #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** It fell silent before that could be noticed. */
  #heardMs(): number {
    const nowMs = this.#clock.nowMs();
    return Math.min(nowMs, this.#store.heardMs ?? nowMs);
  }

  /** Asks whether the store is back: `changes` alone is as silent when nothing happens as when nobody is there. */
  async #answers(): Promise<boolean> {
    try {
      await this.#store.get("any");
      this.#standing.answered();
      return true;
    } catch {
      return false;
    }
  }

  #apply(changeSet: ChangeSet): void {
    const { revision, changes } = changeSet;
    for (const { key, value } of changes) {
      if (value === undefined) this.#records.delete(key);
      else this.#records.set(key, { key, value, revision });
    }
    this.#show(revision, { kind: "changed", changeSet });
  }

  /** Reads the store anew. */
  async #resync({ metadata, cause }: StoreError): Promise<boolean> {
    try {
      const { now, isAnotherPast } = await this.#loadWhole(metadata["oldest"]);
      if (this.#isClosed()) return true;
      const { records, revision, trail = [] } = now;
      if (isAnotherPast) this.#seen.beginAnew();
      for (const seen of trail) this.#seen.add(seen);
      const changes = differenceOf(this.#records, records);
      const why = cause === undefined ? {} : { err: cause };
      this.#logger.warn({ ...why, from: this.#revision, to: revision }, "the view was read anew");
      this.#records = records;
      this.#standing.answered();
      this.#show(revision, { kind: "resynced", revision, changes });
      return true;
    } catch (error) {
      this.#standing.failed(error, "the state cannot be read anew; the view stays as it is");
      return false;
    }
  }

  /**
   * Reads the store, and brings back what it has lost of what was seen here.
   *
   * @param oldest how far its history reaches back: if to where the view was, and that is not in it, it is another past
   */
  async #loadWhole(oldest: Revision | undefined): Promise<Rescued> {
    const seen = this.#revision;
    const past = { records: this.#records, seen, recent: this.#seen.recent };
    return await loadRescued(this.#store, past, {
      ...(this.#hasKnownEnd === undefined ? {} : { hasKnownEnd: this.#hasKnownEnd }),
      isAnotherPast: oldest !== undefined && numberOfRevision(oldest) <= numberOfRevision(seen),
      trail: this.#seen.trail,
      nowMs: this.#clock.nowMs(),
      isOver: () => this.#isClosed(),
      onBegin: (count) =>
        this.#logger.error(
          { count },
          "the state store has lost what it had confirmed: what was seen here is brought back",
        ),
      onForeign: ([first = "", ...others]) =>
        this.#logger.warn(
          { record: spelledKey(first), otherCount: others.length },
          "the state holds what is no mark of a rescue where those stand: it is passed over",
        ),
    });
  }

  #show(revision: Revision, update: ViewUpdate): void {
    this.#revision = revision;
    if (update.kind === "resynced") this.#resyncCount += 1;
    this.#seen.add(revision);
    for (const listener of [...this.#listeners]) {
      try {
        listener(update);
      } catch (error) {
        // One listener's fault is not the others'.
        this.#logger.error({ err: error }, "a listener of the view failed");
      }
    }
    for (const waiter of [...this.#waiters]) if (waiter.isShown()) waiter.wake();
  }
}

const isAtOrAfter = (revision: Revision, from: Revision): boolean =>
  revision === from || numberOfRevision(revision) > numberOfRevision(from);

const closedError = (): StoreError => new StoreError("STATE_STORE_UNAVAILABLE", "the view is closed");

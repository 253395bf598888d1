import { setImmediate } from "node:timers/promises";
import { weightOf } from "../../filter/weight.js";
import type { ChangeSet, RecordChange, Revision, StateStore } from "../../store/contract.js";
import { StoreError } from "../../store/errors.js";
import type { ViewUpdate } from "../../store/view.js";
import type { Clock } from "../../system/clock.js";
import type { Change, WatchMessage, WatchRequest } from "../contract.js";
import { ContainerError } from "../errors.js";
import { containerFields, groupFields } from "../fields.js";
import { containerLimits } from "../limits.js";
import { readFilter } from "../lists.js";
import { containerKey, readContainerName, readGroupName } from "../names.js";
import { Overlay } from "./overlay.js";
import { showContainer, showGroup, showIntent } from "../show.js";
import type { Records, TrackedState } from "../tracked-state.js";
import { type Filters, throughFilter, visibleChanges } from "./visible-changes.js";
import { Message, messagesOf, type Told } from "./watch-messages.js";
import { type VisibleCommit, WatcherQueue } from "./watcher-queue.js";

export interface WatchesDeps {
  readonly store: StateStore;
  readonly state: TrackedState;
  readonly clock: Clock;
  /** Aborted when the gateway drains: streams end, to be continued at another one. */
  readonly draining: AbortSignal;
}

/** Streams of commits. Each commit is looked at once, whoever watches. */
export class Watches {
  readonly #deps: WatchesDeps;
  /** Of those who are told each commit as it comes. */
  readonly #queues = new Set<WatcherQueue>();
  /** Of all, also of those who are still led through the history. */
  readonly #watching = new Set<WatcherQueue>();

  constructor(deps: WatchesDeps) {
    this.#deps = deps;
    deps.state.subscribe((update) => this.#tell(update));
    deps.draining.addEventListener("abort", () => {
      for (const queue of this.#watching) queue.fail(drained());
    });
  }

  /** @throws {ContainerError} INVALID_FILTER, SLOW_CONSUMER, DRAINING; {StoreError} REVISION_COMPACTED */
  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchMessage, void, undefined> {
    const { state, clock, draining } = this.#deps;
    const filters = filtersOf(request);
    if (request.startRevision !== "" && request.sendInitialState) {
      throw new ContainerError("INVALID_REVISION", "start_revision goes without send_initial_state", {
        field: "start_revision",
      });
    }
    if (draining.aborted) throw drained();
    if (this.#watching.size >= containerLimits.maxWatchers)
      throw new ContainerError("TOO_MANY_WATCHERS", "too many streams watch at once");
    const queue = new WatcherQueue(signal);
    this.#watching.add(queue);
    try {
      let revision = state.revision;
      if (request.startRevision === "") this.#queues.add(queue);
      else revision = yield* this.#replay(request.startRevision, filters, queue, signal);
      if (request.sendInitialState) yield* this.#initial(filters, signal);
      let isIdleFrom = clock.monotonicMs();
      for (;;) {
        const waitMs = Math.max(0, isIdleFrom + request.heartbeatMs - clock.monotonicMs());
        const commit = await queue.next(waitMs);
        revision = commit?.revision ?? revision;
        const messages = commit === undefined ? [] : told(commit, filters);
        const isDue = clock.monotonicMs() - isIdleFrom >= request.heartbeatMs;
        if (messages.length === 0 && !isDue) continue;
        for (const message of messages) yield message;
        if (messages.length === 0) yield { revision, type: "BOOKMARK", changes: [], timeMs: clock.nowMs() };
        isIdleFrom = clock.monotonicMs();
      }
    } finally {
      this.#queues.delete(queue);
      this.#watching.delete(queue);
    }
  }

  #tell(update: ViewUpdate): void {
    if (this.#queues.size === 0) return;
    if (update.kind === "resynced") {
      for (const queue of this.#queues) queue.fail(compacted());
      return;
    }
    const { state } = this.#deps;
    const { changeSet } = update;
    const commit = visible(changeSet, new Overlay(state).takeBack(changeSet.changes), state);
    if (commit.changes.length === 0) return;
    for (const queue of this.#queues) queue.push(commit, tooSlow);
  }

  /** Shows what exists, as it was when this began, while commits go on. */
  async *#initial(filters: Filters, signal: AbortSignal): AsyncGenerator<WatchMessage, void, undefined> {
    const { state, clock } = this.#deps;
    const { revision } = state;
    const frozen = new Overlay(state);
    const names = [...state.groupNames, ...state.names];
    const unsubscribe = state.subscribe((update) => {
      frozen.keepBefore(update.kind === "changed" ? update.changeSet.changes : update.changes);
    });
    try {
      const message = new Message();
      let turnStartMs = performance.now();
      for (const name of names) {
        const change = added(name, frozen, filters);
        const told = change === undefined ? undefined : { change, weightBytes: weightOf(change) };
        if (told !== undefined && !message.add(told)) {
          yield { revision: "", type: "INITIAL", changes: message.take(), timeMs: clock.nowMs() };
          message.add(told);
        }
        if (performance.now() - turnStartMs > 5) {
          await setImmediate();
          turnStartMs = performance.now();
        }
        signal.throwIfAborted();
      }
      if (!message.isEmpty)
        yield { revision: "", type: "INITIAL", changes: message.take(), timeMs: clock.nowMs() };
    } finally {
      unsubscribe();
    }
    yield { revision, type: "INITIAL_DONE", changes: [], timeMs: clock.nowMs() };
  }

  /**
   * Waits until the state shows a revision that another gateway, or the history, was quicker to tell.
   *
   * @throws {StoreError} REVISION_COMPACTED: it is not in the history, and the state would never show it
   */
  async #reach(revision: Revision, signal: AbortSignal): Promise<void> {
    const { store, state } = this.#deps;
    if (revision === state.revision) return;
    const ending = new AbortController();
    const until = AbortSignal.any([signal, ending.signal]);
    const history = store.changes(revision, until)[Symbol.asyncIterator]();
    const isKnown = history.next().then(() => state.reached(revision, until));
    const isShown = state.reached(revision, until);
    try {
      await Promise.race([isKnown, isShown]);
    } finally {
      ending.abort();
      await Promise.allSettled([isKnown, isShown, history.return?.()]);
    }
    signal.throwIfAborted();
  }

  /**
   * Tells the commits after a revision out of the history, then hands over to the queue without gap or repeat.
   *
   * The history says what each commit changed, not what else there was. So the records that it touches are first taken
   * back to where they were at the start, and then led forward with it.
   *
   * @returns the last revision told
   */
  async *#replay(
    start: string,
    filters: Filters,
    queue: WatcherQueue,
    signal: AbortSignal,
  ): AsyncGenerator<WatchMessage, string, undefined> {
    const { store, state } = this.#deps;
    let revision = start;
    const ending = new AbortController();
    const subscriptions = [
      state.subscribe(({ kind }) => {
        // What was read ahead of the history may be lost, and would be waited for in vain.
        if (kind === "resynced") ending.abort(compacted());
      }),
    ];
    const going = AbortSignal.any([signal, ending.signal]);
    try {
      await this.#reach(start, going);
      if (start === state.revision) {
        this.#queues.add(queue);
        return revision;
      }
      // Not before: what the state changed on its way to the start was told already, and is not to be taken back.
      const past = new Overlay(state);
      subscriptions.push(
        state.subscribe((update) => {
          past.keepBefore(update.kind === "changed" ? update.changeSet.changes : update.changes);
        }),
      );
      past.takeBack(await firstChanges(store, start, state.revision, going));
      for await (const changeSet of store.changes(start, going)) {
        const before = new Overlay(past);
        const after = new Overlay(past);
        before.apply(
          changeSet.changes.map(({ key, previous }) => ({ key, value: previous, previous: undefined })),
        );
        after.apply(changeSet.changes);
        const commit = visible(changeSet, before, after);
        past.apply(changeSet.changes);
        ({ revision } = changeSet);
        for (const message of told(commit, filters)) yield message;
        // The history may be ahead of the state: to wait for the next commit here would be to hear of nothing else.
        await state.reached(revision, going);
        // No commit can come between this look and the queue's place among the others.
        if (revision === state.revision) {
          this.#queues.add(queue);
          break;
        }
      }
      going.throwIfAborted();
      return revision;
    } finally {
      for (const unsubscribe of subscriptions) unsubscribe();
    }
  }
}

/** What the commits from one revision to another changed, each record as it was changed first. */
async function firstChanges(
  store: StateStore,
  start: Revision,
  until: Revision,
  signal: AbortSignal,
): Promise<readonly RecordChange[]> {
  const first = new Map<string, RecordChange>();
  for await (const { changes, revision } of store.changes(start, signal)) {
    for (const change of changes) if (!first.has(change.key)) first.set(change.key, change);
    if (revision === until) break;
  }
  signal.throwIfAborted();
  return [...first.values()];
}

function visible(changeSet: ChangeSet, before: Records, after: Records): VisibleCommit {
  const { revision, timeMs } = changeSet;
  const changes = visibleChanges(changeSet.changes, before, after);
  return {
    revision,
    timeMs,
    changes,
    weightBytes: changes.reduce((sum, change) => sum + change.weightBytes, 0),
    told: new Map(),
  };
}

/** So many ways to see a commit are kept for others: a commit that a slow watcher has yet to read must not grow with the rest. */
const maxShared = 8;

/** What a commit is to those who see through these filters; nothing, if it is none of theirs. */
function told(commit: VisibleCommit, filters: Filters): readonly WatchMessage[] {
  const known = commit.told.get(filters.key);
  if (known !== undefined) return known;
  const seen = commit.changes.flatMap((visibleChange): Told[] => {
    const change = throughFilter(visibleChange, filters);
    return change === undefined ? [] : [{ change, weightBytes: visibleChange.weightBytes }];
  });
  const messages = [...messagesOf(seen, commit)];
  if (commit.told.size < maxShared) commit.told.set(filters.key, messages);
  return messages;
}

function added(name: string, records: Records, filters: Filters): Change | undefined {
  if (name.startsWith("groups/")) {
    const after = showGroup(records, readGroupName(name, "group"));
    return throughFilter({ kind: "GROUP", before: undefined, after }, filters);
  }
  const { host, port, id, isIntent } = readContainerName(name, "container");
  const intent = isIntent ? records.get("intent", id) : undefined;
  const shownIntent = intent === undefined ? undefined : showIntent(intent);
  const after = isIntent ? shownIntent : showContainer(records, containerKey({ host, port: port ?? 0 }, id));
  return throughFilter({ kind: "CONTAINER", before: undefined, after, end: undefined }, filters);
}

function filtersOf({ kinds, containerFilter, groupFilter }: WatchRequest): Filters {
  const watches = (kind: "CONTAINER" | "GROUP"): boolean => kinds.size === 0 || kinds.has(kind);
  const container = readFilter(containerFilter, containerFields, "container_filter");
  const group = readFilter(groupFilter, groupFields, "group_filter");
  return {
    key: JSON.stringify([[...kinds].sort(), containerFilter, groupFilter]),
    container: watches("CONTAINER") ? container : undefined,
    group: watches("GROUP") ? group : undefined,
  };
}

const drained = (): ContainerError =>
  new ContainerError("DRAINING", "the gateway is about to stop; the last revision continues elsewhere");
const tooSlow = (): ContainerError =>
  new ContainerError("SLOW_CONSUMER", "the stream was read too slowly; its last revision continues it");
const compacted = (): StoreError =>
  new StoreError("REVISION_COMPACTED", "the state was read anew; begin with send_initial_state");

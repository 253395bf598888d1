import type { Clock } from "../system/clock.js";
import type { CommitResult, Revision, StateStore } from "../store/contract.js";
import type { Place } from "../store/view.js";
import { failpoint } from "../system/failpoint.js";
import { ContainerError, type ContainerReason } from "./errors.js";
import { containerLimits } from "./limits.js";
import { keyOf, read, type RecordKind, type RecordOfKind, write } from "./records.js";
import { unlessAway } from "./sharing/away.js";
import type { TrackedState } from "./tracked-state.js";

/** Writes of one commit, gathered by a plan. What is read for a decision is expected to be so still. */
export class Draft {
  readonly #state: TrackedState;
  readonly #expect = new Map<string, Revision | undefined>();
  readonly #put = new Map<string, Parameters<StateStore["commit"]>[0]["put"][number]>();
  readonly #delete = new Set<string>();

  constructor(state: TrackedState) {
    this.#state = state;
  }

  /** Reads a record as this draft leaves it. One that it has not written must not change before the commit. */
  get<K extends RecordKind>(kind: K, subject: string): RecordOfKind[K] | undefined {
    const key = keyOf[kind](subject);
    if (this.#delete.has(key)) return undefined;
    const written = this.#put.get(key);
    if (written !== undefined) return read(kind, written.value);
    this.#expect.set(key, this.#state.revisionOf(kind, subject));
    return this.#state.get(kind, subject);
  }

  put<K extends RecordKind>(kind: K, subject: string, record: RecordOfKind[K]): void {
    const key = keyOf[kind](subject);
    this.#put.set(key, { key, value: write(kind, record) });
    this.#delete.delete(key);
  }

  delete(kind: RecordKind, subject: string): void {
    const key = keyOf[kind](subject);
    this.#delete.add(key);
    this.#put.delete(key);
  }

  get isEmpty(): boolean {
    return this.#put.size === 0 && this.#delete.size === 0;
  }

  async commit(store: StateStore, operationId: string): Promise<CommitResult> {
    return await store.commit({
      operationId,
      expect: [...this.#expect].map(([key, revision]) => ({ key, revision })),
      put: [...this.#put.values()],
      delete: [...this.#delete],
    });
  }
}

export interface ChangeDeps {
  readonly store: StateStore;
  readonly state: TrackedState;
  readonly clock: Clock;
  readonly newOperationId: () => string;
}

type WaitDeps = Pick<ChangeDeps, "store" | "state" | "clock">;

/** Decides on what the state shows now. May run several times; a plan that throws changes nothing. */
export type Plan<T> = (draft: Draft) => T;

/**
 * Makes one change: plans it, commits it, and resolves when the state shows it. A plan that others overtook is made
 * anew on the newer state.
 *
 * @throws what the plan throws; {StoreError}; {ContainerError} STATE_CONFLICT: overtaken for 10 s
 */
export async function change<T>(deps: ChangeDeps, plan: Plan<T>): Promise<T> {
  const { state, clock } = deps;
  const deadlineMs = clock.monotonicMs() + containerLimits.conflictMs;
  let isCaughtUp = false;
  for (;;) {
    const draft = new Draft(state);
    let result: T;
    try {
      result = plan(draft);
    } catch (error) {
      if (isCaughtUp || !isOfState(error)) throw error;
      await catchUp(deps);
      isCaughtUp = true;
      continue;
    }
    if (draft.isEmpty) return result;
    const { place } = state;
    const committed = await commitUntilShown(deps, draft, place);
    if (committed.kind === "committed") {
      failpoint("commit.shown");
      return result;
    }
    if (clock.monotonicMs() > deadlineMs) {
      throw new ContainerError("STATE_CONFLICT", "others changed the same records again and again", {
        metadata: { record: committed.key },
      });
    }
    // The commit that overtook us may not be in the view yet.
    await shown(deps, committed.storeRevision, place, nothingDone);
  }
}

/**
 * Resolves when the state shows all that its store held by now. What nobody shows here another gateway may have made a
 * moment ago, and its caller may have come here with the name of it, or with its new etag.
 *
 * @throws {StoreError}
 */
export async function catchUp(deps: WaitDeps): Promise<void> {
  const { place } = deps.state;
  await shown(deps, await deps.store.head(), place, nothingDone);
}

/**
 * The same for who does something that no commit checks: a node is asked, or a program started, for what the state shows.
 * While the store does not answer, what is shown counts.
 *
 * @returns whether the state has caught up
 */
export async function catchUpIfHeard(deps: WaitDeps): Promise<boolean> {
  if (deps.state.isBehind) return false;
  return await catchUp(deps).then(
    () => true,
    () => false,
  );
}

/**
 * Reads one thing. Before it is said to be missing, the state catches up with its store; while that does not answer, what
 * is shown counts.
 *
 * @throws what `read` throws
 */
export async function readNewest<T>(deps: WaitDeps, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isOfState(error) || !(await catchUpIfHeard(deps))) throw error;
    return await read();
  }
}

/** Refusals that rest on what the state shows: it may be a moment behind. */
const reasonsOfState: readonly ContainerReason[] = [
  "CONTAINER_NOT_TRACKED",
  "CONTAINER_UNRESOLVED",
  "ETAG_MISMATCH",
  "GROUP_FULL",
  "GROUP_NOT_FOUND",
  "PORTS_EXHAUSTED",
  "TOO_MANY_GROUPS",
];
const isOfState = (error: unknown): boolean =>
  error instanceof ContainerError && reasonsOfState.includes(error.reason);

/**
 * Commits a draft and waits until the state shows it. A state that was read anew meanwhile may have lost it: then it is
 * made again, under the same id, so that a store that has it only says so.
 */
async function commitUntilShown(deps: ChangeDeps, draft: Draft, begun: Place): Promise<CommitResult> {
  const { store, state, newOperationId } = deps;
  const operationId = newOperationId();
  let first: Revision | undefined;
  for (let from = begun; ; from = state.place) {
    const committed = await draft.commit(store, operationId);
    if (committed.kind === "conflict") return committed;
    // Said once more by a store that was read anew since: of this past, whatever its number. It may be lost as well.
    const isThere = committed.revision === first;
    const since = isThere ? { ...from, revision: committed.revision } : from;
    await shown(deps, committed.revision, since, ownUnknown);
    if (state.place.resyncCount === from.resyncCount) return committed;
    first = committed.revision;
  }
}

/** What a caller is told when the store goes away before the state shows a commit. */
interface Parting {
  readonly words: string;
  readonly outcome: "unknown" | "not_done";
}

/** Whoever is told that it is not known finds out when the store is back, as after an answer that was lost. */
const ownUnknown: Parting = {
  words: "the store went away before the change showed: it is there when the store is back, or never was",
  outcome: "unknown",
};
const nothingDone: Parting = {
  words: "the store went away before what others have made showed: nothing was done",
  outcome: "not_done",
};

async function shown(
  deps: WaitDeps,
  revision: Revision,
  from: Place,
  { words, outcome }: Parting,
): Promise<void> {
  await unlessAway(deps, words, (away) => deps.state.reached(revision, away, from), { outcome });
}

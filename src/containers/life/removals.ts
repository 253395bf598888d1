import type { RemoveAnswer } from "../../peer-api/contract.js";
import { catchUp, change, type ChangeDeps, type Draft } from "../change.js";
import type {
  CallerOptions,
  Container,
  NodeDirectory,
  RemoveRequest,
  RemoveResult,
  StateReason,
} from "../contract.js";
import { requireTaken } from "../errors.js";
import { failpoint } from "../../system/failpoint.js";
import { nameOfKey, readContainerName, type TypedContainer } from "../names.js";
import type { NodeCalls } from "./node-calls.js";
import { commitOutcome } from "./outcome.js";
import type { Owners } from "../sharing/owners.js";
import { beforeRemoval, type ContainerRecord } from "../records.js";
import { findContainer } from "../lookup.js";
import { notTracked, removalRefused, removalUnknown } from "./remove-errors.js";
import { showContainer, showTombstone } from "../show.js";
import type { Logger } from "../../observability/logger.js";
import { whileCallerStays } from "./caller.js";
import { closeIntent } from "./closed-intents.js";
import { requireEtag, requireTracked, untrack } from "./untrack.js";
import { isConfirmation, removeUntracked } from "./untracked-removals.js";
import { unlessAway } from "../sharing/away.js";
import { untilShown } from "../sharing/until-shown.js";

export interface RemovalsDeps extends ChangeDeps {
  readonly calls: NodeCalls;
  readonly directory: NodeDirectory;
  readonly owners: Owners;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  readonly logger: Logger;
  /** Aborted when no new work is taken. */
  readonly draining: AbortSignal;
  /** Aborted when the gateway stops. */
  readonly stopping: AbortSignal;
}

/** Ends the wait of callers while the store does not take the outcome. */
type TellEarly = (error: Error) => void;

interface Removal {
  readonly work: Promise<RemoveResult>;
  /** What callers wait for. */
  readonly answer: Promise<RemoveResult>;
}

/** The end of a container's life. A removal under way is shared by all who ask for it. */
export class Removals {
  readonly #deps: RemovalsDeps;
  readonly #running = new Map<string, Removal>();
  /** Of containers that are not tracked: nobody shares them. */
  readonly #untracked = new Set<Promise<RemoveResult>>();

  constructor(deps: RemovalsDeps) {
    this.#deps = deps;
  }

  /** Removals under way, to wait for. */
  get running(): readonly Promise<unknown>[] {
    return [...[...this.#running.values()].map(({ work }) => work), ...this.#untracked];
  }

  /** Removes or forgets what a caller names. @throws {ContainerError} and {PeerError} */
  async remove(request: RemoveRequest, { caller, signal }: CallerOptions): Promise<RemoveResult> {
    const typed = readContainerName(request.container, "container");
    const { draining } = this.#deps;
    requireTaken(draining);
    if (typed.isIntent) return await closeIntent(this.#deps, typed, request);
    const found = await this.#find(typed, request.etag);
    requireTaken(draining);
    if (found === undefined) {
      if (caller === "operator" && !request.forgetOnly && request.etag === "") {
        return await whileCallerStays(this.#removeUntracked(request.container, typed), signal);
      }
      throw notTracked(request.container);
    }
    const { key } = found;
    requireEtag(showContainer(this.#deps.state, key), request.etag);
    if (request.forgetOnly) {
      return { container: await this.#untrack(key, "FORGOTTEN", request.etag), nodeMessage: "" };
    }
    return await whileCallerStays(this.removeForCaller(key, request.etag), signal);
  }

  /** A node must not be asked past a container that another gateway has just tracked; an etag may be as new. */
  async #find(typed: TypedContainer, etag: string): Promise<ReturnType<typeof findContainer>> {
    const found = findContainer(this.#deps.state, typed);
    if (found !== undefined && etag === "") return found;
    await catchUp(this.#deps);
    return findContainer(this.#deps.state, typed);
  }

  #removeUntracked(name: string, typed: TypedContainer): Promise<RemoveResult> {
    const work = removeUntracked(this.#deps, name, typed);
    this.#untracked.add(work);
    const forget = (): void => void this.#untracked.delete(work);
    work.then(forget, forget);
    return work;
  }

  /**
   * Asks the node to remove a tracked container, once for all who ask meanwhile.
   *
   * @param reason what is shown of it afterwards
   * @returns when the outcome is written down
   */
  async removeTracked(key: string, reason: StateReason): Promise<RemoveResult> {
    return await this.#shared(key, reason, "").work;
  }

  /** The same for a caller, who is told early that the store does not take the outcome: the removal goes on. */
  async removeForCaller(key: string, etag = ""): Promise<RemoveResult> {
    return await this.#shared(key, "NODE_CONFIRMED", etag).answer;
  }

  #shared(key: string, reason: StateReason, etag: string): Removal {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    let tell!: (error: Error) => void;
    const early = new Promise<never>((_, reject) => {
      tell = reject;
    });
    const work = this.#carryOut(key, reason, etag, tell);
    const removal = { work, answer: Promise.race([work, early]) };
    // Whoever asked may be gone: a removal that fails is written down, and nobody's unhandled rejection.
    removal.answer.catch(() => undefined);
    this.#running.set(key, removal);
    const forget = (): void => void this.#running.delete(key);
    work.then(forget, forget);
    return removal;
  }

  /** Removes it, or waits for the gateway that already does. */
  async #carryOut(key: string, reason: StateReason, etag: string, tell: TellEarly): Promise<RemoveResult> {
    for (;;) {
      const hold = this.#deps.owners.hold({ kind: "container", subject: key });
      try {
        const before = await this.#begin(key, etag);
        if (before !== undefined) {
          hold.markAsked();
          return await this.#ask(key, before, reason, tell);
        }
      } finally {
        hold.release();
      }
      const removed = await this.#joined(key);
      if (removed !== "NEVER_ASKED") return removed;
    }
  }

  /** @returns the record as it was; undefined if another gateway removes it already */
  async #begin(key: string, etag: string): Promise<ContainerRecord | undefined> {
    const { gatewayId, state } = this.#deps;
    const before = await change(this.#deps, (draft) => {
      const current = requireTracked(draft, key);
      // An etag tells of the groups as well: they must not change before the commit either.
      if (etag !== "") draft.get("membership", key);
      requireEtag(showContainer(state, key), etag);
      const isRemoving = current.state === "REMOVING";
      if (isRemoving && (current.owner ?? "") !== gatewayId) return undefined;
      // One of ours that nobody carries out was begun and never asked for.
      const record = isRemoving ? beforeRemoval(current) : current;
      const { state: was, reason } = record;
      const before = reason === "" ? {} : { before: { state: was, reason } };
      draft.put("container", key, {
        ...record,
        ...before,
        state: "REMOVING",
        reason: "",
        owner: gatewayId,
      });
      return record;
    });
    if (before === undefined) return undefined;
    failpoint("remove.begun");
    return before;
  }

  async #ask(
    key: string,
    before: ContainerRecord,
    reason: StateReason,
    tell: TellEarly,
  ): Promise<RemoveResult> {
    const { calls, logger, stopping } = this.#deps;
    let answer: RemoveAnswer;
    try {
      answer = await calls.remove(before, before.id);
    } catch (error) {
      throw await this.#unanswered(tell, key, before, error);
    }
    failpoint("remove.answered");
    if (answer.kind === "removed" && !isConfirmation(answer)) {
      throw await this.#unanswered(
        tell,
        key,
        before,
        new Error("the node answered with something else than success"),
      );
    }
    if (answer.kind === "refused") {
      await this.#mark(tell, key, { ...before, state: "REMOVE_FAILED", reason: "NODE_REFUSED_REMOVAL" });
      failpoint("remove.refused");
      throw removalRefused(before, answer.httpStatus);
    }
    const container = await commitOutcome(
      this.#deps,
      (draft) => {
        // The answer to our commit was lost, or somebody had it forgotten meanwhile.
        const tombstone = draft.get("container", key) === undefined ? draft.get("tombstone", key) : undefined;
        return tombstone === undefined ? untrack(draft, this.#deps, key, reason) : showTombstone(tombstone);
      },
      stopping,
      tell,
    );
    failpoint("remove.untracked");
    logger.debug({ container: container.name }, "container removed");
    return { container, nodeMessage: answer.message };
  }

  /** Waits for the removal that another gateway has under way, and answers as it was answered. */
  async #joined(key: string): Promise<RemoveResult | "NEVER_ASKED"> {
    const { state, stopping } = this.#deps;
    const read = (): ContainerRecord | "GONE" | undefined => {
      const record = state.get("container", key);
      if (record === undefined) return "GONE";
      return record.state === "REMOVING" ? undefined : record;
    };
    const record = await unlessAway(
      this.#deps,
      "the state cannot be reached, and another gateway removes the container: call again",
      (away) => untilShown(state, read, stopping, away),
    );
    if (record === "GONE") {
      const tombstone = state.get("tombstone", key);
      if (tombstone === undefined) throw notTracked(nameOfKey(key));
      const isConfirmed = tombstone.reason === "NODE_CONFIRMED";
      return { container: showTombstone(tombstone), nodeMessage: isConfirmed ? "success" : "" };
    }
    if (record.state === "TRACKED") return "NEVER_ASKED";
    throw record.reason === "NODE_REFUSED_REMOVAL" ? removalRefused(record) : removalUnknown(record);
  }

  /** @returns what to throw */
  async #unanswered(tell: TellEarly, key: string, before: ContainerRecord, error: unknown): Promise<unknown> {
    if ((error as { wasSent?: unknown }).wasSent === false) {
      await this.#mark(tell, key, before);
      return error;
    }
    await this.#mark(tell, key, { ...before, state: "REMOVE_FAILED", reason: "REMOVE_OUTCOME_UNKNOWN" });
    failpoint("remove.unanswered");
    return removalUnknown(before, error);
  }

  async #mark(tell: TellEarly, key: string, record: ContainerRecord): Promise<void> {
    const plan = (draft: Draft): void => {
      const current = draft.get("container", key);
      // Somebody had it forgotten meanwhile.
      if (current !== undefined) {
        const { isReachable, lastSeenTimeMs } = current;
        draft.put("container", key, { ...record, isReachable, lastSeenTimeMs });
      }
    };
    await commitOutcome(this.#deps, plan, this.#deps.stopping, tell);
  }

  async #untrack(key: string, reason: StateReason, etag: string): Promise<Container> {
    const container = await change(this.#deps, (draft) => {
      requireTracked(draft, key);
      requireEtag(showContainer(this.#deps.state, key), etag);
      return untrack(draft, this.#deps, key, reason);
    });
    failpoint("remove.forgotten");
    return container;
  }
}

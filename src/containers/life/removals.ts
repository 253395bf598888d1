import type { RemoveAnswer } from "../../peer-api/contract.js";
import { addressKey } from "../../peer-api/address.js";
import { catchUp, change, type ChangeDeps, type Draft } from "../change.js";
import type {
  CallerOptions,
  Container,
  NodeDirectory,
  RemoveRequest,
  RemoveResult,
  StateReason,
} from "../contract.js";
import { ContainerError } from "../errors.js";
import { failpoint } from "../../system/failpoint.js";
import { intentName, nameOfKey, readContainerName, type TypedContainer } from "../names.js";
import type { NodeCalls } from "./node-calls.js";
import { commitOutcome } from "./outcome.js";
import type { Owners } from "../sharing/owners.js";
import type { ContainerRecord } from "../records.js";
import { findContainer, isAt } from "../lookup.js";
import { notTracked, removalRefused, removalUnknown } from "./remove-errors.js";
import { showContainer, showIntent, showTombstone } from "../show.js";
import type { Logger } from "../../observability/logger.js";
import { whileCallerStays } from "./caller.js";
import { requireTracked, untrack } from "./untrack.js";
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

/** The end of a container's life. A removal under way is shared by all who ask for it. */
export class Removals {
  readonly #deps: RemovalsDeps;
  readonly #running = new Map<string, Promise<RemoveResult>>();

  constructor(deps: RemovalsDeps) {
    this.#deps = deps;
  }

  /** Removals under way, to wait for. */
  get running(): Iterable<Promise<unknown>> {
    return this.#running.values();
  }

  /** Removes or forgets what a caller names. @throws {ContainerError} and {PeerError} */
  async remove(request: RemoveRequest, { caller, signal }: CallerOptions): Promise<RemoveResult> {
    const typed = readContainerName(request.container, "container");
    if (this.#deps.draining.aborted) throw new ContainerError("DRAINING", "the gateway is about to stop");
    if (typed.isIntent) return await this.#closeIntent(typed, request);
    const found = await this.#find(typed);
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
    return await whileCallerStays(this.removeTracked(key, "NODE_CONFIRMED", request.etag), signal);
  }

  /** A node must not be asked past a container that another gateway has just tracked. */
  async #find(typed: TypedContainer): Promise<ReturnType<typeof findContainer>> {
    const found = findContainer(this.#deps.state, typed);
    if (found !== undefined) return found;
    await catchUp(this.#deps);
    return findContainer(this.#deps.state, typed);
  }

  /**
   * Asks the node to remove a tracked container, once for all who ask meanwhile.
   *
   * @param reason what is shown of it afterwards
   */
  async removeTracked(key: string, reason: StateReason, etag = ""): Promise<RemoveResult> {
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const removal = this.#carryOut(key, reason, etag);
    this.#running.set(key, removal);
    // Whoever asked may be gone: a removal that fails is written down, and nobody's unhandled rejection.
    removal.catch(() => undefined);
    try {
      return await removal;
    } finally {
      this.#running.delete(key);
    }
  }

  /** Removes it, or waits for the gateway that already does. */
  async #carryOut(key: string, reason: StateReason, etag: string): Promise<RemoveResult> {
    for (;;) {
      const hold = this.#deps.owners.hold({ kind: "container", subject: key });
      try {
        const before = await this.#begin(key, etag);
        if (before !== undefined) {
          hold.markAsked();
          return await this.#ask(key, before, reason);
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
      const { owner, ...record } = current;
      const isRemoving = current.state === "REMOVING";
      if (isRemoving && (owner ?? "") !== gatewayId) return undefined;
      draft.put("container", key, { ...record, state: "REMOVING", reason: "", owner: gatewayId });
      // One of ours that nobody carries out was begun and never asked for.
      return isRemoving ? { ...record, state: "TRACKED" as const } : record;
    });
    if (before === undefined) return undefined;
    failpoint("remove.begun");
    return before;
  }

  async #ask(key: string, before: ContainerRecord, reason: StateReason): Promise<RemoveResult> {
    const { calls, logger, stopping } = this.#deps;
    let answer: RemoveAnswer;
    try {
      answer = await calls.remove(before, before.id);
    } catch (error) {
      throw await this.#unanswered(key, before, error);
    }
    failpoint("remove.answered");
    if (answer.kind === "removed" && !isConfirmation(answer)) {
      throw await this.#unanswered(
        key,
        before,
        new Error("the node answered with something else than success"),
      );
    }
    if (answer.kind === "refused") {
      await this.#mark(key, { ...before, state: "REMOVE_FAILED", reason: "NODE_REFUSED_REMOVAL" });
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
    const record = await untilShown(state, read, stopping);
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
  async #unanswered(key: string, before: ContainerRecord, error: unknown): Promise<unknown> {
    if ((error as { wasSent?: unknown }).wasSent === false) {
      await this.#mark(key, before);
      return error;
    }
    await this.#mark(key, { ...before, state: "REMOVE_FAILED", reason: "REMOVE_OUTCOME_UNKNOWN" });
    failpoint("remove.unanswered");
    return removalUnknown(before, error);
  }

  async #mark(key: string, record: ContainerRecord): Promise<void> {
    const plan = (draft: Draft): void => {
      const current = draft.get("container", key);
      // Somebody had it forgotten meanwhile.
      if (current !== undefined) {
        const { isReachable, lastSeenTimeMs } = current;
        draft.put("container", key, { ...record, isReachable, lastSeenTimeMs });
      }
    };
    await commitOutcome(this.#deps, plan, this.#deps.stopping);
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

  /** Calls the node for a container that is not tracked, as the original client does, and tells what it said. */
  async #removeUntracked(name: string, typed: TypedContainer): Promise<RemoveResult> {
    const { directory, calls, clock } = this.#deps;
    const { host, port } = typed;
    const node = port === undefined ? (host.includes(":") ? `[${host}]` : host) : addressKey({ host, port });
    const reach = await directory.locate(node, "operator");
    const unknown = (cause?: unknown): ContainerError =>
      new ContainerError("REMOVE_OUTCOME_UNKNOWN", "the removal was sent, and no readable answer came", {
        metadata: { container: name },
        cause,
      });
    let answer: RemoveAnswer;
    try {
      answer = await calls.remove(reach, typed.id);
    } catch (error) {
      throw (error as { wasSent?: unknown }).wasSent === false ? error : unknown(error);
    }
    if (answer.kind === "removed" && !isConfirmation(answer)) throw unknown();
    if (answer.kind === "refused") {
      throw new ContainerError(
        "REMOVE_FAILED",
        "the node did not remove the container, which is not tracked",
        {
          metadata: { container: name, http_status: String(answer.httpStatus) },
        },
      );
    }
    const nowMs = clock.nowMs();
    const container = showTombstone({
      container: { ...untrackedRecord, address: reach.address, id: typed.id, createTimeMs: nowMs },
      groups: [],
      reason: "NODE_CONFIRMED",
      removeTimeMs: nowMs,
    });
    return { container, nodeMessage: answer.message };
  }

  async #closeIntent(
    typed: TypedContainer,
    { forgetOnly, etag, container: name }: RemoveRequest,
  ): Promise<RemoveResult> {
    const closed = await change(this.#deps, (draft) => {
      const intent = draft.get("intent", typed.id);
      if (intent === undefined || !isAt(intent.address, typed)) throw notTracked(name);
      const { id } = intent;
      const shown = showIntent(intent);
      requireEtag(shown, etag);
      if (!forgetOnly || intent.state === "PENDING") {
        const why =
          intent.state === "PENDING"
            ? "its node has not answered yet"
            : "its id is not known: forget_only closes it";
        throw new ContainerError("CONTAINER_UNRESOLVED", `the container cannot be removed: ${why}`, {
          metadata: { container: intentName(intent.address, id) },
        });
      }
      draft.delete("intent", id);
      const container: Container = {
        ...shown,
        state: "REMOVED",
        stateReason: "FORGOTTEN",
        removeTimeMs: this.#deps.clock.nowMs(),
      };
      return { container, nodeMessage: "" };
    });
    failpoint("remove.closed");
    return closed;
  }
}

/** What every version says. A page with status 200, as a proxy shows it, is none. */
const isConfirmation = ({ message }: RemoveAnswer): boolean => message.trim().toLowerCase() === "success";

const untrackedRecord: Omit<ContainerRecord, "address" | "id" | "createTimeMs"> = {
  isAsTyped: true,
  spec: { portCount: 0, gpu: false, image: "", baseImage: "", sshPublicKey: "", labels: [] },
  state: "TRACKED",
  reason: "",
  ports: [],
  sshUsername: "",
  isReachable: true,
  lastSeenTimeMs: null,
};

function requireEtag(container: Container | undefined, etag: string): void {
  if (etag === "" || container?.etag === etag) return;
  throw new ContainerError("ETAG_MISMATCH", "the container has changed since that etag", {
    metadata: { container: container?.name ?? "" },
  });
}

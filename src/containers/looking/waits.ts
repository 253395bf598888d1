import { addressKey } from "../../peer-api/address.js";
import type { RecordChange } from "../../store/contract.js";
import type { Clock } from "../../system/clock.js";
import { portOfWait } from "../ports/container-ports.js";
import type { CallerOptions, Container, WaitRequest, WaitResult } from "../contract.js";
import { ContainerError, drainingError } from "../errors.js";
import { containerLimits } from "../limits.js";
import { findContainer, findIntent, findTombstone } from "../lookup.js";
import { intentName, readContainerName, type TypedContainer } from "../names.js";
import type { PortLooks } from "./port-looks.js";
import { type ContainerRecord, type IntentRecord, read, readKey } from "../records.js";
import { RecordEnds } from "./record-ends.js";
import { notTracked } from "../life/remove-errors.js";
import { showContainer, showIntent, showTombstone } from "../show.js";
import type { TrackedState } from "../tracked-state.js";

export interface WaitsDeps {
  readonly state: TrackedState;
  readonly clock: Clock;
  readonly looks: PortLooks;
}

/** One wait under way. The first word ends it; later ones are not heard. */
interface Wait {
  meet(container: Container): void;
  fail(error: Error): void;
  /** Aborted when it ends, however it does. */
  readonly ended: AbortSignal;
}

/**
 * Waits until something holds for a container. What changes in the state is heard of, not asked for; ports are looked at,
 * once for all who wait for the same.
 *
 * A container whose id is not known (`~INTENT`) has no ports to wait for, but its removal can be waited for: it is removed
 * when it is closed, or turns out never to have been made. If it becomes tracked, the wait goes on for what it became.
 */
export class Waits {
  readonly #deps: WaitsDeps;
  readonly #ends: RecordEnds;
  readonly #running = new Set<Wait>();
  #isClosed = false;

  constructor(deps: WaitsDeps) {
    this.#deps = deps;
    this.#ends = new RecordEnds(deps.state);
  }

  /** @throws {ContainerError}; {PeerError} ADDRESS_BLOCKED; the signal's reason */
  async wait(request: WaitRequest, { signal }: CallerOptions): Promise<WaitResult> {
    const { state } = this.#deps;
    signal.throwIfAborted();
    const typed = readContainerName(request.container, "container");
    if (typed.isIntent) return await this.#waitForIntent(typed, request, signal);
    const found = findContainer(state, typed);
    if (request.condition === "REMOVED") {
      if (found !== undefined) return await this.#untilRemoved(found.key, request, signal);
      const tombstone = findTombstone(state, typed);
      if (tombstone === undefined) throw notTracked(request.container);
      return { container: showTombstone(tombstone), isMet: true };
    }
    if (found === undefined) throw notTracked(request.container);
    return await this.#untilSeen(found.key, found.record, request, signal);
  }

  /** Ends every wait with DRAINING. */
  close(): void {
    this.#isClosed = true;
    for (const wait of this.#running) wait.fail(drainingError());
  }

  async #untilSeen(
    key: string,
    record: ContainerRecord,
    request: WaitRequest,
    signal: AbortSignal,
  ): Promise<WaitResult> {
    const { state, clock, looks } = this.#deps;
    const { port, sign } = portOfWait(state, key, record, request);
    const target = { address: { host: record.address.host, port }, sign, isAsTyped: record.isAsTyped };
    const begin = (wait: Wait): void => {
      const met = (): void => {
        if (wait.ended.aborted) return;
        if (sign === "SSH_BANNER") state.noteSeen(key, clock.nowMs());
        wait.meet(this.#shown(key, request));
      };
      const removed = (): void => wait.fail(notTracked(request.container));
      wait.ended.addEventListener("abort", this.#ends.on("container", key, removed), { once: true });
      looks
        .untilSeen(target, wait.ended)
        .then(met)
        .catch((error: unknown) => wait.fail(error as Error));
    };
    return await this.#run(request, signal, begin, () => this.#shown(key, request));
  }

  async #untilRemoved(key: string, request: WaitRequest, signal: AbortSignal): Promise<WaitResult> {
    const begin = (wait: Wait): void => this.#hearOfRemoval(key, wait);
    return await this.#run(request, signal, begin, () => this.#shown(key, request));
  }

  #hearOfRemoval(key: string, wait: Wait): void {
    const { state, clock } = this.#deps;
    const stop = this.#ends.on("container", key, (container) => {
      const { reason } = container;
      const unwritten = { container, groups: [], reason, removeTimeMs: clock.nowMs() };
      wait.meet(showTombstone(state.get("tombstone", key) ?? unwritten));
    });
    wait.ended.addEventListener("abort", stop, { once: true });
  }

  async #waitForIntent(
    typed: TypedContainer,
    request: WaitRequest,
    signal: AbortSignal,
  ): Promise<WaitResult> {
    const { state, clock } = this.#deps;
    const intent = findIntent(state, typed);
    if (intent === undefined) throw notTracked(request.container);
    if (request.condition !== "REMOVED") {
      throw new ContainerError(
        "CONTAINER_UNRESOLVED",
        "its id is not known: only its removal can be waited for",
        {
          field: "condition",
          metadata: { container: intentName(intent.address, intent.id) },
        },
      );
    }
    let key: string | undefined;
    const begin = (wait: Wait): void => {
      const stop = this.#ends.on("intent", intent.id, (previous, changes) => {
        key = becameOf(previous, changes);
        if (key === undefined) wait.meet(showClosed(previous, clock.nowMs()));
        else this.#hearOfRemoval(key, wait);
      });
      wait.ended.addEventListener("abort", stop, { once: true });
    };
    return await this.#run(request, signal, begin, () => {
      if (key !== undefined) return this.#shown(key, request);
      return showIntent(state.get("intent", intent.id) ?? intent);
    });
  }

  /** @throws {ContainerError} CONTAINER_NOT_TRACKED */
  #shown(key: string, request: WaitRequest): Container {
    const { state } = this.#deps;
    const container = showContainer(state, key, state.seenTimeMs(key));
    if (container === undefined) throw notTracked(request.container);
    return container;
  }

  /** Runs one wait to its end: met, failed, time over, its caller gone, or the gateway about to stop. */
  #run(
    { timeoutMs }: WaitRequest,
    signal: AbortSignal,
    begin: (wait: Wait) => void,
    showNow: () => Container,
  ): Promise<WaitResult> {
    if (this.#isClosed) return Promise.reject(drainingError());
    const limitMs = Math.min(timeoutMs, containerLimits.maxWaitMs);
    return new Promise((resolve, reject) => {
      const ending = new AbortController();
      const end = (say: () => void): void => {
        if (ending.signal.aborted) return;
        this.#running.delete(wait);
        cancel();
        signal.removeEventListener("abort", leave);
        ending.abort();
        say();
      };
      const wait: Wait = {
        meet: (container) => end(() => resolve({ container, isMet: true })),
        fail: (error) => end(() => reject(error)),
        ended: ending.signal,
      };
      const leave = (): void => wait.fail(signal.reason as Error);
      const cancel = this.#deps.clock.after(limitMs, () => {
        try {
          const container = showNow();
          end(() => resolve({ container, isMet: false }));
        } catch (error) {
          wait.fail(error as Error);
        }
      });
      this.#running.add(wait);
      signal.addEventListener("abort", leave, { once: true });
      begin(wait);
    });
  }
}

/** The container that an intent became: tracked by the commit that ends the intent. */
function becameOf(intent: IntentRecord, changes: readonly RecordChange[]): string | undefined {
  for (const { key, value, previous } of changes) {
    const known = readKey(key);
    if (known?.kind !== "container" || value === undefined || previous !== undefined) continue;
    if (addressKey(read("container", value).address) === addressKey(intent.address)) return known.subject;
  }
  return undefined;
}

/** An intent that no container came of: an open question is closed by a caller, an order under way by its outcome. */
function showClosed(intent: IntentRecord, removeTimeMs: number): Container {
  const shown = showIntent(intent);
  return intent.state === "PENDING"
    ? { ...shown, state: "FAILED", removeTimeMs }
    : { ...shown, state: "REMOVED", stateReason: "FORGOTTEN", removeTimeMs };
}

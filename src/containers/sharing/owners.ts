import type { Logger } from "../../observability/logger.js";
import { change, type ChangeDeps } from "../change.js";
import { containerLimits } from "../limits.js";
import { type OpenWork, OpenWorkIndex, workKey } from "./open-work.js";
import { commitOutcome } from "../life/outcome.js";
import { keyOf } from "../records.js";
import { settleAsUnknown, settleWork, takeBack } from "../life/recovery.js";
import { Silence } from "./silence.js";

export interface OwnersDeps extends ChangeDeps {
  readonly logger: Logger;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  /** Whether other gateways use the state too. */
  readonly isShared: boolean;
  /** Aborted when the gateway stops: what is open then stays as it is. */
  readonly stopping: AbortSignal;
}

/** A piece of work of this gateway, from before it is written down until its outcome is. */
export interface Hold {
  /** The node is about to be asked. */
  markAsked(): void;
  release(): void;
}

/** More than may be begun at once, by far: those whose commit may still show. */
const maxUnasked = 4_096;

/**
 * Who does what is under way, and whether they still do.
 *
 * While this gateway has work under way it rewrites its heartbeat, so that the others know; nothing is written for work
 * that is done sooner. A gateway whose heartbeat stands still and that ends none of its work has died: its work is marked
 * as of unknown outcome, and never done again. It may come back and bring the outcome all the same.
 *
 * Work that the state shows as ours and that nobody here does was begun by a commit whose answer was lost, before a node
 * was asked: it is taken back. Any other was over, and a state that was lost and brought back has it as it once was: its
 * node was asked, or may have been.
 */
export class Owners {
  readonly #deps: OwnersDeps;
  /** What is under way, here and elsewhere. */
  readonly open: OpenWorkIndex;
  readonly #held = new Set<string>();
  /** Begun of late without asking a node. */
  readonly #unasked = new Set<string>();
  readonly #silence: Silence;
  readonly #settling = new Set<Promise<void>>();
  #beat = 0;
  #cancelBeat: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;
  #unsubscribe: () => void = () => undefined;
  #isClosed = false;

  constructor(deps: OwnersDeps) {
    this.#deps = deps;
    this.open = new OpenWorkIndex(deps.state);
    this.#silence = new Silence(deps.store, deps.clock, 2 * containerLimits.heartbeatMs);
    this.#unsubscribe = deps.state.subscribe((update) => {
      for (const work of this.open.follow(update)) {
        const key = workKey(work);
        if (work.owner === deps.gatewayId && !this.#held.has(key))
          this.#settleOwn(work, !this.#unasked.has(key));
      }
      this.#lookLater();
    });
    this.#lookLater();
  }

  /** Claims a piece of work, before its commit. */
  hold(work: OpenWork): Hold {
    const key = workKey(work);
    this.#held.add(key);
    this.#unasked.delete(key);
    this.#beatLater();
    let wasAsked = false;
    return {
      markAsked: () => {
        wasAsked = true;
      },
      release: () => {
        this.#held.delete(key);
        if (!wasAsked) this.#noteUnasked(key);
        if (this.open.has(this.#deps.gatewayId, work)) this.#settleOwn(work, wasAsked);
        if (this.#held.size === 0) this.#rest();
      },
    };
  }

  /** Clears away heartbeats that nobody needs; a gateway that lives writes its own again. */
  async sweep(): Promise<void> {
    const busy = new Set(this.open.owners);
    const idle = [...this.#deps.state.named("heartbeat")].filter(
      ([owner]) => owner !== this.#deps.gatewayId && !busy.has(owner),
    );
    if (idle.length === 0) return;
    await change(this.#deps, (draft) => {
      for (const [owner] of idle) draft.delete("heartbeat", owner);
    });
  }

  /** Resolves when no timer and no commit of its own is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    this.#cancelBeat?.();
    this.#cancelLook?.();
    this.#rest();
    // A heartbeat that was on its way is taken back once it is there.
    while (this.#settling.size > 0) await Promise.allSettled(this.#settling);
  }

  #noteUnasked(key: string): void {
    this.#unasked.add(key);
    const [oldest = ""] = this.#unasked;
    if (this.#unasked.size > maxUnasked) this.#unasked.delete(oldest);
  }

  #beatLater(): void {
    const { isShared, clock } = this.#deps;
    if (!isShared || this.#cancelBeat !== undefined || this.#held.size === 0 || this.#isClosed) return;
    this.#cancelBeat = clock.after(containerLimits.heartbeatMs, () => {
      this.#cancelBeat = undefined;
      if (this.#held.size === 0) return;
      this.#run(() => this.#writeBeat());
      this.#beatLater();
    });
  }

  async #writeBeat(): Promise<void> {
    const { gatewayId } = this.#deps;
    this.#beat += 1;
    const beat = this.#beat;
    await change(this.#deps, (draft) => draft.put("heartbeat", gatewayId, { beat }));
    // Its work may have ended while this one was on its way.
    if (this.#held.size === 0) this.#rest();
  }

  /** Nothing is under way: the heartbeat ends, if there was one. */
  #rest(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
    const { state, gatewayId } = this.#deps;
    if (state.get("heartbeat", gatewayId) === undefined) return;
    this.#run(() => change(this.#deps, (draft) => draft.delete("heartbeat", gatewayId)));
  }

  #lookLater(): void {
    const { isShared, clock } = this.#deps;
    if (!isShared || this.#cancelLook !== undefined || this.#isClosed || this.#others().length === 0) return;
    this.#cancelLook = clock.after(containerLimits.heartbeatMs, () => {
      this.#run(async () => {
        try {
          this.#silence.keepOnly(this.#others().map((owner) => keyOf.heartbeat(owner)));
          // One whose work cannot be settled must not keep that of the others from it.
          for (const owner of this.#others()) await this.#lookAt(owner).catch(this.#noteFailure);
        } finally {
          this.#cancelLook = undefined;
          this.#lookLater();
        }
      });
    });
  }

  #others(): readonly string[] {
    return this.open.owners.filter((owner) => owner !== this.#deps.gatewayId);
  }

  async #lookAt(owner: string): Promise<void> {
    // One that does many short things has work under way at each look, and no heartbeat: only the oldest tells.
    const [oldest] = this.open.of(owner);
    const silentMs = await this.#silence.look(keyOf.heartbeat(owner), oldest);
    const open = this.open.of(owner);
    if (silentMs < containerLimits.ownerSilenceMs || open[0] !== oldest || oldest === undefined) return;
    this.#deps.logger.warn(
      { owner, count: open.length },
      "a gateway has died with work under way: its outcome is unknown",
    );
    await settleWork(this.#deps, open, owner);
    await change(this.#deps, (draft) => draft.delete("heartbeat", owner));
  }

  #settleOwn(work: OpenWork, wasAsked: boolean): void {
    const { gatewayId, stopping } = this.#deps;
    if (stopping.aborted || this.#isClosed) return;
    const settle = wasAsked ? settleAsUnknown : takeBack;
    this.#run(() => commitOutcome(this.#deps, (draft) => settle(draft, work, gatewayId), stopping));
  }

  #run(work: () => Promise<unknown>): void {
    const running = work().then(() => undefined, this.#noteFailure);
    this.#settling.add(running);
    void running.finally(() => this.#settling.delete(running));
  }

  readonly #noteFailure = (error: unknown): void =>
    this.#deps.logger.debug({ err: error }, "work under way cannot be looked after now");
}

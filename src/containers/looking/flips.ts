import type { Logger } from "../../observability/logger.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { containerLimits } from "../limits.js";

export interface FlipsDeps extends ChangeDeps {
  readonly logger: Logger;
  /** Whether this gateway is the one that writes down what it finds. @default always */
  readonly mayFlip?: () => boolean;
}

/** How long changes are gathered: nodes that die together are written down together. */
const gatherMs = 500;

/** Half of what one commit may hold. */
const maxBatchBytes = 1024 * 1024;

/**
 * Writes down which containers came and went. What cannot be written is dropped: the next look finds it again, and a
 * store in trouble has more important things to do.
 */
export class Flips {
  readonly #deps: FlipsDeps;
  readonly #pending = new Map<string, boolean>();
  #cancel: (() => void) | undefined;
  #isWriting = false;
  #isClosed = false;

  constructor(deps: FlipsDeps) {
    this.#deps = deps;
  }

  add(key: string, isReachable: boolean): void {
    if (this.#isClosed || this.#deps.mayFlip?.() === false) return;
    this.#pending.set(key, isReachable);
    if (this.#isWriting) return;
    this.#cancel ??= this.#deps.clock.after(gatherMs, () => {
      this.#cancel = undefined;
      void this.#write();
    });
  }

  /** Drops what is not written yet. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#pending.clear();
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#pending.size > 0) {
        const batch = this.#takeBatch();
        await change(this.#deps, (draft) => this.#flip(draft, batch));
      }
    } catch (error) {
      this.#pending.clear();
      this.#deps.logger.debug(
        { err: error },
        "who answers cannot be written down; the next look tries again",
      );
    } finally {
      this.#isWriting = false;
    }
  }

  #takeBatch(): ReadonlyMap<string, boolean> {
    const batch = new Map<string, boolean>();
    let bytes = 0;
    for (const [key, isReachable] of this.#pending) {
      bytes += Buffer.byteLength(JSON.stringify(this.#deps.state.get("container", key) ?? null));
      const isFull = batch.size === containerLimits.maxFlips || (bytes > maxBatchBytes && batch.size > 0);
      if (isFull) break;
      batch.set(key, isReachable);
      this.#pending.delete(key);
    }
    return batch;
  }

  #flip(draft: Draft, batch: ReadonlyMap<string, boolean>): void {
    const { state } = this.#deps;
    for (const [key, isReachable] of batch) {
      // What is removed meanwhile, or is being removed, has nothing to flip.
      const record = draft.get("container", key);
      if (record?.state !== "TRACKED" || record.isReachable === isReachable) continue;
      const lastSeenTimeMs = state.seenTimeMs(key) ?? record.lastSeenTimeMs;
      draft.put("container", key, { ...record, isReachable, lastSeenTimeMs });
    }
  }
}

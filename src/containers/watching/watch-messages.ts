/** Cuts what watchers are told into messages that every client takes. */
import type { Change, WatchMessage } from "../contract.js";
import { containerLimits } from "../limits.js";

/** A change as one watcher sees it. */
export interface Told {
  readonly change: Change;
  /** Roughly, in bytes. */
  readonly weightBytes: number;
}

/** Gathers changes for one message. */
export class Message {
  #changes: Change[] = [];
  #weightBytes = 0;

  /** @returns false if it is full without this one, which then belongs into the next */
  add({ change, weightBytes }: Told): boolean {
    const isTooMuch = this.#weightBytes + weightBytes > containerLimits.maxWatchMessageBytes;
    if (isTooMuch && this.#changes.length > 0) return false;
    this.#changes.push(change);
    this.#weightBytes += weightBytes;
    return true;
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0;
  }

  /** Begins anew. @returns what was gathered */
  take(): readonly Change[] {
    const changes = this.#changes;
    this.#changes = [];
    this.#weightBytes = 0;
    return changes;
  }
}

/**
 * Tells a commit: in one message, or, where that would be more than clients take, in several. Only the last one has the
 * revision: who loses the stream in between is told the whole commit again.
 */
export function* messagesOf(
  told: readonly Told[],
  { revision, timeMs }: Pick<WatchMessage, "revision" | "timeMs">,
): Generator<WatchMessage, void, undefined> {
  const message = new Message();
  for (const one of told) {
    if (message.add(one)) continue;
    yield { revision: "", type: "CHANGES", changes: message.take(), timeMs };
    message.add(one);
  }
  if (!message.isEmpty) yield { revision, type: "CHANGES", changes: message.take(), timeMs };
}

import type { RecordChange, RecordValue } from "../../store/contract.js";
import { keyOf, read, type RecordKind, type RecordOfKind } from "../records.js";
import type { TrackedState } from "../tracked-state.js";

type Tell = (previous: RecordValue | undefined, changes: readonly RecordChange[]) => void;

/** Tells of records that end, by one listener for all who wait; without anybody there is none. */
export class RecordEnds {
  readonly #state: TrackedState;
  readonly #waiting = new Map<string, Set<Tell>>();
  #unsubscribe: (() => void) | undefined;

  constructor(state: TrackedState) {
    this.#state = state;
  }

  /** @param tell called once, when the state has it no more, with what it held and all that changed with it @returns what ends the telling */
  on<K extends RecordKind>(
    kind: K,
    subject: string,
    tell: (previous: RecordOfKind[K], changes: readonly RecordChange[]) => void,
  ): () => void {
    const key = keyOf[kind](subject);
    const once: Tell = (previous, changes) => {
      stop();
      if (previous !== undefined) tell(read(kind, previous), changes);
    };
    const stop = (): void => {
      const waiting = this.#waiting.get(key);
      waiting?.delete(once);
      if (waiting?.size === 0) this.#waiting.delete(key);
      if (this.#waiting.size > 0) return;
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
    };
    this.#waiting.set(key, (this.#waiting.get(key) ?? new Set()).add(once));
    this.#unsubscribe ??= this.#state.subscribe((update) =>
      this.#tell(update.kind === "changed" ? update.changeSet.changes : update.changes),
    );
    return stop;
  }

  #tell(changes: readonly RecordChange[]): void {
    for (const { key, value, previous } of changes) {
      if (value !== undefined) continue;
      for (const tell of [...(this.#waiting.get(key) ?? [])]) tell(previous, changes);
    }
  }
}

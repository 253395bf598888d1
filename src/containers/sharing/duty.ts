import type { Logger } from "../../observability/logger.js";
import { change, type ChangeDeps } from "../change.js";
import { keyOf } from "../records.js";
import { Silence } from "./silence.js";

export interface DutyDeps extends ChangeDeps {
  readonly logger: Logger;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  readonly name: string;
  /** How often the holder says that it still does it, in milliseconds. */
  readonly intervalMs: number;
}

/** So many intervals of silence, and another gateway takes over. */
const patience = 2.5;

/**
 * What one of several gateways is enough for, and two would quarrel about: the others see the network from elsewhere.
 * While nothing is tracked nobody needs it, and nothing is written.
 */
export class Duty {
  readonly #deps: DutyDeps;
  readonly #silence: Silence;
  #cancel: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(deps: DutyDeps) {
    this.#deps = deps;
    this.#silence = new Silence(deps.store, deps.clock, 2 * deps.intervalMs);
  }

  /** Whether it is this gateway that does it. */
  get isOurs(): boolean {
    const { state, name, gatewayId } = this.#deps;
    return state.get("duty", name)?.holder === gatewayId;
  }

  start(): void {
    this.#look();
  }

  /** Lays it down, so that another gateway need not wait. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#looking;
    if (!this.isOurs) return;
    await change(this.#deps, (draft) => {
      if (draft.get("duty", this.#deps.name)?.holder === this.#deps.gatewayId)
        draft.delete("duty", this.#deps.name);
    }).catch(() => undefined);
  }

  #look(): void {
    const { clock, intervalMs, logger, state } = this.#deps;
    const work = state.containerCount === 0 ? Promise.resolve() : this.#renewOrTake();
    this.#looking = work
      .catch((error: unknown) =>
        logger.debug({ err: error }, "who looks at containers cannot be settled now"),
      )
      .then(() => {
        if (!this.#isClosed) this.#cancel = clock.after(intervalMs, () => this.#look());
      });
  }

  async #renewOrTake(): Promise<void> {
    const { store, state, name, gatewayId, intervalMs } = this.#deps;
    const seen = await store.get(keyOf.duty(name));
    const silentMs = await this.#silence.look(keyOf.duty(name));
    await change(this.#deps, (draft) => {
      const current = draft.get("duty", name);
      const isFree =
        current === undefined ||
        current.holder === gatewayId ||
        // Judged was this very record: one that was renewed meanwhile is not taken.
        (silentMs >= patience * intervalMs && state.revisionOf("duty", name) === seen?.revision);
      if (isFree) draft.put("duty", name, { holder: gatewayId, beat: (current?.beat ?? 0) + 1 });
    });
  }
}

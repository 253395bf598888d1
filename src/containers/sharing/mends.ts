import type { Logger } from "../../observability/logger.js";
import { isOfRescue, type ViewUpdate } from "../../store/view.js";
import type { Revision } from "../../store/contract.js";
import { StoreError } from "../../store/errors.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { containerLimits } from "../limits.js";
import { keyOf, readKey } from "../records.js";
import { type Findings, findOddities } from "./findings.js";
import {
  mendContainer,
  mendGroup,
  mendIntent,
  mendMembership,
  mendRequest,
  mendSecret,
} from "./mend-plans.js";

export interface MendsDeps extends ChangeDeps {
  readonly logger: Logger;
}

/**
 * Looks for what must not stand side by side in the state, and mends it, one commit for each: at the start, and after the
 * state was read anew or somebody brought something back. Every gateway does; who comes second finds nothing to do.
 *
 * What is there tells of an end at once. What is not there may still be on its way, while others bring it back: an orphan
 * is judged when a look that is late enough finds the very same record alone still.
 */
export class Mends {
  readonly #deps: MendsDeps;
  readonly #unsubscribe: () => void;
  /** Records that were alone at the last look: their revisions, and since when they are, by the monotonic clock. */
  #orphans: ReadonlyMap<string, Orphan> = new Map();
  /** Looks to come. */
  #lookCount = 0;
  #looking: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(deps: MendsDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.state.subscribe((update) => {
      if (!isRescue(update)) return;
      this.#lookCount = looksAfterRescue;
      if (update.kind === "resynced") this.#lookSoon();
    });
  }

  /** @throws {StoreError} */
  async open(): Promise<void> {
    this.#lookCount = looksAfterRescue;
    await this.#lookNext();
  }

  /** Looks again, where a look is due: to be called once in `sweepMs`. @throws {StoreError} */
  async look(): Promise<void> {
    if (this.#lookCount > 0) await this.#lookNext();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await this.#looking;
  }

  #lookSoon(): void {
    this.#lookNext().catch((error: unknown) =>
      this.#deps.logger.debug({ err: error }, "the state cannot be mended now; the next look tries again"),
    );
  }

  /** One look after the other. */
  async #lookNext(): Promise<void> {
    const look = this.#looking.then(() => this.#look());
    this.#looking = look.catch(() => undefined);
    await look;
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    // A loss that comes meanwhile wants looks of its own.
    this.#lookCount -= 1;
    try {
      await this.#lookThrough();
    } catch (error) {
      this.#lookCount += 1;
      throw error;
    }
  }

  async #lookThrough(): Promise<void> {
    const { state, clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    const findings = await findOddities(state, clock);
    await this.#mend(findings);
    const orphans = new Map<string, Orphan>();
    for (const [key, revision] of findings.orphans) {
      const before = this.#orphans.get(key);
      const orphan = before?.revision === revision ? before : { revision, sinceMs: beganMs };
      orphans.set(key, orphan);
      if (beganMs - orphan.sinceMs >= containerLimits.orphanMs) await this.#mendOrphan(key);
    }
    this.#orphans = orphans;
  }

  async #mend({ containers, groups, intents, left }: Findings): Promise<void> {
    const count = containers.length + groups.length + intents.length + left.length;
    if (count > 0)
      this.#deps.logger.warn(
        { containers: containers.length, groups: groups.length, intents: intents.length, left: left.length },
        "the state has records that contradict each other, as after a loss: they are mended",
      );
    for (const key of containers)
      await this.#change(keyOf.container(key), (draft) => mendContainer(draft, key));
    for (const [id, key] of intents)
      await this.#change(keyOf.intent(id), (draft) => mendIntent(draft, id, key));
    for (const key of left) await this.#mendOrphan(key);
    for (const id of groups)
      while (await this.#change(keyOf.group(id), (draft) => mendGroup(draft, this.#deps.state, id)));
  }

  async #mendOrphan(key: string): Promise<void> {
    const { kind, subject = "" } = readKey(key) ?? {};
    if (kind === "membership") await this.#change(key, (draft) => mendMembership(draft, subject));
    if (kind === "secret") await this.#change(key, (draft) => mendSecret(draft, subject));
    if (kind === "request") await this.#change(key, (draft) => mendRequest(draft, subject));
  }

  /** @param key of what is mended. One that cannot be must keep nothing else from it. @throws {StoreError} of the store */
  async #change<T>(key: string, plan: (draft: Draft) => T): Promise<T | undefined> {
    if (this.#isClosed) return undefined;
    try {
      return await change(this.#deps, plan);
    } catch (error) {
      if (error instanceof StoreError && error.reason !== "STATE_TOO_LARGE") throw error;
      this.#deps.logger.warn(
        { err: error, record: key },
        "a record cannot be mended: it stays as it is for now",
      );
      return undefined;
    }
  }
}

interface Orphan {
  readonly revision: Revision;
  readonly sinceMs: number;
}

/** One at once, and two more a minute apart: from the first to the last it is `orphanMs` at least. */
const looksAfterRescue = 3;

const isRescue = (update: ViewUpdate): boolean =>
  update.kind === "resynced" || update.changeSet.changes.some(({ key }) => isOfRescue(key));

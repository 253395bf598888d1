import type { Logger } from "../../observability/logger.js";
import { isOfRescue, type ViewUpdate } from "../../store/view.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { readKey } from "../records.js";
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
 * is judged when a later look finds the very same record alone again.
 */
export class Mends {
  readonly #deps: MendsDeps;
  readonly #unsubscribe: () => void;
  #orphans: Findings["orphans"] = new Map();
  /** Looks to come. */
  #lookCount = 0;
  #looking: Promise<void> | undefined;
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
    await this.#look();
  }

  /** Looks again, where a look is due: to be called now and then. @throws {StoreError} */
  async look(): Promise<void> {
    await this.#looking;
    if (this.#lookCount > 0) await this.#look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unsubscribe();
    await this.#looking;
  }

  #lookSoon(): void {
    const before = this.#looking;
    this.#looking = (async () => {
      await before;
      try {
        await this.#look();
      } catch (error) {
        this.#deps.logger.debug({ err: error }, "the state cannot be mended now; the next look tries again");
      }
    })();
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return;
    const { state, clock } = this.#deps;
    const findings = await findOddities(state, clock);
    await this.#mend(findings);
    for (const [key, revision] of findings.orphans)
      if (this.#orphans.get(key) === revision) await this.#mendOrphan(key);
    this.#orphans = findings.orphans;
    this.#lookCount -= 1;
  }

  async #mend({ containers, groups, intents, left }: Findings): Promise<void> {
    const count = containers.length + groups.length + intents.length + left.length;
    if (count > 0)
      this.#deps.logger.warn(
        { containers: containers.length, groups: groups.length, intents: intents.length, left: left.length },
        "the state has records that contradict each other, as after a loss: they are mended",
      );
    for (const key of containers) await this.#change((draft) => mendContainer(draft, key));
    for (const [id, key] of intents) await this.#change((draft) => mendIntent(draft, id, key));
    for (const key of left) await this.#mendOrphan(key);
    for (const id of groups) while (await this.#change((draft) => mendGroup(draft, this.#deps.state, id)));
  }

  async #mendOrphan(key: string): Promise<void> {
    const { kind, subject = "" } = readKey(key) ?? {};
    if (kind === "membership") await this.#change((draft) => mendMembership(draft, subject));
    if (kind === "secret") await this.#change((draft) => mendSecret(draft, subject));
    if (kind === "request") await this.#change((draft) => mendRequest(draft, subject));
  }

  async #change<T>(plan: (draft: Draft) => T): Promise<T | undefined> {
    return this.#isClosed ? undefined : await change(this.#deps, plan);
  }
}

/** One at once, and two more a minute apart each: what is alone in both stays alone. */
const looksAfterRescue = 3;

const isRescue = (update: ViewUpdate): boolean =>
  update.kind === "resynced" || update.changeSet.changes.some(({ key }) => isOfRescue(key));

import type { RecordValue } from "../../store/contract.js";
import type { ViewUpdate } from "../../store/view.js";
import { read, readKey } from "../records.js";
import type { TrackedState } from "../tracked-state.js";

/** A creation or a removal that the state shows as under way. */
export interface OpenWork {
  readonly kind: "intent" | "container";
  readonly subject: string;
}

export const workKey = ({ kind, subject }: OpenWork): string => `${kind} ${subject}`;

/** What is under way, by the gateway that does it. */
export class OpenWorkIndex {
  readonly #byOwner = new Map<string, Map<string, OpenWork>>();

  constructor(state: TrackedState) {
    for (const [subject, intent] of state.named("intent"))
      this.#enter("intent", subject, ownerOf("intent", intent));
    for (const [subject, record] of state.named("container"))
      this.#enter("container", subject, ownerOf("container", record));
  }

  /** Takes up a commit. @returns what it opened or left open */
  follow(update: ViewUpdate): readonly (OpenWork & { readonly owner: string })[] {
    const opened: (OpenWork & { readonly owner: string })[] = [];
    for (const { key, value, previous } of update.kind === "changed"
      ? update.changeSet.changes
      : update.changes) {
      const known = readKey(key);
      if (known === undefined || (known.kind !== "intent" && known.kind !== "container")) continue;
      const { kind, subject } = known;
      const [before, owner] = [previous, value].map((one) => ownerOf(kind, one));
      if (before !== undefined && before !== owner) this.#leave(kind, subject, before);
      if (owner === undefined) continue;
      this.#enter(kind, subject, owner);
      opened.push({ kind, subject, owner });
    }
    return opened;
  }

  get owners(): readonly string[] {
    return [...this.#byOwner.keys()];
  }

  /** The oldest first; the same object for as long as it is under way. */
  of(owner: string): readonly OpenWork[] {
    return [...(this.#byOwner.get(owner)?.values() ?? [])];
  }

  has(owner: string, work: OpenWork): boolean {
    return this.#byOwner.get(owner)?.has(workKey(work)) === true;
  }

  #enter(kind: OpenWork["kind"], subject: string, owner: string | undefined): void {
    if (owner === undefined) return;
    const work = { kind, subject };
    const key = workKey(work);
    const all = this.#byOwner.get(owner) ?? new Map<string, OpenWork>();
    this.#byOwner.set(owner, all.has(key) ? all : all.set(key, work));
  }

  #leave(kind: OpenWork["kind"], subject: string, owner: string): void {
    const all = this.#byOwner.get(owner);
    all?.delete(workKey({ kind, subject }));
    if (all?.size === 0) this.#byOwner.delete(owner);
  }
}

/** @returns undefined if nothing is under way */
function ownerOf(kind: OpenWork["kind"], value: object | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (kind === "intent") {
    const intent = read("intent", value as RecordValue);
    return intent.state === "PENDING" ? intent.owner : undefined;
  }
  const container = read("container", value as RecordValue);
  return container.state === "REMOVING" ? (container.owner ?? "") : undefined;
}

import type { RecordChange, RecordValue } from "../../store/contract.js";
import { sortedMembers } from "../group-members.js";
import { keyOf, read, readKey, type RecordKind, type RecordOfKind } from "../records.js";
import type { Records } from "../tracked-state.js";

/** Records as they were at another moment: a few that differ, laid over others. */
export class Overlay implements Records {
  readonly #base: Records;
  readonly #values = new Map<string, RecordValue | undefined>();

  constructor(base: Records) {
    this.#base = base;
  }

  /** Takes changes back, newest first or each key once: what a key was before the oldest of them counts. */
  takeBack(changes: readonly RecordChange[]): this {
    for (const { key, previous } of changes) this.#values.set(key, previous);
    return this;
  }

  /** Holds on to what records were, although the base goes on. */
  keepBefore(changes: readonly RecordChange[]): void {
    for (const { key, previous } of changes) if (!this.#values.has(key)) this.#values.set(key, previous);
  }

  /** Makes changes here that the base has made already, or is yet to make. */
  apply(changes: readonly RecordChange[]): void {
    for (const { key, value } of changes) this.#values.set(key, value);
  }

  get<K extends RecordKind>(kind: K, subject: string): RecordOfKind[K] | undefined {
    const key = keyOf[kind](subject);
    if (!this.#values.has(key)) return this.#base.get(kind, subject);
    const value = this.#values.get(key);
    return value === undefined ? undefined : read(kind, value);
  }

  membersOf(group: string): readonly string[] {
    const members = new Set(this.#base.membersOf(group));
    for (const [key, value] of this.#values) {
      const known = readKey(key);
      if (known?.kind !== "membership") continue;
      const isMember = value !== undefined && read("membership", value).groups.some(({ id }) => id === group);
      if (isMember) members.add(known.subject);
      else members.delete(known.subject);
    }
    return sortedMembers((key) => this.get("membership", key), group, members);
  }
}

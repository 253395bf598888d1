import type { RecordValue } from "../store/contract.js";
import { type MembershipRecord, read } from "./records.js";

/** What is written of a container's groups now. */
type MembershipOf = (key: string) => MembershipRecord | undefined;

/** Who is in which group: memberships are kept by container. */
export class GroupMembers {
  readonly #membershipOf: MembershipOf;
  readonly #members = new Map<string, Set<string>>();
  /** The same in the order in which they came, where it has been asked for since the last change. */
  readonly #sorted = new Map<string, readonly string[]>();

  constructor(membershipOf: MembershipOf) {
    this.#membershipOf = membershipOf;
  }

  countOf(group: string): number {
    return this.#members.get(group)?.size ?? 0;
  }

  has(group: string, key: string): boolean {
    return this.#members.get(group)?.has(key) === true;
  }

  /** Keys of containers, in the order in which they came. */
  of(group: string): readonly string[] {
    const known = this.#sorted.get(group);
    if (known !== undefined) return known;
    const members = this.#members.get(group);
    if (members === undefined) return [];
    const sorted = sortedMembers(this.#membershipOf, group, members);
    this.#sorted.set(group, sorted);
    return sorted;
  }

  /** Takes up what a container's membership says now. */
  enter(key: string, membership: RecordValue): void {
    for (const { id } of read("membership", membership).groups) {
      this.#sorted.delete(id);
      const members = this.#members.get(id);
      if (members === undefined) this.#members.set(id, new Set([key]));
      else members.add(key);
    }
  }

  /** Forgets what it said before. */
  leave(key: string, membership: RecordValue): void {
    for (const { id } of read("membership", membership).groups) {
      this.#sorted.delete(id);
      const members = this.#members.get(id);
      members?.delete(key);
      if (members?.size === 0) this.#members.delete(id);
    }
  }
}

/** Puts the members of a group in the order in which they came. */
export function sortedMembers(
  membershipOf: MembershipOf,
  group: string,
  keys: Iterable<string>,
): readonly string[] {
  const place = (key: string): number => membershipOf(key)?.groups.find(({ id }) => id === group)?.place ?? 0;
  return [...keys]
    .map((key) => ({ key, place: place(key) }))
    .sort((a, b) => a.place - b.place || (a.key < b.key ? -1 : 1))
    .map(({ key }) => key);
}

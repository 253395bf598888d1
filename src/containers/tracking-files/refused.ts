import type { Slices } from "../../store/mirror/slices.js";
import type { ImportRefusals, TrackingState } from "./contract.js";
import { membershipOf, membershipsOf } from "./foreign-changes.js";
import { type GroupDocument, membershipKey } from "./group-document.js";
import type { TrackedDocument } from "./tracked-document.js";

/** What stands in the files and the state did not take: it stays there, and what others write next offers it again. */
export class Refused {
  readonly containers = new Set<string>();
  readonly groups = new Set<string>();
  /** As `membershipKey` spells them. */
  readonly members = new Set<string>();

  add({ containers = [], groups = [], members = [] }: ImportRefusals): void {
    for (const key of containers) this.containers.add(key);
    for (const id of groups) this.groups.add(id);
    for (const { groupId, memberKey } of members) this.members.add(membershipKey(groupId, memberKey));
  }

  /** Forgets what the state has taken since, from whom ever: it goes from the files when it goes from there. */
  async forgetTaken(state: TrackingState, slices: Slices): Promise<void> {
    for (const [keys, isTaken] of [
      [this.containers, (key: string) => state.hasContainer(key)],
      [this.groups, (id: string) => state.group(id) !== undefined],
      [this.members, (key: string) => isMember(state, key)],
    ] as const) {
      for (const key of keys) {
        if (isTaken(key)) keys.delete(key);
        if (slices.isOver) await slices.rest();
      }
    }
  }

  /** Forgets what others took out of the files. */
  async forgetGone(containers: TrackedDocument, groups: GroupDocument, slices: Slices): Promise<void> {
    for (const key of this.containers) if (!containers.byKey.has(key)) this.containers.delete(key);
    for (const id of this.groups) if (!groups.byId.has(id)) this.groups.delete(id);
    if (this.members.size === 0) return;
    const standing = await membershipsOf(groups.byId.values(), slices);
    for (const key of this.members) if (!standing.has(key)) this.members.delete(key);
  }
}

function isMember(state: TrackingState, key: string): boolean {
  const { groupId, memberKey } = membershipOf(key);
  return state.isMember(groupId, memberKey);
}

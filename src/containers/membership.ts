import type { PeerAddress } from "../peer-api/contract.js";
import type { Draft } from "./change.js";
import { ContainerError } from "./errors.js";
import { containerLimits } from "./limits.js";
import { groupName, nameOfKey } from "./names.js";
import type { Records } from "./tracked-state.js";

/** A container that enters or leaves a group. */
export interface Member {
  readonly key: string;
  readonly address: PeerAddress;
  readonly id: string;
}

/** More than enter a group at once. */
const placesPerChange = 1_024;

/**
 * Puts containers into a group, in their order; those who are in it stay where they are.
 *
 * @param onFull what to do when a limit forbids it, or the group is gone: leave it at that, or throw
 * @throws {ContainerError} GROUP_NOT_FOUND, GROUP_FULL, TOO_MANY_GROUPS
 */
export function enterGroup(
  draft: Draft,
  groupId: string,
  members: readonly Member[],
  onFull: "throw" | "skip" = "throw",
): void {
  const group = draft.get("group", groupId);
  if (group === undefined) {
    if (onFull === "skip") return;
    throw groupNotFound(groupId);
  }
  const entering = members.flatMap((member) => {
    const groups = draft.get("membership", member.key)?.groups ?? [];
    return groups.some(({ id }) => id === groupId) ? [] : [{ member, groups }];
  });
  if (entering.length === 0) return;
  const full = entering.find(({ groups }) => groups.length >= containerLimits.maxGroupsPerContainer);
  const isGroupFull = group.memberCount + entering.length > containerLimits.maxGroupMembers;
  if (onFull === "skip" && (full !== undefined || isGroupFull)) return;
  if (isGroupFull) {
    throw new ContainerError(
      "GROUP_FULL",
      `a group has at most ${String(containerLimits.maxGroupMembers)} members`,
      {
        field: "containers",
        metadata: { group: groupName(groupId) },
      },
    );
  }
  if (full !== undefined) {
    throw new ContainerError(
      "TOO_MANY_GROUPS",
      `a container is in at most ${String(containerLimits.maxGroupsPerContainer)} groups`,
      { field: "containers", metadata: { container: nameOfKey(full.member.key) } },
    );
  }
  entering.forEach(({ member: { key, address, id }, groups }, index) => {
    // Not a time: two changes of one millisecond, or a clock that goes back, would mix up the order.
    const place = group.changeCount * placesPerChange + index;
    draft.put("membership", key, { address, id, groups: [...groups, { id: groupId, place }] });
  });
  draft.put("group", groupId, {
    ...group,
    memberCount: group.memberCount + entering.length,
    changeCount: group.changeCount + 1,
  });
}

/** Takes containers out of a group; those who are not in it are left alone. @throws {ContainerError} GROUP_NOT_FOUND */
export function leaveGroup(draft: Draft, groupId: string, members: readonly Member[]): void {
  const group = draft.get("group", groupId);
  if (group === undefined) throw groupNotFound(groupId);
  let leftCount = 0;
  for (const { key } of members) {
    const membership = draft.get("membership", key);
    const groups = membership?.groups.filter(({ id }) => id !== groupId) ?? [];
    if (membership === undefined || groups.length === membership.groups.length) continue;
    leftCount += 1;
    if (groups.length === 0) draft.delete("membership", key);
    else draft.put("membership", key, { ...membership, groups });
  }
  if (leftCount === 0) return;
  draft.put("group", groupId, {
    ...group,
    memberCount: group.memberCount - leftCount,
    changeCount: group.changeCount + 1,
  });
}

/** Ends a group and every membership in it. @throws {ContainerError} GROUP_NOT_FOUND */
export function endGroup(draft: Draft, id: string, members: readonly Member[], nowMs: number): void {
  leaveGroup(draft, id, members);
  // Another gateway's clock may have made it later than now by ours: its end is never before its beginning.
  const createTimeMs = draft.get("group", id)?.createTimeMs ?? nowMs;
  draft.delete("group", id);
  draft.put("ended", id, { id, endTimeMs: Math.max(nowMs, createTimeMs) });
}

/** @param id empty = none is meant @throws {ContainerError} GROUP_NOT_FOUND */
export function requireGroup(records: Records, id: string): void {
  if (id !== "" && records.get("group", id) === undefined) throw groupNotFound(id);
}

export const groupNotFound = (id: string): ContainerError =>
  new ContainerError("GROUP_NOT_FOUND", "there is no such group", { metadata: { group: groupName(id) } });

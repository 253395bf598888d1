/**
 * What must not stand side by side in the state, and what becomes of it. A state that was lost and brought back by several
 * may have it, where others wrote to older copies meanwhile. Pure plans: each may run again, and then finds nothing to do.
 *
 * - container beside a tombstone of its own life, or of a later one: untracked again; of an earlier one: it stays, and the
 *   tombstone goes;
 * - group that was made before its end: ended again, with its memberships;
 * - intent beside the container that came of it, tracked or removed since: closed, and its request id tells of that one;
 * - member count: what the memberships say;
 * - membership or secret without its container, membership without its group: taken away, where that has ended at once,
 *   else after two looks;
 * - request under way without its intent, in two looks: of unknown outcome;
 * - heartbeat and duty: nothing. A stale one is silent, and silence is judged already.
 */
import type { Draft } from "../change.js";
import { containerLimits } from "../limits.js";
import { closeSettled } from "../life/intents.js";
import { drop } from "../life/untrack.js";
import { leaveGroup } from "../membership.js";
import {
  type ContainerRecord,
  type EndedRecord,
  type GroupRecord,
  lifeOf,
  type TombstoneRecord,
} from "../records.js";
import type { TrackedState } from "../tracked-state.js";

/** Whether a container is of a life that its tombstone tells the end of. */
export const isOver = (container: ContainerRecord, { container: removed }: TombstoneRecord): boolean =>
  lifeOf(container) <= lifeOf(removed);

/** Whether a group was made before its end. A file may bring one back later, which begins anew. */
export const hasEnded = (group: GroupRecord, ended: EndedRecord): boolean =>
  group.createTimeMs <= ended.endTimeMs;

/** Settles which of the two it is. @returns whether anything was wrong */
export function mendContainer(draft: Draft, key: string): boolean {
  const container = draft.get("container", key);
  const tombstone = draft.get("tombstone", key);
  if (container === undefined || tombstone === undefined) return false;
  if (isOver(container, tombstone)) drop(draft, key);
  else draft.delete("tombstone", key);
  return true;
}

/** Members that leave in one commit, with the group. */
const maxLeaving = containerLimits.maxGroupMembers / 2;

/** @returns whether there is more to do: a group may have more members than one commit can look at */
export function mendGroup(draft: Draft, state: TrackedState, id: string): boolean {
  const group = draft.get("group", id);
  if (group === undefined) return false;
  const memberCount = state.memberCountOf(id);
  const ended = draft.get("ended", id);
  if (ended === undefined || !hasEnded(group, ended)) {
    // A change of the memberships rewrites the group: the count is of this very record.
    if (group.memberCount !== memberCount) draft.put("group", id, { ...group, memberCount });
    return false;
  }
  const leaving = state.membersOf(id).slice(0, maxLeaving);
  leaveGroup(
    draft,
    id,
    leaving.map((key) => ({ key, address: { host: "", port: 0 }, id: "" })),
  );
  // Whoever is asked again and again must have done something.
  if (leaving.length < memberCount) return !draft.isEmpty;
  draft.delete("group", id);
  return false;
}

/** @param key of the container, tracked or removed, that says it came of the intent */
export function mendIntent(draft: Draft, id: string, key: string): void {
  const intent = draft.get("intent", id);
  const record = draft.get("container", key) ?? draft.get("tombstone", key)?.container;
  if (intent !== undefined && record?.intent === id) closeSettled(draft, intent, key);
}

/** Takes away what has lost what it belongs to. */
export function mendMembership(draft: Draft, key: string): void {
  const membership = draft.get("membership", key);
  if (membership === undefined) return;
  const isTracked = draft.get("container", key) !== undefined;
  const groups = membership.groups.filter(({ id }) => isTracked && draft.get("group", id) !== undefined);
  if (groups.length === membership.groups.length) return;
  const left = membership.groups.filter((one) => !groups.includes(one));
  for (const { id } of left) {
    const group = draft.get("group", id);
    if (group === undefined) continue;
    const { memberCount, changeCount } = group;
    draft.put("group", id, { ...group, memberCount: memberCount - 1, changeCount: changeCount + 1 });
  }
  if (groups.length === 0) draft.delete("membership", key);
  else draft.put("membership", key, { ...membership, groups });
}

export function mendSecret(draft: Draft, key: string): void {
  if (draft.get("secret", key) !== undefined && draft.get("container", key) === undefined)
    draft.delete("secret", key);
}

export function mendRequest(draft: Draft, id: string): void {
  const request = draft.get("request", id);
  if (request?.outcome.kind !== "running") return;
  const { intent } = request.outcome;
  if (draft.get("intent", intent) !== undefined) return;
  draft.put("request", id, {
    ...request,
    outcome: { kind: "unknown", intent, reason: "CREATE_OUTCOME_UNKNOWN" },
  });
}

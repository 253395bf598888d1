import type { ChangeDeps, Draft } from "../change.js";
import type { Container, StateReason } from "../contract.js";
import { ContainerError } from "../errors.js";
import { nameOfKey } from "../names.js";
import type { ContainerRecord } from "../records.js";
import { showTombstone } from "../show.js";
import { notTracked } from "./remove-errors.js";

/** Takes a container out of the tracked ones and of all its groups, in one commit. @returns it as it was */
export function untrack(draft: Draft, { clock }: ChangeDeps, key: string, reason: StateReason): Container {
  const container = requireTracked(draft, key);
  const groups = drop(draft, key);
  const tombstone = {
    container,
    groups: groups.map((id) => `groups/${id}`).sort(),
    reason,
    removeTimeMs: clock.nowMs(),
  };
  draft.put("tombstone", key, tombstone);
  return showTombstone(tombstone);
}

/** Takes out all that is a container's own. @returns ids of the groups that it leaves */
export function drop(draft: Draft, key: string): readonly string[] {
  const groups = (draft.get("membership", key)?.groups ?? []).map(({ id }) => id);
  for (const id of groups) {
    const group = draft.get("group", id);
    if (group === undefined) continue;
    const { memberCount, changeCount } = group;
    draft.put("group", id, { ...group, memberCount: memberCount - 1, changeCount: changeCount + 1 });
  }
  draft.delete("container", key);
  draft.delete("secret", key);
  draft.delete("membership", key);
  return groups;
}

/** @throws {ContainerError} CONTAINER_NOT_TRACKED */
export function requireTracked(draft: Draft, key: string): ContainerRecord {
  const record = draft.get("container", key);
  if (record === undefined) throw notTracked(nameOfKey(key));
  return record;
}

/** @throws {ContainerError} ETAG_MISMATCH */
export function requireEtag(container: Container | undefined, etag: string): void {
  if (etag === "" || container?.etag === etag) return;
  throw new ContainerError("ETAG_MISMATCH", "the container has changed since that etag", {
    metadata: { container: container?.name ?? "" },
  });
}

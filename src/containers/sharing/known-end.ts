import type { StoredRecord } from "../../store/contract.js";
import { keyOf, read, readKey } from "../records.js";
import { hasEnded, isOver } from "./mend-plans.js";

type Records = ReadonlyMap<string, StoredRecord>;

/**
 * Tells whether a record that the state lacks belongs to a container or a group that ended, by what the state says now.
 * A gateway that was behind when the state was lost must not bring it back, once another one has told of the end.
 */
export function hasKnownEnd(key: string, before: Records, now: Records): boolean {
  const { kind, subject } = readKey(key) ?? {};
  if (kind === "container" || kind === "secret" || kind === "membership") {
    const container = before.get(keyOf.container(subject ?? ""))?.value;
    const tombstone = now.get(keyOf.tombstone(subject ?? ""))?.value;
    if (container === undefined || tombstone === undefined) return false;
    // A node may give an id again: then this is another container than the one that was removed.
    return isOver(read("container", container), read("tombstone", tombstone));
  }
  if (kind !== "group") return false;
  const group = before.get(key)?.value;
  const ended = now.get(keyOf.ended(subject ?? ""))?.value;
  if (group === undefined || ended === undefined) return false;
  return hasEnded(read("group", group), read("ended", ended));
}

/** What a commit looks like to those who watch. */
import type { RecordChange, RecordValue } from "../../store/contract.js";
import type { Test } from "../../filter/value-types.js";
import { weightOf } from "../../filter/weight.js";
import type { Change, Container, Group } from "../contract.js";
import { read, readKey } from "../records.js";
import { showContainer, showGroup, showIntent, showTombstone } from "../show.js";
import type { Records } from "../tracked-state.js";

/** One container or group before and after a commit. */
export type VisibleChange = Visible & {
  /** Roughly, in bytes. */
  readonly weightBytes: number;
};

type Visible =
  | {
      readonly kind: "CONTAINER";
      readonly before: Container | undefined;
      readonly after: Container | undefined;
      /** How it ended; absent = it did not. */
      readonly end: Container | undefined;
    }
  | { readonly kind: "GROUP"; readonly before: Group | undefined; readonly after: Group | undefined };

/** Says what a commit changed that callers can see, each thing once. */
export function visibleChanges(
  changes: readonly RecordChange[],
  before: Records,
  after: Records,
): readonly VisibleChange[] {
  const containers = new Set<string>();
  const intents = new Set<string>();
  const groups = new Set<string>();
  for (const { key, value, previous } of changes) {
    const known = readKey(key);
    if (known?.kind === "container" || known?.kind === "membership") containers.add(known.subject);
    // Who changes memberships rewrites the group; one that is brought back after a loss may stand in another commit.
    if (known?.kind === "membership") for (const id of joinedOrLeft(value, previous)) groups.add(id);
    if (known?.kind === "intent") intents.add(known.subject);
    if (known?.kind === "group") groups.add(known.subject);
  }
  const seen: Visible[] = [];
  for (const id of intents) {
    const [earlier, later] = [before.get("intent", id), after.get("intent", id)];
    seen.push({
      kind: "CONTAINER",
      before: earlier === undefined ? undefined : showIntent(earlier),
      after: later === undefined ? undefined : showIntent(later),
      end: undefined,
    });
  }
  for (const key of containers) {
    const tombstone = after.get("tombstone", key);
    const end = tombstone === undefined ? undefined : showTombstone(tombstone);
    seen.push({
      kind: "CONTAINER",
      before: showContainer(before, key),
      after: showContainer(after, key),
      end,
    });
  }
  for (const id of groups) {
    seen.push({ kind: "GROUP", before: showGroup(before, id), after: showGroup(after, id) });
  }
  return seen.map((change) => ({ ...change, weightBytes: weightOf(change) }));
}

/** Groups in which one of two memberships of a container is, and not the other. */
function joinedOrLeft(value: RecordValue | undefined, previous: RecordValue | undefined): readonly string[] {
  const [now, before] = [value, previous].map(
    (one) => new Set(one === undefined ? [] : read("membership", one).groups.map(({ id }) => id)),
  ) as [Set<string>, Set<string>];
  return [...now, ...before].filter((id) => now.has(id) !== before.has(id));
}

export interface Filters {
  /** Equal for those who see the same. */
  readonly key: string;
  /** Absent = containers are not watched. */
  readonly container: Test<Container> | undefined;
  readonly group: Test<Group> | undefined;
}

/** Says what a change is to somebody who sees only what passes; undefined = nothing. */
export function throughFilter(change: Visible, filters: Filters): Change | undefined {
  if (change.kind === "CONTAINER") {
    const { before, after, end } = change;
    const passed = seenBy(filters.container, before, after);
    if (passed === undefined) return undefined;
    const container = after ?? end ?? before;
    if (container === undefined) return undefined;
    return { kind: "CONTAINER", type: passed.type, container, previous: passed.previous };
  }
  const passed = seenBy(filters.group, change.before, change.after);
  const group = change.after ?? change.before;
  if (passed === undefined || group === undefined) return undefined;
  return { kind: "GROUP", type: passed.type, group, previous: passed.previous };
}

function seenBy<T>(
  passes: Test<T> | undefined,
  before: T | undefined,
  after: T | undefined,
): { readonly type: Change["type"]; readonly previous: T | undefined } | undefined {
  if (passes === undefined) return undefined;
  const wasSeen = before !== undefined && passes(before);
  const isSeen = after !== undefined && passes(after);
  if (!wasSeen && !isSeen) return undefined;
  const previous = wasSeen ? before : undefined;
  return { type: wasSeen ? (isSeen ? "MODIFIED" : "REMOVED") : "ADDED", previous };
}

/** What others did to both files, worked out before anything is changed. */
import { absorb, isObject } from "../../store/mirror/absorb.js";
import type { MirrorTimes } from "../../store/mirror/limits.js";
import { type HeldEntry, type KeyChanges, mergeKeys, type Removal } from "../../store/mirror/merge-keys.js";
import type { Slices } from "../../store/mirror/slices.js";
import type { ForeignChanges, GroupEntry, Membership, TrackedEntry, TrackingState } from "./contract.js";
import type { Fingerprints } from "./entry.js";
import { type GroupDocument, membershipKey, membersFingerprints } from "./group-document.js";
import type { TrackedDocument } from "./tracked-document.js";

/** What the files held last, read or written: the base of the merge. */
export interface Held {
  readonly containers: ReadonlyMap<string, HeldEntry>;
  readonly groups: ReadonlyMap<string, HeldEntry>;
  /** As `membershipKey` spells them. */
  readonly members: ReadonlyMap<string, HeldEntry>;
}

/** The same, to be gone through once. */
export type HeldEntries = Readonly<Record<keyof Held, Iterable<readonly [string, HeldEntry]>>>;

/** What we took out of them. */
export interface Removals {
  readonly containers: ReadonlyMap<string, Removal>;
  readonly groups: ReadonlyMap<string, Removal>;
  readonly members: ReadonlyMap<string, Removal>;
}

/** A file that somebody else wrote. */
export interface Foreign<Document> {
  readonly document: Document;
  readonly appearedMs: number;
}

export interface MergeInput {
  /** Absent = that file is as we know it. */
  readonly containers: Foreign<TrackedDocument> | undefined;
  readonly groups: Foreign<GroupDocument> | undefined;
  readonly state: TrackingState;
  /** Undefined = the first import. */
  readonly held: Held | undefined;
  readonly removals: Removals;
  /** What the tracked file held last, where we still know more than its fingerprints. */
  readonly lastTracked: TrackedDocument;
  readonly fingerprints: Fingerprints;
  readonly slices: Slices;
  readonly times: Pick<MirrorTimes, "holdMs" | "removalKeptMs">;
}

export interface Merge {
  readonly changes: ForeignChanges;
  /** Entries that stay, or stay out, although their file says otherwise. */
  readonly staleCount: number;
  /** Members of theirs whose container nobody tracks. */
  readonly untrackedMemberCount: number;
}

export async function mergeForeign(input: MergeInput): Promise<Merge> {
  const containers = await mergeContainers(input);
  const groups = await mergeGroups(input, containers);
  const { addedContainers, changedContainers, removedContainers } = containers;
  return {
    changes: { addedContainers, changedContainers, removedContainers, ...groups.changes },
    staleCount: containers.staleCount + groups.staleCount,
    untrackedMemberCount: groups.untrackedMemberCount,
  };
}

export const isEmpty = (changes: ForeignChanges): boolean =>
  Object.values(changes).every((list: readonly unknown[]) => list.length === 0);

type ContainerChanges = Pick<
  ForeignChanges,
  "addedContainers" | "changedContainers" | "removedContainers"
> & {
  readonly staleCount: number;
};

async function mergeContainers(input: MergeInput): Promise<ContainerChanges> {
  const { containers, state, fingerprints, times, slices } = input;
  if (containers === undefined) {
    return { addedContainers: [], changedContainers: [], removedContainers: [], staleCount: 0 };
  }
  const { byKey } = containers.document;
  const theirs = new Map<string, string>();
  for (const [key, entry] of byKey) {
    theirs.set(key, fingerprints.of(entry));
    if (slices.isOver) await slices.rest();
  }
  const keys = await mergeKeys(
    {
      theirs,
      hasOurs: (key) => state.hasContainer(key),
      base: input.held?.containers,
      removals: input.removals.containers,
      appearedMs: containers.appearedMs,
    },
    times,
    slices,
  );
  return {
    addedContainers: pick(keys.added, byKey),
    changedContainers: keys.touched.flatMap((key) =>
      joined(state.container(key), byKey.get(key), input.lastTracked.byKey.get(key)),
    ),
    removedContainers: keys.removed,
    staleCount: staleCountOf(keys),
  };
}

/** Their changes of a container's fields in ours. @returns none if they come to nothing */
function joined(
  ours: TrackedEntry | undefined,
  theirs: TrackedEntry | undefined,
  last: TrackedEntry | undefined,
): TrackedEntry[] {
  if (ours === undefined || theirs === undefined) return [];
  const raw = absorb(ours.raw, theirs.raw, last?.raw);
  const { ipAddressText } = theirs.ipAddressText === last?.ipAddressText ? ours : theirs;
  if (!isObject(raw) || (raw === ours.raw && ipAddressText === ours.ipAddressText)) return [];
  return [{ ...ours, raw, ipAddressText }];
}

interface GroupMerge extends Pick<Merge, "staleCount" | "untrackedMemberCount"> {
  readonly changes: Pick<ForeignChanges, "addedGroups" | "removedGroups" | "addedMembers" | "removedMembers">;
}

async function mergeGroups(input: MergeInput, containers: ContainerChanges): Promise<GroupMerge> {
  const { groups: file, state, times, slices } = input;
  const none = { addedGroups: [], removedGroups: [], addedMembers: [], removedMembers: [] };
  if (file === undefined) return { changes: none, staleCount: 0, untrackedMemberCount: 0 };
  const { byId } = file.document;
  const added = new Set(containers.addedContainers.map(({ key }) => key));
  const removed = new Set(containers.removedContainers);
  const isTracked = (key: string): boolean =>
    added.has(key) || (state.hasContainer(key) && !removed.has(key));
  const groups = await mergeKeys(
    {
      theirs: await membersFingerprints(byId.values(), slices),
      hasOurs: (id) => state.group(id) !== undefined,
      base: input.held?.groups,
      removals: input.removals.groups,
      appearedMs: file.appearedMs,
    },
    times,
    slices,
  );
  const members = await mergeMembers(input, file);
  const gone = new Set(groups.removed);
  return {
    changes: {
      addedGroups: pick(groups.added, byId).map((group) => trackedMembersOf(group, isTracked)),
      removedGroups: groups.removed,
      addedMembers: members.added.filter(
        ({ groupId, memberKey }) => state.group(groupId) !== undefined && isTracked(memberKey),
      ),
      // A container that goes leaves its groups by itself.
      removedMembers: members.removed.filter(
        ({ groupId, memberKey }) => !gone.has(groupId) && !removed.has(memberKey),
      ),
    },
    staleCount: staleCountOf(groups) + members.staleCount,
    untrackedMemberCount: await untrackedCountOf(byId.values(), isTracked, slices),
  };
}

async function untrackedCountOf(
  groups: Iterable<GroupEntry>,
  isTracked: (key: string) => boolean,
  slices: Slices,
): Promise<number> {
  let count = 0;
  for (const { memberKeys } of groups) {
    count += memberKeys.filter((key) => !isTracked(key)).length;
    if (slices.isOver) await slices.rest();
  }
  return count;
}

interface MemberMerge {
  readonly added: readonly Membership[];
  readonly removed: readonly Membership[];
  readonly staleCount: number;
}

/** A membership has no text of its own: it is there, or it is not. */
async function mergeMembers(input: MergeInput, file: Foreign<GroupDocument>): Promise<MemberMerge> {
  const theirs = await membershipsOf(file.document.byId.values(), input.slices);
  const keys = await mergeKeys(
    {
      theirs,
      hasOurs: (key) => {
        const { groupId, memberKey } = membershipOf(key);
        return input.state.isMember(groupId, memberKey);
      },
      base: input.held?.members,
      removals: { get: (key) => input.removals.members.get(key) ?? justLeft(input.state, key) },
      appearedMs: file.appearedMs,
    },
    // Unlike a removed container, one may well come back to a group.
    { ...input.times, removalKeptMs: 0 },
    input.slices,
  );
  return {
    added: keys.added.map(membershipOf),
    // A group that is not in their file at all is removed, or kept, as a whole.
    removed: keys.removed.map(membershipOf).filter(({ groupId }) => file.document.byId.has(groupId)),
    staleCount: staleCountOf(keys),
  };
}

/**
 * One that left before we knew what the file holds: it came from there, and we were killed before that was saved. A container
 * and a group have records of their end, a membership has none.
 */
function justLeft(state: TrackingState, key: string): Removal | undefined {
  const { groupId, memberKey } = membershipOf(key);
  const atMs = state.leftMs(groupId, memberKey);
  return atMs === undefined ? undefined : { fingerprint: "", atMs };
}

/** With the constant fingerprint of what has no text. */
export async function membershipsOf(
  groups: Iterable<GroupEntry>,
  slices: Slices,
): Promise<Map<string, string>> {
  const memberships = new Map<string, string>();
  for (const { id, memberKeys } of groups) {
    for (const key of memberKeys) memberships.set(membershipKey(id, key), "");
    if (slices.isOver) await slices.rest();
  }
  return memberships;
}

export function membershipOf(key: string): Membership {
  const end = key.indexOf("\n");
  return { groupId: key.slice(0, end), memberKey: key.slice(end + 1) };
}

const trackedMembersOf = (group: GroupEntry, isTracked: (key: string) => boolean): GroupEntry => ({
  ...group,
  memberKeys: group.memberKeys.filter(isTracked),
});

const staleCountOf = ({ kept, leftOut }: KeyChanges): number => kept.length + leftOut.length;

const pick = <T>(keys: readonly string[], from: ReadonlyMap<string, T>): T[] =>
  keys.flatMap((key) => {
    const found = from.get(key);
    return found === undefined ? [] : [found];
  });

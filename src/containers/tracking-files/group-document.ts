/** grouptrackcontainers.json as text. Source: shared protocol notes, "grouptrackcontainers.json", traps 5, 6, 16. */
import type { JsonValue, RecordValue } from "../../store/contract.js";
import { isObject } from "../../store/mirror/absorb.js";
import { type Layout, parseListText } from "../../store/mirror/list-text.js";
import type { Slices } from "../../store/mirror/slices.js";
import type { GroupEntry, TrackedEntry } from "./contract.js";
import {
  digestOf,
  type FileEntry,
  type Fingerprints,
  fieldOf,
  readEntry,
  textOf,
  toFileValue,
} from "./entry.js";
import { isSameList, type Last, type Reading, type Surroundings } from "./tracked-document.js";

/** A group as it stands in a file. Without `group` it names none: kept, never used. */
export interface FileGroup {
  readonly value: JsonValue;
  readonly group?: GroupEntry;
  /** Full copies of tracked entries, as they stand in the file. */
  readonly members: readonly FileEntry[];
}

export interface GroupDocument {
  readonly surroundings: Surroundings;
  readonly groups: readonly FileGroup[];
  readonly byId: ReadonlyMap<string, GroupEntry>;
}

const listKey = "Groups";

/** One space, as the original writes it. */
const layout: Layout = { indent: " ", lineEnd: "\n", endsWithNewline: false };

export const noGroups: GroupDocument = {
  surroundings: { listKey, fields: {}, layout },
  groups: [],
  byId: new Map(),
};

/** As `readTracked`. @throws {SyntaxError} */
export async function readGroups(
  bytes: Buffer,
  slices: Slices,
  last?: Last<GroupDocument>,
): Promise<Reading<GroupDocument>> {
  const { list, ...surroundings } = await parseListText(bytes, listKey, layout, slices, last?.known);
  if (typeof list === "string") return { document: { ...noGroups, surroundings }, emptiness: list };
  const standing = new Map(last?.document.groups.map((group) => [group.value, group]));
  const groups: FileGroup[] = [];
  for (const value of list) {
    groups.push(standing.get(value) ?? readGroup(value));
    if (slices.isOver) await slices.rest();
  }
  return { document: documentOf(surroundings, groups) };
}

function documentOf(surroundings: Surroundings, groups: readonly FileGroup[]): GroupDocument {
  const byId = new Map<string, GroupEntry>();
  for (const { group } of groups) if (group !== undefined && !byId.has(group.id)) byId.set(group.id, group);
  return { surroundings, groups, byId };
}

function readGroup(value: JsonValue): FileGroup {
  if (!isObject(value)) return { value, members: [] };
  const id = textOf(fieldOf(value, "ID"));
  // Null on creation, in any version.
  const list = fieldOf(value, "TrackContainer") ?? [];
  if (!isGroupId(id) || !Array.isArray(list)) return { value, members: [] };
  const members = (list as readonly JsonValue[]).map(readEntry);
  // The original stores a member twice if it is added twice.
  const keys = new Set(members.flatMap(({ entry }) => (entry === undefined ? [] : [entry.key])));
  return { value, group: { id, memberKeys: [...keys] }, members };
}

/** Whatever others call a group; but a line end would blur who belongs to which. */
const isGroupId = (id: string): boolean => /^[^\p{Cc}]{1,256}$/u.test(id);

/** By the ids of groups: of who belongs to each, in any order. */
export async function membersFingerprints(
  groups: Iterable<GroupEntry>,
  slices: Slices,
): Promise<Map<string, string>> {
  const fingerprints = new Map<string, string>();
  for (const { id, memberKeys } of groups) {
    fingerprints.set(id, digestOf([...memberKeys].sort().join("\n")));
    if (slices.isOver) await slices.rest();
  }
  return fingerprints;
}

export interface GroupsWanted {
  readonly groups: Iterable<GroupEntry>;
  /** Members that are none of these are left out: no reader may see a member that is not tracked. */
  readonly tracked: (key: string) => TrackedEntry | undefined;
  readonly refusedGroups: ReadonlySet<string>;
  /** As `membershipKey` spells them. */
  readonly refusedMembers: ReadonlySet<string>;
  readonly fingerprints: Fingerprints;
}

/** As `planTracked`. */
export async function planGroups(
  disk: GroupDocument,
  wanted: GroupsWanted,
  slices: Slices,
): Promise<GroupDocument> {
  const left = new Map([...wanted.groups].map((group) => [group.id, group]));
  const ids = new Set(left.keys());
  const groups: FileGroup[] = [];
  for (const standing of disk.groups) {
    const { group } = standing;
    const isKept = group === undefined || (wanted.refusedGroups.has(group.id) && !ids.has(group.id));
    const planned = group === undefined ? undefined : (left.get(group.id) ?? (isKept ? group : undefined));
    if (planned !== undefined) groups.push(planGroup(planned, wanted, standing));
    else if (isKept) groups.push(standing);
    if (group !== undefined) left.delete(group.id);
    if (slices.isOver) await slices.rest();
  }
  for (const group of left.values()) {
    groups.push(planGroup(group, wanted, undefined));
    if (slices.isOver) await slices.rest();
  }
  return isSameList(groups, disk.groups) ? disk : documentOf(disk.surroundings, groups);
}

function planGroup(group: GroupEntry, wanted: GroupsWanted, standing: FileGroup | undefined): FileGroup {
  const left = new Set(group.memberKeys);
  const before = (standing?.members ?? []).flatMap((member): FileEntry[] => {
    if (member.entry === undefined) return [member];
    const { key } = member.entry;
    const isWanted = left.delete(key) || wanted.refusedMembers.has(membershipKey(group.id, key));
    const entry = isWanted ? wanted.tracked(key) : undefined;
    return entry === undefined ? [] : [copyOf(entry, member, wanted.fingerprints)];
  });
  const added = [...left].flatMap((key): FileEntry[] => {
    const entry = wanted.tracked(key);
    return entry === undefined ? [] : [{ value: toFileValue(entry, undefined), entry }];
  });
  const members = [...before, ...added];
  if (standing !== undefined && isSameList(members, standing.members)) return standing;
  const memberKeys = members.flatMap(({ entry }) => (entry === undefined ? [] : [entry.key]));
  return {
    value: toGroupValue(group.id, members, standing?.value),
    group: { id: group.id, memberKeys },
    members,
  };
}

/** The member's copy of a tracked entry; its own fields that no version knows stay. */
function copyOf(entry: TrackedEntry, standing: FileEntry, fingerprints: Fingerprints): FileEntry {
  const old = standing.entry?.raw ?? {};
  const unknown = Object.entries(old).filter(
    ([key]) => !Object.hasOwn(entry.raw, key) && !dockerVmKeys.has(key),
  );
  const raw =
    unknown.length === 0 ? entry.raw : Object.fromEntries([...Object.entries(entry.raw), ...unknown]);
  const copy = { ...entry, raw };
  const isSame = standing.entry !== undefined && fingerprints.of(standing.entry) === fingerprints.of(copy);
  return isSame ? standing : { value: toFileValue(copy, standing.value), entry: copy };
}

function toGroupValue(id: string, members: readonly FileEntry[], standing: JsonValue | undefined): JsonValue {
  const list = members.map(({ value }) => value);
  // The original writes null for a group that never had a member.
  if (standing === undefined || !isObject(standing))
    return { ID: id, TrackContainer: list.length > 0 ? list : null };
  const fields: RecordValue = Object.fromEntries(
    Object.entries(standing).filter(
      ([key]) => key.toLowerCase() !== "trackcontainer" && key.toLowerCase() !== "id",
    ),
  );
  return { ID: id, TrackContainer: list, ...fields };
}

export const membershipKey = (groupId: string, memberKey: string): string => `${groupId}\n${memberKey}`;

/** Every key of a DockerVM in any version. Source: shared protocol notes, "DockerVM". */
const dockerVmKeys: ReadonlySet<string> = new Set([
  "SSHPort",
  "SSHUsername",
  "SSHPassword",
  "VNCPort",
  "VNCPassword",
  "ID",
  "TagName",
  "ImagePath",
  "OpenPorts",
  "GPU",
  "Ports",
  "TempPath",
  "BaseImage",
  "LogsPath",
  "SSHPublicKey",
  "SSHPrivateKey",
  "SSHCommand",
]);

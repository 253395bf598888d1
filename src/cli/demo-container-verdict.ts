/** What the demo promises of containers, groups and their changes, compared with what was seen. */
import { type Container, Container_State } from "../gen/p2prc/client/v1/container_pb.js";
import type { Group } from "../gen/p2prc/client/v1/group_pb.js";
import { type Change, Change_Type, type WatchResponse } from "../gen/p2prc/client/v1/watch_pb.js";
import { stateText } from "./container-text.js";
import type { TrackingFile, TrackingFiles } from "./tracking-files.js";

export interface ContainerStory {
  /** As they were answered; the first one was removed again. */
  readonly created: readonly Container[];
  /** As it was made, with all of them. */
  readonly group: Group;
  /** What the watch told, in its order. */
  readonly watched: readonly WatchResponse[];
  /** All that is tracked in the end. */
  readonly listed: readonly Container[];
  /** The group in the end. */
  readonly groupInTheEnd: Group | undefined;
}

/** @returns what is wrong; empty = nothing */
export function judgeContainers(story: ContainerStory): readonly string[] {
  const { created, group, watched, listed, groupInTheEnd } = story;
  const [removed, ...rest] = created;
  const changes = watched.flatMap((message) => message.changes);
  const unseen = created.filter(({ name }) => !changes.some((change) => isStartOf(change, name)));
  const left = watched.some(
    (message) =>
      message.changes.some((change) => isEndOf(change, removed?.name ?? "")) &&
      message.changes.some((change) => isGroupWith(change, group, rest)),
  );
  return [
    ...unseen.map(({ name }) => `the watch did not see ${name} come`),
    ...(changes.some((change) => isGroupWith(change, group, created))
      ? []
      : ["the watch did not see the group"]),
    ...(left ? [] : [`the watch did not see ${removed?.name ?? ""} leave with its group in one message`]),
    ...differences("tracked in the end", namesOf(listed), namesOf(rest)),
    ...differences("members in the end", groupInTheEnd?.containers ?? [], namesOf(rest)),
    ...listed
      .filter(({ state }) => state !== Container_State.ACTIVE)
      .map((container) => `${container.name} is ${stateText(container)}`),
  ];
}

/** Whether the files are there and tell the same. @returns what is wrong; empty = nothing */
export function judgeTrackingFiles(
  { tracked, groups }: TrackingFiles,
  { created, group }: Pick<ContainerStory, "created" | "group">,
): readonly string[] {
  const expected = created.slice(1).map(({ id }) => id);
  const judge = (what: string, file: TrackingFile | undefined, name: string): readonly string[] =>
    file === undefined
      ? [`there is no file of ${what}`]
      : differences(file.path, file.ids[name] ?? [], expected);
  return [...judge("tracked containers", tracked, ""), ...judge("groups", groups, group.id)];
}

const isStartOf = ({ type, item }: Change, name: string): boolean =>
  type === Change_Type.ADDED && item.case === "container" && item.value.name === name;

/** Whether the watch has told that a container is gone. */
export const isEndOf = ({ type, item }: Change, name: string): boolean =>
  type === Change_Type.REMOVED && item.case === "container" && item.value.name === name;

const isGroupWith = ({ item }: Change, { name }: Group, members: readonly Container[]): boolean =>
  item.case === "group" && item.value.name === name && isSame(item.value.containers, namesOf(members));

const namesOf = (containers: readonly Container[]): readonly string[] => containers.map(({ name }) => name);

/** Whether both name the same, in whatever order. */
const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  [...some].sort().join(" ") === [...others].sort().join(" ");

const differences = (
  what: string,
  seen: readonly string[],
  expected: readonly string[],
): readonly string[] =>
  isSame(seen, expected) ? [] : [`${what}: ${seen.join(", ") || "none"} in place of ${expected.join(", ")}`];

/** Containers, groups and what becomes of them, in words. */
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Container, Container_State } from "../gen/p2prc/client/v1/container_pb.js";
import type { Group } from "../gen/p2prc/client/v1/group_pb.js";
import { type Change, Change_Type, type WatchResponse } from "../gen/p2prc/client/v1/watch_pb.js";
import { plainText } from "./plain-text.js";

/** The contract's name of the state; one of a later contract has its number. */
export const stateText = ({ state }: Pick<Container, "state">): string =>
  (Container_State as Partial<Record<number, string>>)[state] ?? `STATE_${state}`;

/** `REMOVE_FAILED (REMOVE_OUTCOME_UNKNOWN)`. */
const stateWithReason = ({ state, stateReason }: Container): string =>
  stateReason === "" ? stateText({ state }) : `${stateText({ state })} (${plainText(stateReason)})`;

/** `3 members`. */
const membersText = ({ containerCount }: Group): string =>
  containerCount === 1 ? "1 member" : `${containerCount} members`;

/**
 * One line for each change: `12:00:01 MODIFIED container nodes/203.0.113.7:8088/containers/abc REMOVING, was ACTIVE`.
 * Empty where nothing has changed.
 */
export function changeLines({ changes, eventTime }: WatchResponse): readonly string[] {
  return changes.map((change) => `${clockText(eventTime)} ${typeText(change)} ${itemText(change)}`);
}

const typeText = ({ type }: Change): string =>
  (Change_Type as Partial<Record<number, string>>)[type] ?? `TYPE_${type}`;

function itemText({ item, previous }: Change): string {
  if (item.case === "container") {
    const before = previous.case === "previousContainer" ? previous.value : undefined;
    return `container ${plainText(item.value.name)} ${containerText(item.value, before)}`;
  }
  if (item.case === "group") {
    const before = previous.case === "previousGroup" ? previous.value : undefined;
    return `group ${plainText(item.value.name)} ${groupText(item.value, before)}`;
  }
  return "something that this version does not know";
}

function containerText(container: Container, before: Container | undefined): string {
  const state = stateWithReason(container);
  if (before === undefined) return state;
  const was = before.state === container.state ? [] : [`was ${stateText(before)}`];
  return [state, ...was, ...membershipText(container.groups, before.groups)].join(", ");
}

const groupText = (group: Group, before: Group | undefined): string =>
  [
    membersText(group),
    ...(before === undefined ? [] : membershipText(group.containers, before.containers)),
  ].join(", ");

/** What came and what went. */
const membershipText = (now: readonly string[], before: readonly string[]): readonly string[] => [
  ...now.filter((name) => !before.includes(name)).map((name) => `+${plainText(name)}`),
  ...before.filter((name) => !now.includes(name)).map((name) => `-${plainText(name)}`),
];

/** `12:00:01`, where the reader is; empty = not told. */
const clockText = (time: Timestamp | undefined): string =>
  time === undefined ? "--:--:--" : new Date(timestampMs(time)).toTimeString().slice(0, 8);

/** `2026-01-31T12:00:01Z`; empty = not told. */
export const timeText = (time: Timestamp | undefined): string =>
  time === undefined ? "" : new Date(timestampMs(time)).toISOString().replace(/\.[0-9]+Z$/, "Z");

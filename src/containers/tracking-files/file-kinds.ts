/** The two files, side by side. */
import { type GroupDocument, noGroups, readGroups } from "./group-document.js";
import type { FileKind } from "./tracking-file.js";
import { noTracked, readTracked, type TrackedDocument } from "./tracked-document.js";

export const containersKind: FileKind<TrackedDocument> = {
  name: "containers",
  nothing: noTracked,
  read: readTracked,
  surroundingsOf: ({ surroundings }) => surroundings,
  valuesOf: ({ entries }) => entries.map(({ value }) => value),
};

export const groupsKind: FileKind<GroupDocument> = {
  name: "groups",
  nothing: noGroups,
  read: readGroups,
  surroundingsOf: ({ surroundings }) => surroundings,
  valuesOf: ({ groups }) => groups.map(({ value }) => value),
};

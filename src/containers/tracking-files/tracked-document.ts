/** trackcontainers.json as text. Source: shared protocol notes, "trackcontainers.json", traps 5, 6, 12, 13. */
import type { JsonValue } from "../../store/contract.js";
import {
  type KnownElements,
  type Layout,
  type ListText,
  parseListText,
} from "../../store/mirror/list-text.js";
import type { Slices } from "../../store/mirror/slices.js";
import type { TrackedEntry } from "./contract.js";
import { type FileEntry, type Fingerprints, readEntry, toFileValue } from "./entry.js";

/** All of a file but its list. */
export type Surroundings = Omit<ListText, "list">;

/** A file as read. `emptiness` says what stood in the list's place. */
export interface Reading<Document> {
  readonly document: Document;
  readonly emptiness?: Exclude<ListText["list"], readonly unknown[]>;
}

/** What a file held last, and its elements by their text. */
export interface Last<Document> {
  readonly document: Document;
  readonly known: KnownElements;
}

export interface TrackedDocument {
  readonly surroundings: Surroundings;
  readonly entries: readonly FileEntry[];
  /** Of several entries for one container the first counts, as in the original client. */
  readonly byKey: ReadonlyMap<string, TrackedEntry>;
}

const listKey = "TrackContainer";

/** Tabs, as the original writes it. */
const layout: Layout = { indent: "\t", lineEnd: "\n", endsWithNewline: false };

export const noTracked: TrackedDocument = {
  surroundings: { listKey, fields: {}, layout },
  entries: [],
  byKey: new Map(),
};

/** Reads a file's bytes. What stood in `last` comes back as it was there. @throws {SyntaxError} */
export async function readTracked(
  bytes: Buffer,
  slices: Slices,
  last?: Last<TrackedDocument>,
): Promise<Reading<TrackedDocument>> {
  const { list, ...surroundings } = await parseListText(bytes, listKey, layout, slices, last?.known);
  if (typeof list === "string") return { document: { ...noTracked, surroundings }, emptiness: list };
  const standing = new Map<JsonValue, FileEntry>();
  for (const entry of last?.document.entries ?? []) {
    if (entry.entry?.id !== "") standing.set(entry.value, entry);
    if (slices.isOver) await slices.rest();
  }
  const entries: FileEntry[] = [];
  const idless = new Map<string, number>();
  for (const value of list) {
    entries.push(standing.get(value) ?? withOwnKey(readEntry(value), idless));
    if (slices.isOver) await slices.rest();
  }
  return { document: await documentOf(surroundings, entries, slices) };
}

/** Two failed starts on one node may leave the very same entry: each counts. */
function withOwnKey(read: FileEntry, seen: Map<string, number>): FileEntry {
  if (read.entry?.id !== "") return read;
  const count = (seen.get(read.entry.key) ?? 0) + 1;
  seen.set(read.entry.key, count);
  if (count === 1) return read;
  return { ...read, entry: { ...read.entry, key: `${read.entry.key}-${String(count)}` } };
}

async function documentOf(
  surroundings: Surroundings,
  entries: readonly FileEntry[],
  slices: Slices,
): Promise<TrackedDocument> {
  const byKey = new Map<string, TrackedEntry>();
  for (const { entry } of entries) {
    if (slices.isOver) await slices.rest();
    if (entry !== undefined && !byKey.has(entry.key)) byKey.set(entry.key, entry);
  }
  return { surroundings, entries, byKey };
}

/**
 * What the file should say: entries in the order of the file, new ones last; what names no container, and what `keeps`
 * names, where it stands.
 *
 * @returns `disk` itself if the file says it already
 */
export async function planTracked(
  disk: TrackedDocument,
  wanted: ReadonlyMap<string, TrackedEntry>,
  keeps: (key: string) => boolean,
  { fingerprints, slices }: { readonly fingerprints: Fingerprints; readonly slices: Slices },
): Promise<TrackedDocument> {
  const seen = new Set<string>();
  const entries: FileEntry[] = [];
  for (const standing of disk.entries) {
    const planned = planEntry(standing, wanted, keeps, seen, fingerprints);
    if (planned !== undefined) entries.push(planned);
    if (slices.isOver) await slices.rest();
  }
  for (const [key, entry] of wanted) {
    if (!seen.has(key)) entries.push({ value: toFileValue(entry, undefined), entry });
    if (slices.isOver) await slices.rest();
  }
  return isSameList(entries, disk.entries) ? disk : await documentOf(disk.surroundings, entries, slices);
}

/** @returns undefined if it goes; `standing` itself if it stays as it is */
function planEntry(
  standing: FileEntry,
  wanted: ReadonlyMap<string, TrackedEntry>,
  keeps: (key: string) => boolean,
  seen: Set<string>,
  fingerprints: Fingerprints,
): FileEntry | undefined {
  if (standing.entry === undefined) return standing;
  const { key } = standing.entry;
  // A second one for the same container.
  if (seen.has(key)) return undefined;
  seen.add(key);
  const entry = wanted.get(key);
  if (entry === undefined) return keeps(key) ? standing : undefined;
  if (fingerprints.of(entry) === fingerprints.of(standing.entry)) return standing;
  return { value: toFileValue(entry, standing.value), entry };
}

export const isSameList = <T>(one: readonly T[], other: readonly T[]): boolean =>
  one.length === other.length && one.every((value, place) => value === other[place]);

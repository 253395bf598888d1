/** Pages of a list that may be long and may change between pages: the same for every noun. */
import { hash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { PageTokenError } from "./errors.js";
import type { Comparator, Test } from "./value-types.js";
import { weightOf } from "./weight.js";

/** A list as it is now. It may change while a page of it is cut. */
export interface Listed<T> {
  /** Every name, sorted by code units, each once. */
  readonly names: readonly string[];
  /** @returns undefined if there is no such thing any more */
  get(name: string): T | undefined;
}

export interface PageQuery<T> {
  /** 1 or more. */
  readonly pageSize: number;
  /** Empty = the first page. */
  readonly pageToken: string;
  /** Names the list and what was asked of it: a token belongs to the list it came from. */
  readonly listId: string;
  readonly passes: Test<T>;
  /** Absent = by name. */
  readonly order: Comparator<T> | undefined;
  /** A page ends early when it grows heavier, in bytes, roughly. */
  readonly maxPageBytes: number;
}

export interface PageOf<T> {
  readonly entries: readonly T[];
  /** Empty = this was the last page. */
  readonly nextPageToken: string;
}

/** Where a page begins. */
interface Place {
  /** Entries before it. */
  readonly offset: number;
  /** Name of the last entry before it; empty = there is none. */
  readonly after: string;
}

interface Named<T> {
  readonly name: string;
  readonly entry: T;
}

/** How long a page is worked at before others have their turn, in milliseconds. */
const turnMs = 5;

/**
 * Cuts one page: the entries that pass, in the order asked for, then by name. Works in turns of a few milliseconds,
 * so that a long list holds up nobody.
 *
 * The list may change between pages: the next one begins behind the last entry shown, wherever that stands by then.
 *
 * @throws {PageTokenError}
 */
export async function pageOf<T>(list: Listed<T>, query: PageQuery<T>): Promise<PageOf<T>> {
  const place = readToken(query);
  const wanted = query.pageSize + 1;
  const found =
    query.order === undefined
      ? await nextByName(list, query.passes, place.after, wanted)
      : await nextInOrder(list, query.passes, query.order, place, wanted);
  const shown: Named<T>[] = [];
  let weightBytes = 0;
  for (const named of found.slice(0, query.pageSize)) {
    if (weightBytes > query.maxPageBytes) break;
    weightBytes += weightOf(named.entry);
    shown.push(named);
  }
  const last = shown.length < found.length ? shown.at(-1) : undefined;
  return {
    entries: shown.map(({ entry }) => entry),
    nextPageToken:
      last === undefined
        ? ""
        : writeToken(query.listId, { offset: place.offset + shown.length, after: last.name }),
  };
}

async function nextByName<T>(
  list: Listed<T>,
  passes: Test<T>,
  after: string,
  wanted: number,
): Promise<Named<T>[]> {
  const found: Named<T>[] = [];
  let turnStartMs = performance.now();
  for (let index = indexAfter(list.names, after); index < list.names.length; index += 1) {
    const name = list.names[index] ?? "";
    const entry = list.get(name);
    if (entry !== undefined && passes(entry)) found.push({ name, entry });
    if (found.length === wanted) break;
    if (performance.now() - turnStartMs > turnMs) {
      await setImmediate();
      turnStartMs = performance.now();
      // Names may have come and gone meanwhile.
      index = indexAfter(list.names, name) - 1;
    }
  }
  return found;
}

/** Keeps the best so many while it goes through the list once. */
async function nextInOrder<T>(
  list: Listed<T>,
  passes: Test<T>,
  order: Comparator<T>,
  { offset, after }: Place,
  wanted: number,
): Promise<Named<T>[]> {
  const compare = (a: Named<T>, b: Named<T>): number => order(a.entry, b.entry) || (a.name < b.name ? -1 : 1);
  const last = after === "" ? undefined : list.get(after);
  const bound = last === undefined ? undefined : { name: after, entry: last };
  // The last entry shown has left the list meanwhile: as many as were shown is the best guess.
  const skipped = after !== "" && bound === undefined ? offset : 0;
  const best: Named<T>[] = [];
  let turnStartMs = performance.now();
  for (const name of [...list.names]) {
    if (performance.now() - turnStartMs > turnMs) {
      await setImmediate();
      turnStartMs = performance.now();
    }
    const entry = list.get(name);
    if (entry === undefined || name === after || !passes(entry)) continue;
    const named = { name, entry };
    if (bound !== undefined && compare(named, bound) < 0) continue;
    const worst = best.at(-1);
    const isFull = best.length === skipped + wanted;
    if (isFull && worst !== undefined && compare(named, worst) > 0) continue;
    best.splice(placeOf(best, named, compare), 0, named);
    if (isFull) best.pop();
  }
  return best.slice(skipped);
}

/** Where a value belongs in a sorted list. */
export function placeOf<T>(sorted: readonly T[], value: T, compare: Comparator<T>): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle] as T, value) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first name behind `after`, whether that is in the list or not. */
export function indexAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? "") <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

const tokenVersion = "p1";
const digestOf = (listId: string): string => hash("sha256", listId, "base64url").slice(0, 12);

const writeToken = (listId: string, { offset, after }: Place): string =>
  Buffer.from([tokenVersion, digestOf(listId), offset, after].join(" ")).toString("base64url");

function readToken({ pageToken, listId }: PageQuery<never>): Place {
  if (pageToken === "") return { offset: 0, after: "" };
  const text = Buffer.from(pageToken, "base64url").toString();
  const [version, list, offset = "", after = "", ...rest] = text.split(" ");
  const isWhole = Buffer.from(text).toString("base64url") === pageToken && rest.length === 0;
  if (version !== tokenVersion || !isWhole || !/^[0-9]{1,9}$/.test(offset) || after === "") {
    throw new PageTokenError("is not one that this list returned");
  }
  if (list !== digestOf(listId))
    throw new PageTokenError("belongs to a list with another filter or order_by");
  return { offset: Number(offset), after };
}

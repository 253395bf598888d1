import { isDeepStrictEqual } from "node:util";
import type { JsonValue, RecordValue } from "../contract.js";

/**
 * Joins what others wrote into what we have, field by field, with what we wrote last as base.
 *
 * A field that they lack stays: a program written in Go drops all that it does not know. For the same reason a field that
 * they add counts only if it holds something: Go fills in all that it knows. What both changed is theirs.
 *
 * @returns `ours` itself if nothing changes
 */
export function absorb(ours: JsonValue, theirs: JsonValue, base: JsonValue | undefined): JsonValue {
  if (isObject(ours) && isObject(theirs)) return absorbObject(ours, theirs, isObject(base) ? base : {});
  if (isList(ours) && isList(theirs) && ours.length === theirs.length) {
    const bases = isList(base) && base.length === ours.length ? base : [];
    const joined = ours.map((value, place) => absorb(value, theirs[place] ?? null, bases[place]));
    return joined.every((value, place) => value === ours[place]) ? ours : joined;
  }
  const isSame = isDeepStrictEqual(ours, theirs) || (base !== undefined && isDeepStrictEqual(theirs, base));
  return isSame ? ours : theirs;
}

function absorbObject(ours: RecordValue, theirs: RecordValue, base: RecordValue): RecordValue {
  const kept = Object.entries(ours).map(([key, value]): [string, JsonValue] => {
    const their = own(theirs, key);
    return [key, their === undefined ? value : absorb(value, their, own(base, key))];
  });
  const isChanged = kept.some(([key, value]) => value !== own(ours, key));
  const added = Object.entries(theirs).filter(
    ([key, value]) => own(ours, key) === undefined && !isZero(value) && own(base, key) === undefined,
  );
  // fromEntries defines keys; an assignment would let "__proto__" reach the prototype.
  return isChanged || added.length > 0 ? Object.fromEntries([...kept, ...added]) : ours;
}

/** What Go writes for a field that nobody set. */
const isZero = (value: JsonValue): boolean =>
  value === null || value === "" || value === 0 || value === false;

const own = (object: RecordValue, key: string): JsonValue | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

const isList = (value: JsonValue | undefined): value is readonly JsonValue[] => Array.isArray(value);

export const isObject = (value: JsonValue | undefined): value is RecordValue =>
  typeof value === "object" && value !== null && !Array.isArray(value);

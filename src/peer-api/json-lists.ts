/**
 * Bounds what parsing a stranger's JSON costs: a body of 4 MiB can hold a million values, and parsing those stops the
 * event loop, and everybody else, for hundreds of milliseconds (`npm run bench`, row "longest stall").
 */
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openList = 0x5b;
const openObject = 0x7b;
const closeList = 0x5d;
const closeObject = 0x7d;

/** Depth of the elements of a list that stands in the outermost object. */
const elementDepth = 2;

export interface ListLimits {
  /** Elements kept of each list that stands in the outermost object. */
  readonly maxElements: number;
  /** Values in all that is kept. */
  readonly maxValues: number;
}

/**
 * Cuts each list that stands in the outermost object after `maxElements`, in one pass over the bytes and without a tree.
 * In the place of the rest stands their number: an element beyond `maxElements` is always that, whatever the body held.
 *
 * What is cut out is not checked: its text need not be JSON. Text that is no JSON stays none.
 *
 * @returns undefined if more values remain than `maxValues`
 */
export function cutLists(body: Buffer, { maxElements, maxValues }: ListLimits): Buffer | undefined {
  const kept: Buffer[] = [];
  let keptUpTo = 0;
  let depth = 0;
  let valueCount = 0;
  let elementCount = 0;
  let isInList = false;
  let cutAt = -1;
  for (let at = 0; at < body.length; at += 1) {
    switch (body[at] ?? 0) {
      case quote:
        at = endOfText(body, at);
        break;
      case openList:
      case openObject:
        depth += 1;
        if (depth === elementDepth) {
          isInList = body[at] === openList;
          elementCount = 1;
        }
        if (cutAt === -1) valueCount += 1;
        break;
      case closeList:
      case closeObject:
        if (depth === elementDepth && cutAt !== -1) {
          kept.push(body.subarray(keptUpTo, cutAt), Buffer.from(`,${String(elementCount - maxElements)}`));
          keptUpTo = at;
          cutAt = -1;
        }
        depth -= 1;
        break;
      case comma:
        if (cutAt === -1) valueCount += 1;
        if (depth !== elementDepth || !isInList) break;
        elementCount += 1;
        if (elementCount === maxElements + 1) cutAt = at;
        break;
    }
    if (valueCount > maxValues) return undefined;
  }
  // A list without an end: what stands before the cut is no JSON either, and not parsed for long.
  if (cutAt !== -1) return body.subarray(0, cutAt);
  return keptUpTo === 0 ? body : Buffer.concat([...kept, body.subarray(keptUpTo)]);
}

/** @returns where the closing quote of the text stands that opens at `start`; the last byte if it lacks one */
function endOfText(body: Buffer, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = body.indexOf(quote, at);
    if (at === -1) return body.length - 1;
    let backslashCount = 0;
    while (body[at - 1 - backslashCount] === backslash) backslashCount += 1;
    if (backslashCount % 2 === 0) return at;
  }
}

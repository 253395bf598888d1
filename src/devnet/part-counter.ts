/** Finds a file in a multipart upload as it streams by, and counts its bytes without holding them. */

import { boundaryOf, fileNameIn } from "./multipart.js";

export interface CountedPart {
  /** As the part's head states it, path and all. */
  readonly fileName: string;
  /** Of its content, as far as it came. */
  readonly bytes: number;
}

export interface PartCounter {
  push(chunk: Buffer): void;
  /** The first file part of that name; undefined while its head has not come. */
  part(): CountedPart | undefined;
  /** Whether the closing boundary has come: a form that breaks off before it is refused. */
  isClosed(): boolean;
}

/** A head longer than this is none: what else would have to be held is not bounded. */
const longestHeadBytes = 16 * 1024;

const lineEnd = Buffer.from("\r\n");
const headEnd = Buffer.from("\r\n\r\n");

type State = "preamble" | "delimiter" | "head" | "content" | "closed" | "broken";

/** How much of the bytes a step uses, and what comes next; it uses nothing while it needs more of them. */
type Step = (bytes: Buffer) => { readonly used: number; readonly next: State };

/** @param contentType of the request; one without a boundary makes every body a broken one */
export function createPartCounter(contentType: string | undefined, partName: string): PartCounter {
  const boundary = boundaryOf(contentType);
  const opening = Buffer.from(`--${boundary ?? ""}`);
  const separator = Buffer.concat([lineEnd, opening]);
  let state: State = boundary === undefined ? "broken" : "preamble";
  let held: Buffer = Buffer.alloc(0);
  let fileName: string | undefined;
  let contentBytes = 0;
  let isCounting = false;

  const steps: Record<State, Step> = {
    preamble: (bytes) => {
      const found = bytes.indexOf(opening);
      if (found === -1) return { used: Math.max(0, bytes.length - opening.length + 1), next: "preamble" };
      return { used: found + opening.length, next: "delimiter" };
    },
    delimiter: (bytes) => {
      if (bytes.length < 2) return { used: 0, next: "delimiter" };
      const isLast = bytes.toString("latin1", 0, 2) === "--";
      // The line end stays: together with the next one it ends a head without lines.
      return isLast ? { used: 2, next: "closed" } : { used: 0, next: "head" };
    },
    head: (bytes) => {
      const found = bytes.indexOf(headEnd);
      if (found === -1) return { used: 0, next: bytes.length > longestHeadBytes ? "broken" : "head" };
      const name = fileNameIn(bytes.toString("utf8", 0, found), partName);
      isCounting = fileName === undefined && name !== undefined;
      fileName ??= name;
      // The line end before an empty content is the boundary's as well. It stays, and its bytes do not count.
      if (isCounting) contentBytes = -lineEnd.length;
      return { used: found + lineEnd.length, next: "content" };
    },
    content: (bytes) => {
      const found = bytes.indexOf(separator);
      const content = found === -1 ? bytes.length - beginningAtEnd(bytes, separator) : found;
      if (isCounting) contentBytes += content;
      return found === -1
        ? { used: content, next: "content" }
        : { used: content + separator.length, next: "delimiter" };
    },
    closed: (bytes) => ({ used: bytes.length, next: "closed" }),
    broken: (bytes) => ({ used: bytes.length, next: "broken" }),
  };

  return {
    push: (chunk) => {
      let rest = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      while (rest.length > 0) {
        const { used, next } = steps[state](rest);
        if (used === 0 && next === state) break;
        [rest, state] = [rest.subarray(used), next];
      }
      // A copy, so that a few bytes do not keep a whole chunk alive.
      held = Buffer.from(rest);
    },
    part: () => (fileName === undefined ? undefined : { fileName, bytes: Math.max(0, contentBytes) }),
    isClosed: () => state === "closed",
  };
}

/** How many of the last bytes may be the beginning of the separator. */
function beginningAtEnd(bytes: Buffer, separator: Buffer): number {
  for (let length = Math.min(separator.length - 1, bytes.length); length > 0; length--) {
    if (separator.subarray(0, length).equals(bytes.subarray(bytes.length - length))) return length;
  }
  return 0;
}

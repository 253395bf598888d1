import { randomUUID } from "node:crypto";
import type { Revision } from "./contract.js";

/**
 * Makes what tells a commit from another one of its number: 16 hexadecimal digits, 62 bits of them random.
 *
 * `randomUUID` keeps random bytes in store. To ask for eight of them each time costs a commit a tenth of its time.
 */
export function makeNonce(): string {
  const uuid = randomUUID();
  return uuid.slice(19, 23) + uuid.slice(24);
}

/** Makes the revision of the commit `number`. */
export function makeRevision(number: number): Revision {
  return `${number}-${makeNonce()}`;
}

/** Reads which commit a revision is; NaN if it is none of ours. */
export function numberOfRevision(revision: Revision): number {
  const digits = /^(\d{1,15})-[0-9a-f]{16}$/.exec(revision)?.[1];
  return digits === undefined ? Number.NaN : Number(digits);
}

import { randomBytes } from "node:crypto";
import type { Revision } from "./contract.js";

/** Makes the revision of the commit `number`; the nonce tells it from another commit of that number. */
export function makeRevision(number: number): Revision {
  return `${number}-${randomBytes(8).toString("hex")}`;
}

/** Reads which commit a revision is; NaN if it is none of ours. */
export function numberOfRevision(revision: Revision): number {
  const digits = /^(\d{1,15})-[0-9a-f]{16}$/.exec(revision)?.[1];
  return digits === undefined ? Number.NaN : Number(digits);
}

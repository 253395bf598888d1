/** The invariants of the state, as one list. */
import type { Check, Evidence, Violation } from "../evidence.js";
import { checkNoLostCreates, checkOneCreatePerRequest } from "./creates.js";
import { checkFiles } from "./files.js";
import { checkLeftovers, checkOneOwner, checkSecrets } from "./house.js";
import { checkMembers, checkWholeRecords } from "./records.js";
import { checkRemovals } from "./removals.js";
import { checkWatches } from "./watches.js";

const checks: readonly Check[] = [
  checkNoLostCreates,
  checkOneCreatePerRequest,
  checkRemovals,
  checkMembers,
  checkFiles,
  checkWatches,
  checkWholeRecords,
  checkOneOwner,
  checkSecrets,
  checkLeftovers,
];

/** Every violation of every invariant. */
export const violationsIn = (evidence: Evidence): readonly Violation[] =>
  checks.flatMap((check) => check(evidence));

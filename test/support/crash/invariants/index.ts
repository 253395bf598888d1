/** The invariants of the state, as one list. */
import type { Check, Evidence, Violation } from "../evidence.js";
import { checkNoLostCreates, checkOneCreatePerRequest } from "./creates.js";
import { checkFiles } from "./files.js";
import { checkLeftovers, checkOneOwner, checkSecrets } from "./house.js";
import { checkJournal } from "./journal.js";
import { checkExplainedRecords, checkMembers, checkWholeRecords } from "./records.js";
import { checkRemovals } from "./removals.js";
import { checkShown } from "./shown.js";
import { checkNoRepeatedCommit, checkWatches } from "./watches.js";

const checks: readonly Check[] = [
  checkNoLostCreates,
  checkJournal,
  checkOneCreatePerRequest,
  checkRemovals,
  checkMembers,
  checkFiles,
  checkNoRepeatedCommit,
  checkWatches,
  checkExplainedRecords,
  checkWholeRecords,
  checkOneOwner,
  checkSecrets,
  checkLeftovers,
  checkShown,
];

/** Every violation of every invariant. */
export const violationsIn = (evidence: Evidence): readonly Violation[] =>
  checks.flatMap((check) => check(evidence));

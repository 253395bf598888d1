/** I1: an id that is in the local journal before the state has it is not forgotten by either. */
import { type Check, type Evidence, type Violation } from "../evidence.js";
import { askedForgotten } from "./calls.js";

export const checkJournal: Check = (evidence) => [...lost(evidence)];

function* lost(evidence: Evidence): Generator<Violation> {
  const { journal, moment, records } = evidence;
  if (journal === undefined) return;
  if (moment === "killed") {
    if (journal.lacksOne)
      yield { invariant: "I1", what: "the local journal lost the id that it had just taken" };
    return;
  }
  const forgotten = askedForgotten(evidence);
  for (const key of journal.open) {
    if (!records.has(`c/${key}`) && !records.has(`t/${key}`) && !forgotten.has(key))
      yield { invariant: "I1", what: `${key} stood in the local journal, and is not tracked` };
  }
}

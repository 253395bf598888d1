/** What a creation is answered with, the first time and again. */
import { parseDockerVm } from "../peer-api/docker-vm.js";
import type { Container, CreateResult } from "./contract.js";
import { imageNotOffered, outcomeUnknown, refused, rolledBack } from "./create-errors.js";
import { ContainerError } from "./errors.js";
import { intentName, nameOfKey } from "./names.js";
import type { OutcomeRecord } from "./records.js";
import { notTracked } from "./remove-errors.js";
import { showAccess, showContainer, showSubject } from "./show.js";
import type { TrackedState } from "./tracked-state.js";

/** Answers a repeated request id as its first call was answered. @throws {ContainerError} */
export function settledAnswer(
  state: TrackedState,
  outcome: Exclude<OutcomeRecord, { kind: "running" }>,
): CreateResult {
  switch (outcome.kind) {
    case "tracked":
      return shownResult(state, outcome.container, true);
    case "unknown": {
      const intent = state.get("intent", outcome.intent);
      if (intent !== undefined) throw outcomeUnknown(intent, "no readable answer came to the first call");
      throw new ContainerError("CREATE_OUTCOME_UNKNOWN", "nobody knew, and it has been forgotten since", {
        metadata: { intent: outcome.intent },
      });
    }
    case "refused": {
      if (outcome.image !== undefined && outcome.image !== "") throw imageNotOffered(outcome.image);
      const intent = state.get("intent", outcome.intent);
      throw refused(
        outcome.httpStatus,
        intent === undefined ? outcome.intent || undefined : intentName(intent.address, intent.id),
      );
    }
    case "rolledBack":
      throw rolledBack(nameOfKey(outcome.container), outcome.httpStatus);
    case "group":
      throw new ContainerError("REQUEST_ID_REUSED", "request_id was used for another kind of call", {
        field: "request_id",
      });
  }
}

/** Shows the container that was made, or how it ended since. @throws {ContainerError} CONTAINER_NOT_TRACKED */
export function shownResult(state: TrackedState, key: string, isReplayed: boolean): CreateResult {
  const record = state.get("container", key);
  const container: Container | undefined =
    showContainer(state, key, state.seenTimeMs(key)) ??
    showSubject(state, { kind: "tombstone", subject: key });
  if (container === undefined) throw notTracked(nameOfKey(key));
  const described = parseDockerVm(state.get("secret", key)?.dockerVm);
  const access = record === undefined ? undefined : showAccess(record, described);
  return { container, access, isReplayed };
}

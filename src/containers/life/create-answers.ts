/** What a creation is answered with, the first time and again. */
import type { PeerAddress } from "../../peer-api/contract.js";
import { parseDockerVm } from "../../peer-api/docker-vm.js";
import type { Container, CreateResult, StateReason } from "../contract.js";
import { imageNotOffered, notRolledBack, outcomeUnknown, refused, rolledBack } from "./create-errors.js";
import { ContainerError } from "../errors.js";
import { intentName, nameOfKey } from "../names.js";
import type { OutcomeRecord, RequestRecord } from "../records.js";
import type { ChangeDeps } from "../change.js";
import { unlessAway } from "../sharing/away.js";
import { untilShown } from "../sharing/until-shown.js";
import { notTracked } from "./remove-errors.js";
import { showAccess, showContainer, showSubject } from "../show.js";
import type { TrackedState } from "../tracked-state.js";

/** Its node has said so. One that was forgotten, or taken out of a file, may go on running. */
const confirmedEnds: ReadonlySet<StateReason> = new Set(["ROLLED_BACK", "NODE_CONFIRMED", "CALLER_GONE"]);

/** Whether the first call with a request id has not come to its end yet. */
export function isUnderWay(state: TrackedState, outcome: OutcomeRecord): boolean {
  if (outcome.kind !== "rollingBack") return outcome.kind === "running";
  return state.get("container", outcome.container)?.state === "REMOVING";
}

/**
 * Answers a repeated request id as its first call was answered, whatever has become of it since.
 *
 * @param address of the node, which was the first call's too
 * @throws {ContainerError}
 */
export function settledAnswer(
  state: TrackedState,
  outcome: Exclude<OutcomeRecord, { kind: "running" }>,
  address: PeerAddress,
): CreateResult {
  switch (outcome.kind) {
    case "tracked":
      return shownResult(state, outcome.container, true);
    case "unknown":
      throw outcomeUnknown({ id: outcome.intent, address }, "no readable answer came to the first call");
    case "refused": {
      const { httpStatus, intent, image = "" } = outcome;
      if (image !== "") throw imageNotOffered(image);
      throw refused(httpStatus, intent === "" ? undefined : intentName(address, intent));
    }
    case "rollingBack": {
      const end = state.get("tombstone", outcome.container)?.reason ?? "";
      const isGone = state.get("container", outcome.container) === undefined && confirmedEnds.has(end);
      throw (isGone ? rolledBack : notRolledBack)(nameOfKey(outcome.container), outcome.httpStatus);
    }
    case "rolledBack":
      throw rolledBack(nameOfKey(outcome.container), outcome.httpStatus);
    case "notRolledBack":
      throw notRolledBack(nameOfKey(outcome.container), outcome.httpStatus);
    case "group":
    case "run":
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

/**
 * Waits for the outcome of a creation that another gateway has under way.
 *
 * @returns NEVER_ASKED: it ended before its node was asked
 * @throws {StoreError} STATE_STORE_UNAVAILABLE: the store stays away; {ContainerError} DRAINING; the signal's reason
 */
export async function untilSettled(
  deps: Pick<ChangeDeps, "state" | "clock"> & { readonly stopping: AbortSignal },
  requestId: string,
  signal: AbortSignal,
): Promise<RequestRecord | "NEVER_ASKED"> {
  const { state, stopping } = deps;
  const read = (): RequestRecord | "NEVER_ASKED" | undefined => {
    const request = state.get("request", requestId);
    if (request === undefined) return "NEVER_ASKED";
    return isUnderWay(state, request.outcome) ? undefined : request;
  };
  return await unlessAway(
    deps,
    "the state cannot be reached, and another gateway carries the creation out: repeat the request_id",
    (away) => untilShown(state, read, stopping, AbortSignal.any([signal, away])),
  );
}

/** What each answer of a node does to the intent that was written before it was asked. Pure plans. */
import type { NodeContainer, StartAnswer } from "../../peer-api/contract.js";
import { isContainerId } from "../../peer-api/docker-vm.js";
import type { Draft } from "../change.js";
import type { StateReason } from "../contract.js";
import { imageNotOffered, outcomeUnknown, refused } from "./create-errors.js";
import { ContainerError } from "../errors.js";
import { containerLimits } from "../limits.js";
import { enterGroup } from "../membership.js";
import { containerKey, intentName } from "../names.js";
import {
  type ContainerRecord,
  type IntentRecord,
  nextLife,
  type OutcomeRecord,
  type RequestRecord,
} from "../records.js";

/**
 * Writes down what is about to be asked.
 *
 * @returns what an earlier call with the same request id left; then nothing is written
 * @throws {ContainerError} REQUEST_ID_REUSED
 */
export function begin(
  draft: Draft,
  intent: IntentRecord,
  argumentsHash: string,
  nowMs: number,
): RequestRecord | undefined {
  const { requestId } = intent;
  if (requestId !== "") {
    const earlier = earlierRequest(draft.get("request", requestId), argumentsHash, nowMs);
    if (earlier !== undefined) return earlier;
    draft.put("request", requestId, {
      argumentsHash,
      expireTimeMs: nowMs + containerLimits.requestIdKeptMs,
      outcome: { kind: "running", intent: intent.id },
    });
  }
  draft.put("intent", intent.id, intent);
  return undefined;
}

/** No answer came, or none that can be read. @returns what to throw */
export function settleUnanswered(draft: Draft, intent: IntentRecord, error: unknown): unknown {
  const { wasSent } = error as { wasSent?: unknown };
  // Only what is certain: nothing was sent. A fault of our own may have come up while the answer was read.
  if (wasSent !== false) {
    leaveUnknown(draft, intent, "CREATE_OUTCOME_UNKNOWN");
    return outcomeUnknown(intent, "the request was sent, and no readable answer came", error);
  }
  draft.delete("intent", intent.id);
  // It never reached the node: the same request id may try again.
  if (requestOf(draft, intent) !== undefined) draft.delete("request", intent.requestId);
  return error;
}

/** The node refused and named no container. @returns what to throw */
export function settleRefused(
  draft: Draft,
  intent: IntentRecord,
  { httpStatus, mayRun, isImageUnknown }: Extract<StartAnswer, { kind: "refused" }>,
): ContainerError {
  if (mayRun) {
    listAsUnknown(draft, intent, "NODE_REFUSED_REQUEST");
    noteOutcome(draft, intent, { kind: "refused", httpStatus, intent: intent.id });
    return refused(httpStatus, intentName(intent.address, intent.id));
  }
  draft.delete("intent", intent.id);
  const image = isImageUnknown ? intent.spec.image : "";
  noteOutcome(draft, intent, { kind: "refused", httpStatus, intent: "", image });
  return image === "" ? refused(httpStatus, undefined) : imageNotOffered(image);
}

/** A creation that the node made with an error, and that its caller does not want to keep. */
export interface RollBack {
  readonly httpStatus: number;
  /** The gateway that removes the container again. */
  readonly owner: string;
}

/**
 * The node named a container: it is tracked from now on. Once written down it stays as it is, even if it was removed since.
 *
 * @param rollBack its removal begins with it: nobody takes a container that is about to go for one that was made
 * @returns undefined if the id is another container's: the intent stays, as nobody knows which one this is
 */
export function settleCreated(
  draft: Draft,
  intent: IntentRecord,
  described: NodeContainer,
  reason: StateReason,
  rollBack?: RollBack,
): ContainerRecord | undefined {
  const { address, isAsTyped, spec, group, createTimeMs } = intent;
  const { id, ports, sshUsername } = described;
  const key = containerKey(address, id);
  const known = writtenBefore(draft, intent, key);
  if (known !== undefined) {
    closeSettled(draft, intent, key);
    return known;
  }
  if (!isContainerId(id) || draft.get("container", key) !== undefined) {
    leaveUnknown(draft, intent, "DUPLICATE_ID");
    return undefined;
  }
  const tombstone = draft.get("tombstone", key);
  const record: ContainerRecord = {
    address,
    id,
    isAsTyped,
    spec,
    ...(rollBack === undefined
      ? { state: "TRACKED" }
      : { state: "REMOVING", owner: rollBack.owner, before: { state: "TRACKED", reason } }),
    reason,
    ports,
    sshUsername,
    createTimeMs,
    isReachable: true,
    lastSeenTimeMs: null,
    intent: intent.id,
    ...nextLife(tombstone),
  };
  draft.put("container", key, record);
  draft.put("secret", key, { dockerVm: described.raw as never, ipAddressText: "" });
  if (tombstone !== undefined) draft.delete("tombstone", key);
  // The group may have ended or filled up while the node was building.
  if (group !== "") enterGroup(draft, group, [{ key, address, id }], "skip");
  draft.delete("intent", intent.id);
  const outcome = { container: key, httpStatus: rollBack?.httpStatus ?? 0 };
  noteOutcome(
    draft,
    intent,
    rollBack === undefined ? { kind: "tracked", container: key } : { kind: "rollingBack", ...outcome },
  );
  return record;
}

/**
 * Closes an intent beside the container that came of it: a state that was lost and brought back may have both.
 *
 * @param key of the container, tracked or removed since
 */
export function closeSettled(draft: Draft, intent: IntentRecord, key: string): void {
  if (draft.get("intent", intent.id) !== undefined) draft.delete("intent", intent.id);
  if (requestOf(draft, intent) !== undefined) noteOutcome(draft, intent, { kind: "tracked", container: key });
}

/** The answer to our commit may have been lost: then the container that the node named is this very creation's. */
function writtenBefore(draft: Draft, intent: IntentRecord, key: string): ContainerRecord | undefined {
  const record = draft.get("container", key) ?? draft.get("tombstone", key)?.container;
  if (record?.intent !== undefined) return record.intent === intent.id ? record : undefined;
  // Of an earlier version, which did not name it.
  const isClosed = draft.get("intent", intent.id) === undefined;
  return isClosed && record?.createTimeMs === intent.createTimeMs ? record : undefined;
}

/** One that is gone by now was shown as UNKNOWN by another gateway, and a caller has closed it: it stays closed. */
function listAsUnknown(draft: Draft, intent: IntentRecord, reason: StateReason): void {
  if (draft.get("intent", intent.id) !== undefined)
    draft.put("intent", intent.id, { ...intent, state: "UNKNOWN", reason });
}

function leaveUnknown(draft: Draft, intent: IntentRecord, reason: StateReason): void {
  listAsUnknown(draft, intent, reason);
  noteOutcome(draft, intent, { kind: "unknown", intent: intent.id, reason });
}

/** Keeps the answer for those who repeat the request id. */
export function noteOutcome(draft: Draft, intent: IntentRecord, outcome: OutcomeRecord): void {
  const container = "container" in outcome ? outcome.container : undefined;
  const request = requestOf(draft, intent, container);
  if (request !== undefined) draft.put("request", intent.requestId, { ...request, outcome });
}

/**
 * Finds what is kept under a creation's request id, if it is still this creation's: a node may take longer than the id is
 * kept, and another call have it by then.
 *
 * @param container what came of the creation, as far as it is known
 */
export function requestOf(
  draft: Draft,
  { id, requestId }: Pick<IntentRecord, "id" | "requestId">,
  container?: string,
): RequestRecord | undefined {
  const request = requestId === "" ? undefined : draft.get("request", requestId);
  if (request === undefined) return undefined;
  const { outcome } = request;
  const isOwn =
    "intent" in outcome ? outcome.intent === id : "container" in outcome && outcome.container === container;
  return isOwn ? request : undefined;
}

/**
 * Judges what is kept under a request id.
 *
 * @returns undefined: nothing that counts any more
 * @throws {ContainerError} REQUEST_ID_REUSED
 */
export function earlierRequest(
  known: RequestRecord | undefined,
  argumentsHash: string,
  nowMs: number,
): RequestRecord | undefined {
  if (known === undefined || known.expireTimeMs <= nowMs) return undefined;
  requireSame(known, argumentsHash);
  return known;
}

/** @throws {ContainerError} REQUEST_ID_REUSED */
export function requireSame(existing: RequestRecord, argumentsHash: string): void {
  if (existing.argumentsHash === argumentsHash) return;
  throw new ContainerError("REQUEST_ID_REUSED", "request_id was used within 24 hours with other arguments", {
    field: "request_id",
  });
}

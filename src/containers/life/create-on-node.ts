import type { Logger } from "../../observability/logger.js";
import type { ContainerOrder, StartAnswer } from "../../peer-api/contract.js";
import { failpoint } from "../../system/failpoint.js";
import type { ChangeDeps, Draft } from "../change.js";
import type { CreateResult } from "../contract.js";
import type { ContainerError } from "../errors.js";
import { containerKey, nameOfKey } from "../names.js";
import type { IntentRecord, OutcomeRecord } from "../records.js";
import type { Owners } from "../sharing/owners.js";
import type { SeenJournal } from "../sharing/seen-journal.js";
import { shownResult } from "./create-answers.js";
import { notRolledBack, outcomeUnknown, rolledBack } from "./create-errors.js";
import { noteOutcome, settleCreated, settleRefused, settleUnanswered } from "./intents.js";
import type { NodeCalls } from "./node-calls.js";
import { commitOutcome } from "./outcome.js";
import type { Removals } from "./removals.js";

export interface CreateOnNodeDeps extends ChangeDeps {
  readonly calls: NodeCalls;
  readonly removals: Removals;
  readonly owners: Owners;
  readonly journal: SeenJournal;
  readonly logger: Logger;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  /** Aborted when the gateway stops. */
  readonly stopping: AbortSignal;
}

export interface BegunCreation {
  /** On the disk already. */
  readonly intent: IntentRecord;
  readonly order: ContainerOrder;
  readonly keepsOnNodeError: boolean;
  /** Whether nobody is left who could know the container. */
  readonly isUnknowable: () => boolean;
  /** Ends the wait of callers while the disk does not take the outcome. */
  readonly tellEarly: (error: Error) => void;
}

/**
 * Asks the node, once, and writes down what came of it.
 *
 * @throws {ContainerError}, {PeerError} what came of it; {StoreError} the gateway stopped before that was written down
 */
export async function createOnNode(
  deps: CreateOnNodeDeps,
  { intent, order, keepsOnNodeError, isUnknowable, tellEarly }: BegunCreation,
): Promise<CreateResult> {
  const { calls, clock, gatewayId, journal, logger, owners, removals, stopping } = deps;
  const settle = async <T>(plan: (draft: Draft) => T): Promise<T> =>
    await commitOutcome(deps, plan, stopping, tellEarly);
  let answer: StartAnswer;
  failpoint("create.asking");
  try {
    answer = await calls.start(intent, order);
  } catch (error) {
    const failure = await settle((draft) => settleUnanswered(draft, intent, error));
    failpoint("create.unanswered");
    throw failure;
  }
  failpoint("create.answered");
  if (answer.kind === "refused") {
    const refusal = answer;
    const failure = await settle((draft) => settleRefused(draft, intent, refusal));
    failpoint("create.refused");
    throw failure;
  }
  const { container: described } = answer;
  const errorStatus = answer.kind === "createdWithError" ? answer.httpStatus : undefined;
  const reason = errorStatus === undefined ? "" : "CREATED_WITH_ERROR";
  await journal.note({ intent, described, reason, timeMs: clock.nowMs() });
  failpoint("create.seen");
  const key = containerKey(intent.address, described.id);
  const rollBack =
    errorStatus === undefined || keepsOnNodeError
      ? undefined
      : {
          httpStatus: errorStatus,
          owner: gatewayId,
          hold: owners.hold({ kind: "container", subject: key }),
        };
  try {
    const record = await settle((draft) => settleCreated(draft, intent, described, reason, rollBack));
    failpoint("create.settled");
    if (record === undefined) journal.forget(intent.id);
    else journal.told(intent.id);
    failpoint("create.tracked");
    if (record === undefined)
      throw outcomeUnknown(intent, "the node named an id that another of its containers has");
    if (rollBack !== undefined) throw await rollBackOnNode(deps, intent, key, rollBack.httpStatus);
  } finally {
    rollBack?.hold.release();
  }
  if (isUnknowable()) {
    logger.warn({ container: nameOfKey(key) }, "its caller left: container removed again");
    failpoint("create.abandoned");
    await removals.removeTracked(key, "CALLER_GONE");
  }
  return shownResult(deps.state, key, false);
}

/** Removes again what the caller does not want to keep. @returns what to throw */
async function rollBackOnNode(
  deps: CreateOnNodeDeps,
  intent: IntentRecord,
  key: string,
  httpStatus: number,
): Promise<ContainerError> {
  const name = nameOfKey(key);
  const note = async (kind: "rolledBack" | "notRolledBack"): Promise<void> => {
    const outcome: OutcomeRecord = { kind, container: key, httpStatus };
    await commitOutcome(deps, (draft) => noteOutcome(draft, intent, outcome), deps.stopping);
  };
  try {
    await deps.removals.removeTracked(key, "ROLLED_BACK");
  } catch (error) {
    await note("notRolledBack");
    return notRolledBack(name, httpStatus, error);
  }
  failpoint("create.rolledBack");
  await note("rolledBack");
  return rolledBack(name, httpStatus);
}

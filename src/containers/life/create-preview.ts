/** `validate_only`: what a creation would be answered with, without asking, writing or waiting. */
import { catchUp, type ChangeDeps, readNewest } from "../change.js";
import type { CreateResult } from "../contract.js";
import { requireGroup } from "../membership.js";
import type { IntentRecord, RequestRecord } from "../records.js";
import { showContainer, showIntent } from "../show.js";
import type { TrackedState } from "../tracked-state.js";
import { isUnderWay, settledAnswer } from "./create-answers.js";
import { earlierRequest } from "./intents.js";

/**
 * Shows what would be asked for; of a request id that was used, what its first call was, or is about to be, answered.
 *
 * @param intent as the creation would begin
 * @throws what the creation would throw; {StoreError}: nobody can tell whether the request id was used
 */
export async function previewCreate(
  deps: Pick<ChangeDeps, "store" | "state" | "clock">,
  intent: IntentRecord,
  argumentsHash: string,
): Promise<CreateResult> {
  const { state, clock } = deps;
  // Another gateway may have begun it a moment ago.
  if (intent.requestId !== "") await catchUp(deps);
  return await readNewest(deps, () => {
    const known = intent.requestId === "" ? undefined : state.get("request", intent.requestId);
    const earlier = earlierRequest(known, argumentsHash, clock.nowMs());
    const answer = earlier === undefined ? undefined : answerOf(state, earlier, intent);
    if (answer !== undefined) return { ...answer, access: undefined, isReplayed: true };
    requireGroup(state, intent.group);
    const container = { ...showIntent({ ...intent, createTimeMs: 0 }), name: "", etag: "" };
    return { container, access: undefined, isReplayed: false };
  });
}

/** @returns undefined: the first call ended before its node was asked */
function answerOf(
  state: TrackedState,
  { outcome }: RequestRecord,
  { address }: IntentRecord,
): Pick<CreateResult, "container"> | undefined {
  if (outcome.kind !== "running" && !isUnderWay(state, outcome))
    return settledAnswer(state, outcome, address);
  if (outcome.kind === "rollingBack") {
    const container = showContainer(state, outcome.container);
    return container === undefined ? undefined : { container };
  }
  const begun = outcome.kind === "running" ? state.get("intent", outcome.intent) : undefined;
  return begun === undefined ? undefined : { container: showIntent(begun) };
}

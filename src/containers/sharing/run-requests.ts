/** Request ids of plugin runs: what came of a run is told by its gateway alone, and no other one may run it again. */
import { change, type ChangeDeps } from "../change.js";
import { earlierRequest } from "../life/intents.js";
import { containerLimits } from "../limits.js";
import type { RequestRecord } from "../records.js";

export interface RunRequestDeps extends ChangeDeps {
  readonly gatewayId: string;
  /** Whether a gateway was an earlier one on this base folder. */
  readonly isOwnerGone: (owner: string) => boolean;
}

/** Apart from those of creations and groups: no request id has a slash. */
const subjectOf = (requestId: string): string => `run/${requestId}`;

/**
 * Takes a request id for a run on this gateway, for 24 hours.
 *
 * @param validateOnly only tells, as far as the state shows
 * @returns false: another gateway that shares the state has it
 * @throws {ContainerError} REQUEST_ID_REUSED
 */
export async function takeRunRequest(
  deps: RunRequestDeps,
  requestId: string,
  argumentsHash: string,
  validateOnly = false,
): Promise<boolean> {
  return await change(deps, (draft) => {
    const nowMs = deps.clock.nowMs();
    const subject = subjectOf(requestId);
    const earlier = earlierRequest(draft.get("request", subject), argumentsHash, nowMs);
    if (earlier !== undefined) return isOurs(deps, earlier);
    const expireTimeMs = nowMs + containerLimits.requestIdKeptMs;
    const outcome = { kind: "run", gateway: deps.gatewayId } as const;
    if (!validateOnly) draft.put("request", subject, { argumentsHash, expireTimeMs, outcome });
    return true;
  });
}

/** Gives back the request id of a run that never began. */
export async function freeRunRequest(deps: RunRequestDeps, requestId: string): Promise<void> {
  const subject = subjectOf(requestId);
  await change(deps, (draft) => {
    const request = draft.get("request", subject);
    if (request !== undefined && isOurs(deps, request)) draft.delete("request", subject);
  });
}

const isOurs = ({ gatewayId, isOwnerGone }: RunRequestDeps, { outcome }: RequestRecord): boolean =>
  outcome.kind === "run" && (outcome.gateway === gatewayId || isOwnerGone(outcome.gateway));

import { failpoint } from "../system/failpoint.js";
import { change, type ChangeDeps } from "./change.js";
import { containerLimits } from "./limits.js";
import { keyOfRecord } from "./show.js";

/** Records put right by one commit. */
const batch = 200;

/**
 * Settles what a gateway left half-done when it ended: a creation that was asked for and has no outcome is UNKNOWN, a
 * removal without one has failed. Neither is ever asked for again by us.
 *
 * @param isOwnerGone whether the gateway of that name does not run any more
 */
export async function settleUnfinished(
  deps: ChangeDeps,
  isOwnerGone: (owner: string) => boolean,
): Promise<void> {
  const { state } = deps;
  const intents = [...state.all("intent")].filter(
    ({ state: stage, owner }) => stage === "PENDING" && isOwnerGone(owner),
  );
  for (const some of slices(intents)) {
    await change(deps, (draft) => {
      for (const { id } of some) {
        const intent = draft.get("intent", id);
        if (intent?.state !== "PENDING") continue;
        draft.put("intent", id, { ...intent, state: "UNKNOWN", reason: "CREATE_OUTCOME_UNKNOWN" });
        const request = intent.requestId === "" ? undefined : draft.get("request", intent.requestId);
        if (request?.outcome.kind !== "running") continue;
        draft.put("request", intent.requestId, {
          ...request,
          outcome: { kind: "unknown", intent: id, reason: "CREATE_OUTCOME_UNKNOWN" },
        });
      }
    });
    failpoint("recovery.intents");
  }
  const removing = [...state.all("container")].filter(({ state: stage }) => stage === "REMOVING");
  for (const some of slices(removing)) {
    await change(deps, (draft) => {
      for (const record of some) {
        const key = keyOfRecord(record);
        const current = draft.get("container", key);
        if (current?.state !== "REMOVING") continue;
        draft.put("container", key, { ...current, state: "REMOVE_FAILED", reason: "REMOVE_OUTCOME_UNKNOWN" });
      }
    });
    failpoint("recovery.removals");
  }
}

/** Clears away answers and tombstones whose time is over. */
export async function sweep(deps: ChangeDeps): Promise<void> {
  const { state, clock } = deps;
  const nowMs = clock.nowMs();
  const expired = [...state.named("request")].filter(
    ([, { expireTimeMs, outcome }]) => expireTimeMs <= nowMs && outcome.kind !== "running",
  );
  for (const some of slices(expired)) {
    await change(deps, (draft) => {
      for (const [id] of some) {
        const request = draft.get("request", id);
        if (request !== undefined && request.expireTimeMs <= nowMs) draft.delete("request", id);
      }
    });
  }
  const tombstones = [...state.all("tombstone")].sort((a, b) => b.removeTimeMs - a.removeTimeMs);
  const old = tombstones.filter(
    ({ removeTimeMs }, index) =>
      index >= containerLimits.maxTombstones || removeTimeMs + containerLimits.tombstoneKeptMs <= nowMs,
  );
  for (const some of slices(old)) {
    await change(deps, (draft) => {
      for (const { container } of some) draft.delete("tombstone", keyOfRecord(container));
    });
  }
}

function slices<T>(all: readonly T[]): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(all.length / batch) }, (_, index) =>
    all.slice(index * batch, (index + 1) * batch),
  );
}

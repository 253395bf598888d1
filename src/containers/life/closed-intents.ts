import { change, type ChangeDeps } from "../change.js";
import type { Container, RemoveRequest, RemoveResult } from "../contract.js";
import { ContainerError } from "../errors.js";
import { isAt } from "../lookup.js";
import { intentName, type TypedContainer } from "../names.js";
import { showIntent } from "../show.js";
import { failpoint } from "../../system/failpoint.js";
import { notTracked } from "./remove-errors.js";
import { requireEtag } from "./untrack.js";

/** Closes a container whose id is not known: nobody asks its node. @throws {ContainerError} */
export async function closeIntent(
  deps: ChangeDeps,
  typed: TypedContainer,
  { forgetOnly, etag, container: name }: RemoveRequest,
): Promise<RemoveResult> {
  const closed = await change(deps, (draft) => {
    const intent = draft.get("intent", typed.id);
    if (intent === undefined || !isAt(intent.address, typed)) throw notTracked(name);
    const { id } = intent;
    const shown = showIntent(intent);
    requireEtag(shown, etag);
    if (!forgetOnly || intent.state === "PENDING") {
      const why =
        intent.state === "PENDING"
          ? "its node has not answered yet"
          : "its id is not known: forget_only closes it";
      throw new ContainerError("CONTAINER_UNRESOLVED", `the container cannot be removed: ${why}`, {
        metadata: { container: intentName(intent.address, id) },
      });
    }
    draft.delete("intent", id);
    const container: Container = {
      ...shown,
      state: "REMOVED",
      stateReason: "FORGOTTEN",
      removeTimeMs: deps.clock.nowMs(),
    };
    return { container, nodeMessage: "" };
  });
  failpoint("remove.closed");
  return closed;
}

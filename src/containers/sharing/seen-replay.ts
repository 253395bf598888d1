import type { Logger } from "../../observability/logger.js";
import { failpoint } from "../../system/failpoint.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { settleCreated } from "../life/intents.js";
import { containerKey } from "../names.js";
import { readKey } from "../records.js";
import type { TrackedState } from "../tracked-state.js";
import type { Seen, SeenJournal } from "./seen-journal.js";

/** Tells the state what nodes answered just before this gateway ended. @throws {StoreError} */
export async function replaySeen(
  deps: ChangeDeps & { readonly logger: Logger },
  journal: SeenJournal,
): Promise<void> {
  for (const seen of journal.left) {
    const isNews = await change(deps, (draft) => replay(draft, seen));
    failpoint("recovery.seen");
    if (isNews)
      deps.logger.warn({ intent: seen.intent.id }, "a container out of the local journal is tracked");
    journal.told(seen.intent.id);
  }
}

/**
 * Tracks a container that the state does not know of. Where the intent is gone, its outcome was written down before; only
 * if neither the container nor its removal is known has the state itself lost it.
 */
function replay(draft: Draft, { intent, described, reason }: Seen): boolean {
  const key = containerKey(intent.address, described.id);
  const isSettled =
    draft.get("intent", intent.id) === undefined &&
    (draft.get("container", key) !== undefined || draft.get("tombstone", key) !== undefined);
  if (isSettled) return false;
  settleCreated(draft, intent, described, reason);
  return true;
}

/** From now on, what is removed leaves the journal: it must not come back where the state loses its removal. */
export function forgetRemoved(state: TrackedState, journal: SeenJournal): void {
  state.subscribe((update) => {
    for (const { key, value } of update.kind === "changed" ? update.changeSet.changes : update.changes) {
      const known = value === undefined ? undefined : readKey(key);
      if (known?.kind === "tombstone") journal.forgetContainer(known.subject);
    }
  });
}

import { Slices } from "../../store/mirror/slices.js";
import type { Clock } from "../../system/clock.js";
import { failpoint } from "../../system/failpoint.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { containerLimits } from "../limits.js";
import { noteOutcome, requestOf } from "./intents.js";
import type { OpenWork, OpenWorkIndex } from "../sharing/open-work.js";
import { beforeRemoval, type ContainerRecord } from "../records.js";
import { keyOfRecord } from "../show.js";

/** Records put right by one commit, at most; and bytes of them, half of what a commit may hold. */
const batch = 200;
const batchBytes = 1024 * 1024;

/**
 * Settles what gateways left half-done when they ended: a creation that was asked for and has no outcome is UNKNOWN, a
 * removal without one has failed. Neither is ever asked for again by us.
 *
 * @param isOwnerGone whether the gateway of that name does not run any more
 */
export async function settleUnfinished(
  deps: ChangeDeps,
  open: OpenWorkIndex,
  isOwnerGone: (owner: string) => boolean,
): Promise<void> {
  for (const owner of open.owners) if (isOwnerGone(owner)) await settleWork(deps, open.of(owner), owner);
}

/** Settles what one gateway left half-done. */
export async function settleWork(deps: ChangeDeps, works: readonly OpenWork[], owner: string): Promise<void> {
  for (const kind of ["intent", "container"] as const) {
    const sizeOf = ({ subject }: OpenWork): number =>
      Buffer.byteLength(JSON.stringify(deps.state.get(kind, subject) ?? null));
    for (const some of slices(
      works.filter((work) => work.kind === kind),
      sizeOf,
    )) {
      await change(deps, (draft) => {
        for (const work of some) settleAsUnknown(draft, work, owner);
      });
      failpoint(kind === "intent" ? "recovery.intents" : "recovery.removals");
    }
  }
}

/** The node was asked, or may have been: what became of it nobody knows. */
export function settleAsUnknown(draft: Draft, { kind, subject }: OpenWork, owner: string): void {
  if (kind === "intent") {
    const intent = draft.get("intent", subject);
    if (intent?.state !== "PENDING" || intent.owner !== owner) return;
    draft.put("intent", subject, { ...intent, state: "UNKNOWN", reason: "CREATE_OUTCOME_UNKNOWN" });
    noteOutcome(draft, intent, { kind: "unknown", intent: subject, reason: "CREATE_OUTCOME_UNKNOWN" });
    return;
  }
  const container = removingBy(draft, subject, owner);
  if (container === undefined) return;
  const reason = "REMOVE_OUTCOME_UNKNOWN";
  draft.put("container", subject, { ...beforeRemoval(container), state: "REMOVE_FAILED", reason });
}

/** The node was not asked. */
export function takeBack(draft: Draft, { kind, subject }: OpenWork, owner: string): void {
  if (kind === "intent") {
    const intent = draft.get("intent", subject);
    if (intent?.owner !== owner) return;
    draft.delete("intent", subject);
    if (requestOf(draft, intent) !== undefined) draft.delete("request", intent.requestId);
    return;
  }
  const container = removingBy(draft, subject, owner);
  if (container !== undefined) draft.put("container", subject, beforeRemoval(container));
}

/** @returns undefined if that gateway does not remove it */
function removingBy(draft: Draft, key: string, owner: string): ContainerRecord | undefined {
  const current = draft.get("container", key);
  return current?.state === "REMOVING" && (current.owner ?? "") === owner ? current : undefined;
}

/** Clears away answers and tombstones whose time is over. */
export async function sweep(deps: ChangeDeps): Promise<void> {
  const { state, clock } = deps;
  const nowMs = clock.nowMs();
  const expired = await those(
    state.named("request"),
    ([, { expireTimeMs, outcome }]) => expireTimeMs <= nowMs && outcome.kind !== "running",
    clock,
  );
  for (const some of slices(expired)) {
    await change(deps, (draft) => {
      for (const [id] of some) {
        const request = draft.get("request", id);
        if (request !== undefined && request.expireTimeMs <= nowMs) draft.delete("request", id);
      }
    });
  }
  const old = outdated(
    await those(state.all("tombstone"), () => true, clock),
    ({ removeTimeMs }) => removeTimeMs,
    nowMs,
  );
  for (const some of slices(old)) {
    await change(deps, (draft) => {
      for (const { container, removeTimeMs } of some) {
        const key = keyOfRecord(container);
        // Not one of a later life that has ended meanwhile.
        if (draft.get("tombstone", key)?.removeTimeMs === removeTimeMs) draft.delete("tombstone", key);
      }
    });
  }
  const ended = outdated(
    await those(state.all("ended"), () => true, clock),
    ({ endTimeMs }) => endTimeMs,
    nowMs,
  );
  for (const some of slices(ended)) {
    await change(deps, (draft) => {
      for (const { id, endTimeMs } of some)
        if (draft.get("ended", id)?.endTimeMs === endTimeMs) draft.delete("ended", id);
    });
  }
}

/** Of what has ended: what is too old to be kept, and what is more than is kept. */
function outdated<T>(all: T[], endMsOf: (one: T) => number, nowMs: number): readonly T[] {
  const { maxTombstones, tombstoneKeptMs } = containerLimits;
  all.sort((a, b) => endMsOf(b) - endMsOf(a));
  return all.filter((one, index) => index >= maxTombstones || endMsOf(one) + tombstoneKeptMs <= nowMs);
}

/** Looks through all records of a kind, in slices: there may be a hundred thousand of them, and of others between them. */
async function those<T>(records: Iterable<T>, isWanted: (record: T) => boolean, clock: Clock): Promise<T[]> {
  const turn = new Slices(clock);
  const found: T[] = [];
  for (const record of records) {
    if (isWanted(record)) found.push(record);
    if (turn.isOver) await turn.rest();
  }
  return found;
}

/** @param sizeOf bytes that are written of each; absent = it is taken away */
function slices<T>(all: readonly T[], sizeOf: (one: T) => number = () => 0): readonly (readonly T[])[] {
  const parts: T[][] = [];
  let byteCount = 0;
  for (const one of all) {
    byteCount += sizeOf(one);
    const last = parts.at(-1);
    if (last === undefined || last.length === batch || byteCount > batchBytes) {
      parts.push([one]);
      byteCount = sizeOf(one);
    } else {
      last.push(one);
    }
  }
  return parts;
}

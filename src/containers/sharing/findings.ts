import { Slices } from "../../store/mirror/slices.js";
import type { Clock } from "../../system/clock.js";
import { readKey } from "../records.js";
import type { TrackedState } from "../tracked-state.js";
import { hasEnded } from "./mend-plans.js";

/** Subjects of what must not stand side by side. */
export interface Findings {
  readonly containers: string[];
  readonly groups: string[];
  /** Each with the container that came of it. */
  readonly intents: (readonly [string, string])[];
  /** Keys of records without what they belong to, which has ended: the state tells so. */
  readonly left: string[];
  /** The same where nothing tells of an end: by their revisions. */
  readonly orphans: Map<string, string>;
}

/** Looks through the whole state, in slices. What it finds may have changed by then: plans look again. */
export async function findOddities(state: TrackedState, clock: Clock): Promise<Findings> {
  const slices = new Slices(clock);
  const findings: Findings = { containers: [], groups: [], intents: [], left: [], orphans: new Map() };
  for (const { key, revision } of state.records()) {
    look(state, key, findings);
    const belonging = belongingOf(state, key);
    if (belonging === "ENDED") findings.left.push(key);
    if (belonging === "MISSING") findings.orphans.set(key, revision);
    if (slices.isOver) await slices.rest();
  }
  return findings;
}

function look(state: TrackedState, key: string, found: Findings): void {
  const { kind, subject = "" } = readKey(key) ?? {};
  if (kind === "container") {
    if (state.get("tombstone", subject) !== undefined) found.containers.push(subject);
    lookForIntent(state, subject, state.get("container", subject)?.intent, found);
  } else if (kind === "tombstone") {
    lookForIntent(state, subject, state.get("tombstone", subject)?.container.intent, found);
  } else if (kind === "group") {
    const group = state.get("group", subject);
    if (group === undefined) return;
    const ended = state.get("ended", subject);
    const isBack = ended !== undefined && hasEnded(group, ended);
    if (isBack || group.memberCount !== state.memberCountOf(subject)) found.groups.push(subject);
  }
}

function lookForIntent(state: TrackedState, key: string, intent: string | undefined, found: Findings): void {
  if (intent !== undefined && state.get("intent", intent) !== undefined) found.intents.push([intent, key]);
}

/** What a record belongs to. @returns undefined if it is there, or the record is its own */
function belongingOf(state: TrackedState, key: string): "ENDED" | "MISSING" | undefined {
  const { kind, subject = "" } = readKey(key) ?? {};
  if (kind === "secret" || kind === "membership") {
    if (state.get("container", subject) === undefined)
      return state.get("tombstone", subject) === undefined ? "MISSING" : "ENDED";
    const { groups } = (kind === "membership" ? state.get(kind, subject) : undefined) ?? { groups: [] };
    const missing = groups.filter(({ id }) => state.get("group", id) === undefined);
    if (missing.length === 0) return undefined;
    return missing.every(({ id }) => state.get("ended", id) !== undefined) ? "ENDED" : "MISSING";
  }
  if (kind !== "request") return undefined;
  const outcome = state.get("request", subject)?.outcome;
  const isAlone = outcome?.kind === "running" && state.get("intent", outcome.intent) === undefined;
  return isAlone ? "MISSING" : undefined;
}

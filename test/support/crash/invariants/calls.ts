/** Reads of the callers' history that several invariants share. */
import { type Evidence, keyOfName } from "../evidence.js";
import type { Call, Outcome } from "../history.js";

export interface Answer<K extends Call["kind"]> {
  readonly op: string;
  readonly call: Extract<Call, { kind: K }>;
  readonly outcome: Outcome;
}

/** Calls of one kind that were answered, in the order of the answers. */
export function answersOf<K extends Call["kind"]>({ history }: Evidence, kind: K): readonly Answer<K>[] {
  const asked = new Map<string, Call>();
  const answers: Answer<K>[] = [];
  for (const line of history) {
    if (line.at === "asked") asked.set(line.op, line.call);
    const call = line.at === "answered" ? asked.get(line.op) : undefined;
    if (line.at === "answered" && call?.kind === kind)
      answers.push({ op: line.op, call: call as Extract<Call, { kind: K }>, outcome: line.outcome });
  }
  return answers;
}

/** Keys of what a caller asked to forget, answered or not. */
export function askedForgotten({ history }: Evidence): ReadonlySet<string> {
  const keys = new Set<string>();
  for (const line of history) {
    if (line.at === "asked" && line.call.kind === "remove" && line.call.isForgotten)
      keys.add(keyOfName(line.call.container));
  }
  return keys;
}

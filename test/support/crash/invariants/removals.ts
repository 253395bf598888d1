/** I3: what was answered as removed stays removed: containers, groups, members. */
import { type Check, type Evidence, keyOfName, recordsOf, type Violation } from "../evidence.js";
import { answersOf } from "./calls.js";

export const checkRemovals: Check = (evidence) => [
  ...removedContainers(evidence),
  ...removedFromGroups(evidence),
];

function removedContainers(evidence: Evidence): readonly Violation[] {
  const { ledger, records } = evidence;
  const violations: Violation[] = [];
  const removed = new Set<string>();
  const running = new Set<string>();
  for (const create of ledger.creates) {
    if (create.id === undefined) continue;
    (create.removedAt === undefined ? running : removed).add(`${create.node}/${create.id}`);
  }
  for (const { call, outcome } of answersOf(evidence, "remove")) {
    if (outcome.kind !== "ok") continue;
    const key = keyOfName(call.container);
    if (records.has(`c/${key}`))
      violations.push({ invariant: "I3", what: `${key} is tracked after its removal was answered` });
    if (!call.isForgotten && running.has(key))
      violations.push({ invariant: "I3", what: `${key} runs after its removal was answered` });
  }
  for (const [key, container] of recordsOf(records, "c/")) {
    if (removed.has(key) && container["state"] === "TRACKED")
      violations.push({ invariant: "I3", what: `${key} is shown as well, and its node has removed it` });
  }
  return violations;
}

function* removedFromGroups(evidence: Evidence): Generator<Violation> {
  const { records, history } = evidence;
  for (const { call, outcome } of answersOf(evidence, "removeGroup")) {
    const id = call.group.slice("groups/".length);
    if (outcome.kind === "ok" && outcome.name !== "" && records.has(`g/${id}`))
      yield { invariant: "I3", what: `${id} is a group after its removal was answered` };
  }
  // Who was asked in at any time may have come back: only those who were members from elsewhere count.
  const askedIn = new Set<string>();
  for (const line of history) {
    if (line.at === "asked" && line.call.kind === "addToGroup")
      for (const name of line.call.containers) askedIn.add(`${keyOfName(name)} ${line.call.group}`);
  }
  const out = answersOf(evidence, "takeFromGroup")
    .filter(({ outcome }) => outcome.kind === "ok")
    .flatMap(({ call }) => call.containers.map((name) => `${keyOfName(name)} ${call.group}`))
    .filter((pair) => !askedIn.has(pair));
  for (const pair of out) {
    const [key = "", group = ""] = pair.split(" ");
    const groups = (records.get(`m/${key}`)?.["groups"] ?? []) as readonly { readonly id: string }[];
    if (groups.some(({ id }) => `groups/${id}` === group))
      yield { invariant: "I3", what: `${key} is in ${group} after it was answered that it left` };
  }
}

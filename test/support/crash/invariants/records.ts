/** I4, I7: members are tracked, and no record is torn from those that it belongs to. */
import { isDeepStrictEqual } from "node:util";
import type { RecordValue } from "../../../../src/store/contract.js";
import { type Check, type Evidence, recordsOf, type Violation } from "../evidence.js";

/** I4: every member of a group is tracked. */
export const checkMembers: Check = ({ records }) => {
  const violations: Violation[] = [];
  for (const [key] of recordsOf(records, "m/")) {
    if (!records.has(`c/${key}`))
      violations.push({ invariant: "I4", what: `${key} is in groups and is not tracked` });
  }
  return violations;
};

/** I7: containers, secrets, memberships, groups, requests and intents fit together. */
export const checkWholeRecords: Check = (evidence) => [
  ...tornContainers(evidence),
  ...tornGroups(evidence),
  ...tornRequests(evidence),
  ...halfDone(evidence),
];

/** I7: every record is as its latest commit left it, and none is there that no commit wrote. */
export const checkExplainedRecords: Check = ({ records, commits }) => {
  const explained = new Map<string, RecordValue | undefined>();
  for (const { changes } of commits) for (const { key, value } of changes) explained.set(key, value);
  const keys = new Set([...records.keys(), ...explained.keys()]);
  return [...keys]
    .filter((key) => !isDeepStrictEqual(records.get(key), explained.get(key)))
    .map((key) => torn(`${key} is not as the log says`));
};

const torn = (what: string): Violation => ({ invariant: "I7", what });

function* tornContainers({ records }: Evidence): Generator<Violation> {
  for (const [key] of recordsOf(records, "c/")) {
    if (!records.has(`s/${key}`)) yield torn(`${key} is tracked without its description`);
    if (records.has(`t/${key}`)) yield torn(`${key} is tracked and removed`);
  }
  for (const [key] of recordsOf(records, "s/"))
    if (!records.has(`c/${key}`)) yield torn(`${key} has a description and is not tracked`);
}

function* tornGroups({ records }: Evidence): Generator<Violation> {
  const counts = new Map<string, number>();
  for (const [key, { groups }] of recordsOf(records, "m/")) {
    const ids = (groups as readonly { readonly id: string }[]).map(({ id }) => id);
    if (ids.length === 0 || new Set(ids).size < ids.length) yield torn(`${key} is in [${ids.join()}]`);
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  for (const [id, { memberCount }] of recordsOf(records, "g/")) {
    if (memberCount !== (counts.get(id) ?? 0))
      yield torn(`${id} says ${Number(memberCount)} members and has ${String(counts.get(id) ?? 0)}`);
    counts.delete(id);
  }
  for (const [id] of counts) yield torn(`${id} has members and is no group`);
}

interface AnyOutcome {
  readonly kind: string;
  readonly intent?: string;
  readonly container?: string;
}

function* tornRequests({ records }: Evidence): Generator<Violation> {
  const running = new Set<string>();
  for (const [id, { outcome }] of recordsOf(records, "r/")) {
    const { kind, intent = "", container = "" } = outcome as unknown as AnyOutcome;
    const pending = records.get(`i/${intent}`);
    if (kind === "running") {
      running.add(intent);
      if (pending?.["requestId"] !== id || pending["state"] !== "PENDING")
        yield torn(`${id} is under way and has no intent`);
    }
    if (kind === "tracked" && !records.has(`c/${container}`) && !records.has(`t/${container}`))
      yield torn(`${id} was answered ${container}, of which nothing is left`);
  }
  for (const [id, { requestId, state }] of recordsOf(records, "i/"))
    if (state === "PENDING" && requestId !== "" && !running.has(id))
      yield torn(`intent ${id} lost its request`);
}

/** A process that has started has settled what the one before left half-done. */
function* halfDone({ records, moment }: Evidence): Generator<Violation> {
  if (moment !== "settled") return;
  for (const [id, { state }] of recordsOf(records, "i/"))
    if (state === "PENDING") yield torn(`intent ${id} is PENDING`);
  for (const [key, { state }] of recordsOf(records, "c/"))
    if (state === "REMOVING") yield torn(`${key} is REMOVING`);
}

/** I11: every gateway shows what the state holds. */
import type { RecordValue } from "../../../../src/store/contract.js";
import { type Check, type Evidence, nameOfKey, recordsOf, type Shown, type Violation } from "../evidence.js";

export const checkShown: Check = (evidence) => {
  const { shown, records } = evidence;
  if (shown === undefined) return [];
  const due = dueOf(records);
  return [...differing(shown.containers, due.containers), ...differing(shown.groups, due.groups)];
};

function* differing(shown: readonly string[], due: readonly string[]): Generator<Violation> {
  for (const one of shown)
    if (!due.includes(one)) yield { invariant: "I11", what: `a gateway shows ${one}, the state does not` };
  for (const one of due)
    if (!shown.includes(one)) yield { invariant: "I11", what: `a gateway does not show ${one}` };
}

/** What must be listed. */
function dueOf(records: Evidence["records"]): Shown {
  const containers = [...recordsOf(records, "c/")].map(
    ([key, container]) => `${nameOfKey(key)} ${stateOf(container)}`,
  );
  const intents = [...recordsOf(records, "i/")].map(([id, { address, state }]) => {
    const { host, port } = address as { host: string; port: number };
    return `nodes/${host}:${String(port)}/containers/~${id} ${textOf(state)}`;
  });
  const members = new Map<string, string[]>();
  for (const [id] of recordsOf(records, "g/")) members.set(id, []);
  for (const [key, { groups }] of recordsOf(records, "m/"))
    for (const { id } of groups as readonly { readonly id: string }[]) members.get(id)?.push(nameOfKey(key));
  const groups = [...members].map(([id, names]) => [`groups/${id}`, ...names.sort()].join(" "));
  return { containers: [...containers, ...intents].sort(), groups: groups.sort() };
}

function stateOf({ state, isReachable }: RecordValue): string {
  if (state !== "TRACKED") return textOf(state);
  return isReachable === true ? "ACTIVE" : "UNREACHABLE";
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

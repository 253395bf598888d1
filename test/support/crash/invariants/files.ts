/** I5: the tracking files can be read at every instant, say what was once true, and after quiet what is true now. */
import { isDeepStrictEqual } from "node:util";
import type { RecordValue } from "../../../../src/store/contract.js";
import { askedForgotten } from "./calls.js";
import { type Check, type Evidence, recordsOf, type Violation } from "../evidence.js";

const wrong = (what: string): Violation => ({ invariant: "I5", what });

interface TrackedFile {
  readonly TrackContainer: readonly FileEntry[];
}
interface FileEntry {
  readonly ID: string;
  readonly IpAddress: string;
  readonly Container: RecordValue;
}
interface GroupsFile {
  readonly Groups: readonly { readonly ID: string; readonly TrackContainer: readonly FileEntry[] | null }[];
}

/** What a file says: keys of containers; members by group. */
type Said<T> = T | undefined | "foreign" | "unreadable";

export const checkFiles: Check = (evidence) => {
  const entries = read<TrackedFile>(evidence.tracked, evidence);
  const groups = read<GroupsFile>(evidence.groups, evidence);
  const violations: Violation[] = [];
  if (entries === "unreadable") violations.push(wrong("the tracked file cannot be read"));
  if (groups === "unreadable") violations.push(wrong("the group file cannot be read"));
  if (typeof entries === "string" || typeof groups === "string") return violations;
  const keys = new Set((entries?.TrackContainer ?? []).map(keyOfEntry));
  const members = new Map(
    (groups?.Groups ?? []).map(({ ID, TrackContainer }) => [ID, (TrackContainer ?? []).map(keyOfEntry)]),
  );
  for (const [id, list] of members) {
    const stray = list.filter((key) => !keys.has(key));
    if (stray.length > 0)
      violations.push({
        invariant: "I4",
        what: `the group file has ${stray.join()} in ${id}, the tracked file not`,
      });
  }
  if (evidence.moment !== "killed") violations.push(...untrue(evidence, entries, members));
  else violations.push(...neverTrue(evidence, keys, members, entries !== undefined, groups !== undefined));
  return violations;
};

function read<T>(text: string | undefined, { foreignTexts }: Evidence): Said<T> {
  if (text === undefined) return undefined;
  if (foreignTexts.includes(text)) return "foreign";
  try {
    return JSON.parse(text) as T;
  } catch {
    return "unreadable";
  }
}

/** Others spell addresses without the port. */
const keyOfEntry = ({ IpAddress, ID }: FileEntry): string =>
  `${IpAddress.includes(":") ? IpAddress : `${IpAddress}:8088`}/${ID}`;

function* untrue(
  evidence: Evidence,
  file: TrackedFile | undefined,
  members: ReadonlyMap<string, readonly string[]>,
): Generator<Violation> {
  const { records, foreign } = evidence;
  const forgotten = askedForgotten(evidence);
  const said = new Map((file?.TrackContainer ?? []).map((entry) => [keyOfEntry(entry), entry.Container]));
  for (const [key, { dockerVm }] of recordsOf(records, "s/")) {
    if (!said.has(key)) yield wrong(`${key} is tracked and not in the file`);
    else if (!isDeepStrictEqual(said.get(key), dockerVm)) yield wrong(`the file describes ${key} otherwise`);
    said.delete(key);
  }
  for (const key of said.keys()) yield wrong(`${key} is in the file and not tracked`);
  const { groups } = stateOf(records);
  for (const [id, keys] of groups) {
    if (!isDeepStrictEqual([...keys].sort(), [...(members.get(id) ?? ["none"])].sort()))
      yield wrong(`the file has other members in ${id}`);
  }
  for (const id of members.keys()) if (!groups.has(id)) yield wrong(`the file has ${id}, which is no group`);
  for (const [key, described] of foreign) {
    if (forgotten.has(key)) continue;
    if (!records.has(`c/${key}`)) yield wrong(`${key}, which others added, is not tracked`);
    else if (!isDeepStrictEqual(records.get(`s/${key}`)?.["dockerVm"], described))
      yield wrong(`${key} is not described as others did`);
  }
}

interface State {
  readonly containers: ReadonlySet<string>;
  readonly groups: ReadonlyMap<string, ReadonlySet<string>>;
}

function stateOf(records: ReadonlyMap<string, RecordValue>): State {
  const containers = new Set<string>();
  const groups = new Map<string, Set<string>>();
  for (const [key] of recordsOf(records, "c/")) containers.add(key);
  for (const [id] of recordsOf(records, "g/")) groups.set(id, new Set());
  for (const [key, membership] of recordsOf(records, "m/")) {
    for (const { id } of membership["groups"] as readonly { readonly id: string }[]) groups.get(id)?.add(key);
  }
  return { containers, groups };
}

/** Goes back through the commits until both files are explained. They need not be of the same moment. */
function* neverTrue(
  evidence: Evidence,
  keys: ReadonlySet<string>,
  members: ReadonlyMap<string, readonly string[]>,
  hasTracked: boolean,
  hasGroups: boolean,
): Generator<Violation> {
  const past = new Map(evidence.records);
  let isTrackedTrue = !hasTracked;
  let areGroupsTrue = !hasGroups;
  for (let at = evidence.commits.length; ; at -= 1) {
    const changes = evidence.commits[at]?.changes ?? [];
    for (const { key, previous } of changes) {
      if (previous === undefined) past.delete(key);
      else past.set(key, previous);
    }
    if (at === evidence.commits.length || changes.some(({ key }) => /^[cgm]\//.test(key))) {
      const { containers, groups } = stateOf(past);
      isTrackedTrue ||= containers.size === keys.size && [...keys].every((key) => containers.has(key));
      areGroupsTrue ||= explains(groups, members);
    }
    if ((isTrackedTrue && areGroupsTrue) || at <= 0) break;
  }
  if (!isTrackedTrue) yield wrong(`the tracked file says what never was: ${[...keys].join()}`);
  if (!areGroupsTrue) yield wrong(`the group file says what never was: ${JSON.stringify([...members])}`);
}

/** A member that was not in the tracked file comes with a second write: it must not be seen in a group before. */
function explains(groups: State["groups"], members: ReadonlyMap<string, readonly string[]>): boolean {
  if (groups.size !== members.size) return false;
  return [...members].every(([id, said]) => {
    const all = groups.get(id);
    return all !== undefined && said.every((key) => all.has(key));
  });
}

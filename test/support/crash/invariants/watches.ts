/** I6: watchers see every change once, in order, across reconnects, and what they see adds up to the state. */
import { isDeepStrictEqual } from "node:util";
import type { RecordChange, RecordValue } from "../../../../src/store/contract.js";
import { isOfRescue } from "../../../../src/store/view.js";
import { type Check, type Evidence, nameOfKey, recordsOf, type Violation } from "../evidence.js";
import { type HistoryLine, type SeenChange, type WatcherName, watchers } from "../history.js";

export const checkWatches: Check = (evidence) =>
  (Object.keys(watchers) as WatcherName[]).flatMap((watcher) => [...watched(evidence, watcher)]);

/** I6: no commit is made twice: watchers would be told of it twice. */
export const checkNoRepeatedCommit: Check = ({ commits }) =>
  commits.flatMap((commit, at) => {
    const before = commits[at - 1]?.changes ?? [];
    const isSame = ({ key, value, previous }: RecordChange): boolean =>
      isDeepStrictEqual(value, previous) &&
      before.some((one) => one.key === key && isDeepStrictEqual(one.value, value));
    // A call whose commit was lost is made again; another gateway that had seen it may have brought it back by then.
    const isOfLoss = before.some(({ key }) => isOfRescue(key));
    return commit.changes.length > 0 && !isOfLoss && commit.changes.every(isSame)
      ? [{ invariant: "I6", what: `${commit.revision} does once more what was done just before` } as const]
      : [];
  });

type Watched = Extract<HistoryLine, { at: "watched" }>;

function* watched(evidence: Evidence, watcher: WatcherName): Generator<Violation> {
  const wrong = (what: string): Violation => ({ invariant: "I6", what: `${watcher}: ${what}` });
  const lines = evidence.history.filter((line) => "watcher" in line && line.watcher === watcher);
  for (const line of lines) if (line.at === "unwatched") yield wrong(`its stream ended: ${line.reason}`);
  const restart = lines.findLastIndex((line) => line.at === "watched" && line.type === "INITIAL_DONE");
  if (restart < 0) return;
  // A start that was cut short began anew.
  const begin = lines.slice(0, restart).findLastIndex(({ at }) => at === "watching");
  const isWatched = (line: HistoryLine): line is Watched => line.at === "watched";
  const initial = lines.slice(begin, restart + 1).filter(isWatched);
  const start = initial.at(-1)?.revision ?? "";
  const expected = visibleCommits(evidence, start, watcher);
  const told = lines
    .slice(restart + 1)
    .filter(isWatched)
    .filter(({ type }) => type === "CHANGES");
  for (const [at, { revision, changes }] of told.entries()) {
    const due = expected[at];
    if (due === undefined) yield wrong(`${revision} was told, and changed nothing for it`);
    else if (due.revision !== revision) yield wrong(`${revision} was told where ${due.revision} was due`);
    else if (spell(changes) !== spell(due.changes))
      yield wrong(`${revision} was told as ${spell(changes)}, and was ${spell(due.changes)}`);
    if (due?.revision !== revision) return;
  }
  if (evidence.moment === "killed") return;
  const missed = expected[told.length];
  if (missed !== undefined) yield wrong(`${missed.revision} was never told`);
  yield* adding(evidence, watcher, [...initial, ...told]);
}

const spell = (changes: readonly Pick<SeenChange, "type" | "name">[]): string =>
  changes
    .map(({ type, name }) => `${type} ${name}`)
    .sort()
    .join(", ");

interface VisibleCommit {
  readonly revision: string;
  readonly changes: readonly Pick<SeenChange, "type" | "name">[];
}

/** What each commit looks like from outside, read off its change set. */
function visibleCommits(
  { commits }: Evidence,
  after: string,
  watcher: WatcherName,
): readonly VisibleCommit[] {
  const start = commits.findIndex(({ revision }) => revision === after) + 1;
  const kinds: readonly string[] = watchers[watcher];
  const visible: VisibleCommit[] = [];
  const tracked = new Set<string>();
  const groups = new Set<string>();
  for (const [at, { revision, changes }] of commits.entries()) {
    const names = new Map<string, SeenChange["type"]>();
    const before = new Set(tracked);
    const groupsBefore = new Set(groups);
    for (const { key, value } of changes) {
      const known = key.startsWith("c/") ? tracked : key.startsWith("g/") ? groups : undefined;
      if (value === undefined) known?.delete(key.slice(2));
      else known?.add(key.slice(2));
    }
    for (const { key, value, previous } of changes) {
      const [kind, subject] = [key.slice(0, 2), key.slice(2)];
      if (kind === "c/" || kind === "m/") {
        const type = typeOf(before.has(subject), tracked.has(subject));
        if (type !== undefined) names.set(nameOfKey(subject), type);
      }
      for (const id of kind === "m/" ? joinedOrLeft(value, previous) : []) {
        const type = typeOf(groupsBefore.has(id), groups.has(id));
        if (type !== undefined) names.set(`groups/${id}`, type);
      }
      const type = typeOf(previous !== undefined, value !== undefined);
      if (kind === "g/" && type !== undefined) names.set(`groups/${subject}`, type);
      if (kind === "i/" && type !== undefined) names.set(intentName(subject, value ?? previous ?? {}), type);
    }
    const seen = [...names]
      .map(([name, type]) => ({ name, type }))
      .filter(({ name }) => kinds.length === 0 || (kinds.includes("GROUP") && name.startsWith("groups/")));
    if (at >= start && seen.length > 0) visible.push({ revision, changes: seen });
  }
  return visible;
}

function joinedOrLeft(...memberships: readonly (RecordValue | undefined)[]): readonly string[] {
  const ids = memberships.map((one) =>
    ((one?.["groups"] ?? []) as readonly { readonly id: string }[]).map(({ id }) => id),
  );
  return ids.flat().filter((id) => !ids.every((some) => some.includes(id)));
}

const typeOf = (was: boolean, is: boolean): SeenChange["type"] | undefined =>
  was ? (is ? "MODIFIED" : "REMOVED") : is ? "ADDED" : undefined;

function intentName(id: string, { address }: RecordValue): string {
  const { host, port } = address as { host: string; port: number };
  return `nodes/${host}:${String(port)}/containers/~${id}`;
}

/** Who applies what it was told must come to what is there. */
function* adding(
  { records }: Evidence,
  watcher: WatcherName,
  messages: readonly Watched[],
): Generator<Violation> {
  const replica = new Map<string, string>();
  for (const { changes } of messages) {
    for (const { name, type, links } of changes) {
      if (type === "REMOVED") replica.delete(name);
      else replica.set(name, links.join());
    }
  }
  for (const [id] of recordsOf(records, "g/")) {
    const name = `groups/${id}`;
    const members = [...recordsOf(records, "m/")]
      .filter(([, { groups }]) => (groups as readonly { id: string }[]).some((group) => group.id === id))
      .map(([key]) => nameOfKey(key));
    if (replica.get(name) !== members.sort().join())
      yield { invariant: "I6", what: `${watcher}: what it was told of ${name} does not add up` };
    replica.delete(name);
  }
  for (const [key] of recordsOf(records, "c/")) {
    if ((watchers[watcher] as readonly string[]).length > 0) break;
    const groups = (records.get(`m/${key}`)?.["groups"] ?? []) as readonly { id: string }[];
    const links = groups.map(({ id }) => `groups/${id}`).sort();
    if (replica.get(nameOfKey(key)) !== links.join())
      yield { invariant: "I6", what: `${watcher}: what it was told of ${key} does not add up` };
    replica.delete(nameOfKey(key));
  }
  for (const name of replica.keys())
    if (!name.includes("/~")) yield { invariant: "I6", what: `${watcher}: it still believes in ${name}` };
}

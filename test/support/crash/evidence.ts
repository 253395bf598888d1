/** What is there to be judged after a kill or after quiet. Plain facts: the invariants read them and nothing else. */
import type { ContainerLedger } from "../../../src/devnet/contract.js";
import type { ChangeSet, RecordChange, RecordValue, Revision } from "../../../src/store/contract.js";
import type { HistoryLine } from "./history.js";
import type { Leftovers } from "./leftovers.js";

export interface Evidence {
  /** What reached the nodes, by their own account. */
  readonly ledger: ContainerLedger;
  /** What callers and watchers heard. */
  readonly history: readonly HistoryLine[];
  readonly records: ReadonlyMap<string, RecordValue>;
  /** The latest commit. */
  readonly revision: Revision;
  /** Every commit since the state was made, oldest first. */
  readonly commits: readonly ChangeSet[];
  /** The tracking files; absent = there is none. */
  readonly tracked: string | undefined;
  readonly groups: string | undefined;
  /** What another program wrote last into them, as a whole text each; still there until it is merged. */
  readonly foreignTexts: readonly string[];
  /** What others added and nobody removed: keys, `HOST:PORT/ID`, with the description that they wrote. */
  readonly foreign: ReadonlyMap<string, RecordValue>;
  /** Text that anybody may read: logs, and what callers heard. */
  readonly texts: readonly { readonly where: string; readonly text: string }[];
  readonly secrets: readonly string[];
  /** Files that hold secrets, with their permissions. */
  readonly modes: readonly { readonly path: string; readonly mode: number }[];
  /** Processes that served the folder, and when, by one clock. */
  readonly owners: readonly Owner[];
  /** Set where a process came to rest. */
  readonly leftovers: { readonly before: Leftovers; readonly after: Leftovers } | undefined;
  /**
   * `killed`: right after. `settled`: a process runs on it, or ended in order, and nothing is under way: the files are
   * up to date, and watchers have heard everything. `calm`: the same, but another gateway has died with work under way,
   * and is not given up yet.
   */
  readonly moment: "killed" | "settled" | "calm";
  /** What the gateway lists; absent = nobody asked it. */
  readonly shown?: Shown;
  /** Rounds, as calls are named by, in which Redis lost what it had confirmed. Absent = none. */
  readonly lossRounds?: ReadonlySet<string>;
  /** What was in its log then, part of which may be in `commits` again. */
  readonly lost?: readonly RecordChange[];
  /** What of its local journal survived its end. */
  readonly journal?: SurvivingJournal;
}

/** As text, sorted: each container with its state, each group with its members. */
export interface Shown {
  readonly containers: readonly string[];
  readonly groups: readonly string[];
}

export interface SurvivingJournal {
  /** Containers, by key, that its state had not been told of when the gateway ended. */
  readonly open: readonly string[];
  /** Whether nothing is there although the gateway was killed right after a container was put down there. */
  readonly lacksOne: boolean;
}

export interface Owner {
  readonly pid: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export type InvariantName = "I1" | "I2" | "I3" | "I4" | "I5" | "I6" | "I7" | "I8" | "I9" | "I10" | "I11";

export interface Violation {
  readonly invariant: InvariantName;
  readonly what: string;
}

export type Check = (evidence: Evidence) => readonly Violation[];

export const keyOfName = (name: string): string => name.replace(/^nodes\//, "").replace("/containers/", "/");
export const nameOfKey = (key: string): string => `nodes/${key.replace("/", "/containers/")}`;

/** Records of one kind, by what they are about. */
export function* recordsOf(
  records: ReadonlyMap<string, RecordValue>,
  prefix: string,
): Generator<readonly [string, RecordValue]> {
  for (const [key, value] of records) if (key.startsWith(prefix)) yield [key.slice(prefix.length), value];
}

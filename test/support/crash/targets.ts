/** What a kill at each failpoint needs beforehand. A failpoint without a row does not compile. */
import type { Random } from "../../../src/devnet/random.js";
import type { FailpointName } from "../../../src/system/failpoint.js";
import type { CrashBackend } from "./backends.js";
import type { FileRole, KillPlan } from "./kill-plan.js";

/** What happens to the files before the process starts. */
export type Disturbance =
  /** Others added entries, and took one out. */
  | "edited"
  /** The other name for the group file turns up. */
  | "named twice";

export interface Target {
  readonly disturbance?: Disturbance;
  /** Comes up only in a state's first life, before anything is mirrored. */
  readonly isFirstLife?: true;
  /** Where the life before must have ended. */
  readonly after?: FailpointName;
  readonly files?: readonly FileRole[];
  /** Which file it turns out to be about, where any would do. */
  readonly inFile?: FileRole;
  /** Comes up once in a life at most. */
  readonly isOnce?: true;
}

const everyFile: Target = { files: ["tracked", "groups", "side"] };
const edited: Target = { disturbance: "edited", isOnce: true };

export const targets: Readonly<Record<FailpointName, Target>> = {
  "create.checked": {},
  "create.begun": {},
  "create.asking": {},
  "create.answered": {},
  "create.seen": {},
  "create.settled": {},
  "create.tracked": {},
  "create.refused": {},
  "create.unanswered": {},
  "create.abandoned": {},
  "create.rolledBack": {},
  "remove.begun": {},
  "remove.answered": {},
  "remove.untracked": {},
  "remove.refused": {},
  "remove.unanswered": {},
  "remove.forgotten": {},
  "remove.closed": {},
  "commit.asked": {},
  "commit.checking": {},
  "commit.written": {},
  "commit.flushed": {},
  "commit.grouped": {},
  "commit.leaving": {},
  "commit.sent": {},
  "commit.replied": {},
  "commit.shown": {},
  "journal.written": {},
  "replace.opened": everyFile,
  "replace.filled": everyFile,
  "replace.synced": everyFile,
  "replace.renamed": everyFile,
  "replace.settled": everyFile,
  "mirror.merged": edited,
  "mirror.groupsLeft": {},
  "mirror.containersWritten": {},
  "mirror.groupsWritten": {},
  "mirror.copied": { ...edited, inFile: "groups" },
  "mirror.movedAside": { disturbance: "named twice", isOnce: true, inFile: "groups" },
  "mirror.saved": {},
  "import.first": { isFirstLife: true, isOnce: true },
  "import.removals": edited,
  "import.containers": edited,
  "import.groups": edited,
  "recovery.seen": { after: "create.seen", isOnce: true },
  "recovery.intents": { after: "create.begun", isOnce: true },
  "recovery.removals": { after: "remove.begun", isOnce: true },
  "recovery.settled": { isOnce: true },
  "rescue.begun": {},
};

/** One life of a process and how it ends. */
export interface Life {
  /** Absent = from outside, `afterMs` after its start. */
  readonly plan?: KillPlan;
  readonly afterMs?: number;
  readonly disturbance?: Disturbance;
  /** How long nothing ran before it, by the wall clock that it is given. */
  readonly pauseMs?: number;
}

/** Lives in their order: the last one is the kill that is meant, those before prepare it. */
export interface Schedule {
  readonly label: string;
  readonly lives: readonly Life[];
  readonly isFirstLife: boolean;
}

/** One schedule for each failpoint, and for each file where it is about files. */
export function sweep(backend: Pick<CrashBackend, "lacks">): readonly Schedule[] {
  return targetsOf(backend).flatMap(([name, target]) =>
    (target.files ?? [undefined]).map((file) => scheduleOf(name, target, file)),
  );
}

/** What a sweep must have hit. */
export function labelsOf(backend: Pick<CrashBackend, "lacks">): readonly string[] {
  return targetsOf(backend).flatMap(([name, { files, inFile }]) =>
    (files ?? [inFile ?? ""]).map((file) => labelOf(name, file)),
  );
}

const targetsOf = ({ lacks }: Pick<CrashBackend, "lacks">): readonly (readonly [FailpointName, Target])[] =>
  (Object.entries(targets) as [FailpointName, Target][]).filter(([name]) => !lacks.includes(name));

function scheduleOf(name: FailpointName, target: Target, file: FileRole | undefined): Schedule {
  const { disturbance, after, isFirstLife = false } = target;
  const before = after === undefined ? [] : [{ plan: { name: after, hit: 1 } }];
  const role = file ?? target.inFile;
  const plan = { name, hit: 1, ...(role === undefined ? {} : { file: role }) };
  const last = disturbance === undefined ? { plan } : { plan, disturbance };
  return { label: labelOf(name, file ?? ""), lives: [...before, last], isFirstLife };
}

/** Kills where chance has it: at a failpoint that is named, at any, or at a moment that nobody chose. */
export function atRandom(random: Random, backend: Pick<CrashBackend, "lacks">): Schedule {
  const life = { ...randomEnd(random, backend), ...randomStart(random) };
  return { label: `at random ${JSON.stringify(life)}`, lives: [life], isFirstLife: false };
}

function randomEnd(random: Random, backend: Pick<CrashBackend, "lacks">): Life {
  const draw = random.below(10);
  if (draw < 3) return { afterMs: 100 + random.below(900) };
  if (draw < 7) return { plan: { hit: 1 + random.below(400) } };
  const repeated = targetsOf(backend).filter(([, { isOnce }]) => isOnce !== true);
  const [name, { files }] = random.pick(repeated);
  const plan = {
    name,
    hit: 1 + random.below(4),
    ...(files === undefined ? {} : { file: random.pick(files) }),
  };
  // Between the call to a node and its answer no failpoint comes up.
  return { plan: name === "create.asking" ? { ...plan, delayMs: random.below(12) } : plan };
}

function randomStart(random: Random): Life {
  const draw = random.below(6);
  const pauseMs = random.below(3) === 0 ? 10_000 : 0;
  if (draw === 0) return { pauseMs, disturbance: "edited" };
  return draw === 1 ? { pauseMs, disturbance: "named twice" } : { pauseMs };
}

export const labelOf = (name: FailpointName, file: FileRole | ""): string =>
  file === "" ? name : `${name} ${file}`;

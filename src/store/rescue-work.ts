import { randomUUID } from "node:crypto";
import type { Commit, RecordValue, Revision, Snapshot, StateStore } from "./contract.js";
import { storeLimits } from "./limits.js";
import { failpoint } from "../system/failpoint.js";
import { type Past, planRescue, type Rescue, type RescueRules } from "./rescue.js";
import { foreignMarks, markKey, type MarkValue, readMarks, turnKey, writeMark } from "./rescue-marks.js";

export interface RescueWorkOptions extends RescueRules {
  /** The last commits that were seen, whatever past they are of, in order. */
  readonly trail: readonly Revision[];
  /** Told of each try that has something to bring back, with the number of records. */
  readonly onBegin?: (count: number) => void;
  /** Told once of records that stand where marks do and are none. */
  readonly onForeign?: (keys: readonly string[]) => void;
  /** Records of one commit. @default 500 */
  readonly batchCount?: number;
  /** Wall clock, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Asked before each commit: whether nobody wants it any more. */
  readonly isOver?: () => boolean;
}

/** Half of what a commit may hold, and fewer than it may have. */
const batchCount = 500;
const batchBytes = storeLimits.maxCommitBytes / 2;

export interface Rescued {
  readonly now: Snapshot;
  /** Whether it does not go on from what was seen. */
  readonly isAnotherPast: boolean;
}

/** How long marks stay for gateways that were stopped meanwhile, in milliseconds. */
const markKeptMs = 7 * 24 * 60 * 60_000;

/**
 * Brings back what a store has lost of what was seen in it, if it has, and reads it.
 *
 * Of several who do it at the same time, each commit is planned on what the others have done until then.
 *
 * @throws {StoreError}
 */
export async function loadRescued(
  store: StateStore,
  past: Past,
  options: RescueWorkOptions,
): Promise<Rescued> {
  const key = markKey(randomUUID());
  const own: Revision[] = [];
  const tail = tailOf(past, options.trail);
  for (let tries = 1; ; tries += 1) {
    const now = await store.load();
    const foreign = foreignMarks(now.records);
    if (foreign.length > 0 && tries === 1) options.onForeign?.(foreign);
    const rescue = planRescue(past, now, options);
    if (rescue === "SAME_PAST" || rescue === "DONE") return { now, isAnotherPast: rescue === "DONE" };
    if (rescue.length > 0) options.onBegin?.(rescue.length);
    const mark = { seen: past.seen, tail, timeMs: options.nowMs };
    await carryOut(store, rescue, { key, mark, own, now, options });
    if (options.isOver?.() === true) return { now, isAnotherPast: true };
    // Our own mark tells that all of it is back, unless it was lost once more.
  }
}

/**
 * What was seen here, and what those had seen who brought it back before: where the state is lost once more, their marks
 * are lost with it.
 */
function tailOf({ records, seen }: Past, trail: readonly Revision[]): readonly Revision[] {
  const told = readMarks(records)
    .filter(({ isDone }) => isDone)
    .sort((a, b) => a.timeMs - b.timeMs)
    .flatMap(({ tail }) => tail);
  return [...new Set([...told.slice(-storeLimits.trailCommits), ...trail, seen])];
}

interface Attempt {
  readonly key: string;
  readonly mark: Pick<MarkValue, "seen" | "tail" | "timeMs">;
  /** Commits of this rescue; grows. */
  readonly own: Revision[];
  readonly now: Snapshot;
  readonly options: RescueWorkOptions;
}

/** Ends early if another gateway has brought something back meanwhile: the plan is void then. */
async function carryOut(store: StateStore, rescue: Rescue, attempt: Attempt): Promise<void> {
  const { key, mark, own, now, options } = attempt;
  let turn = now.records.get(turnKey)?.revision;
  for (let rest = rescue; ; ) {
    if (options.isOver?.() === true) return;
    const batch = firstBatch(rest, now, options.batchCount ?? batchCount);
    const isDone = batch.length === rest.length;
    const result = await store.commit({
      operationId: randomUUID(),
      expect: [{ key: turnKey, revision: turn }, ...expectationsOf(batch)],
      put: [
        ...batch.flatMap(({ key: lost, value }) => (value === undefined ? [] : [{ key: lost, value }])),
        { key, value: writeMark({ ...mark, earlier: [...own], isDone }) },
        { key: turnKey, value: { mark: key } },
      ],
      delete: [
        ...batch.flatMap(({ key: lost, value }) => (value === undefined ? [lost] : [])),
        ...(isDone ? oldMarks(attempt) : []),
      ],
    });
    if (result.kind === "committed") {
      own.push(result.revision);
      turn = result.revision;
      if (isDone) return;
      failpoint("rescue.begun");
      rest = rest.slice(batch.length);
    } else if (result.key === turnKey) {
      return;
    } else {
      // What others wrote meanwhile stays theirs.
      rest = rest.filter(({ key: lost }) => lost !== result.key);
    }
  }
}

const expectationsOf = (batch: Rescue): Commit["expect"] =>
  batch.map(({ key, expected }) => ({ key, revision: expected }));

/** Fewer than a commit has room for. */
const oldMarks = ({ now, mark: { timeMs } }: Attempt): readonly string[] =>
  readMarks(now.records)
    .filter((mark) => mark.timeMs + markKeptMs < timeMs)
    .slice(0, storeLimits.maxOperations / 4)
    .map(({ key }) => key);

/** What a commit replaces counts as well: it has a limit of its own, which is larger. */
function firstBatch(rescue: Rescue, { records }: Snapshot, maxCount: number): Rescue {
  let byteCount = 0;
  const end = rescue.findIndex(({ key, value }, index) => {
    byteCount += key.length + sizeOf(value) + sizeOf(records.get(key)?.value);
    return index === maxCount || (index > 0 && byteCount > batchBytes);
  });
  return end === -1 ? rescue : rescue.slice(0, end);
}

const sizeOf = (value: RecordValue | undefined): number =>
  value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));

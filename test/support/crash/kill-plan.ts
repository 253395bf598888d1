/** Where a process is to be killed. */
import type { FailpointName } from "../../../src/system/failpoint.js";

/** Which of our files a replacement is about. */
export type FileRole = "tracked" | "groups" | "side";

export interface KillPlan {
  /** Absent = whichever comes. */
  readonly name?: FailpointName;
  /** Absent = whichever file. */
  readonly file?: FileRole;
  /** Counted from 1. */
  readonly hit: number;
  /** How long after it, in milliseconds. @default at once */
  readonly delayMs?: number;
}

/** What a process wrote down right before it was killed. */
export interface Landing {
  readonly name: FailpointName;
  readonly file: FileRole | "";
  /** How often each failpoint came up in that process. */
  readonly passed: Readonly<Record<string, number>>;
}

/** What the hook is told, in the environment variable `P2PRC_TEST_KILL`. */
export interface HookOrder {
  /** Absent = failpoints are only counted. */
  readonly plan?: KillPlan;
  readonly landingPath: string;
  /** Read anew at each SIGUSR2: another plan, or none. Absent = the first one stays. */
  readonly planPath?: string;
  /** Where to write down how much of the local journal is on the disk. Absent = nobody asks. */
  readonly syncedPath?: string;
}

const roles: readonly (readonly [RegExp, FileRole])[] = [
  [/(^|\/)\.?trackcontainers\.json(\.|$)/, "tracked"],
  [/(^|\/)\.?grouptrackcontainers?\.json(\.|$)/, "groups"],
  [/(^|\/)\.?tracking\.side\.json(\.|$)/, "side"],
];

export const roleOf = (path: string): FileRole | "" =>
  roles.find(([pattern]) => pattern.test(path))?.[1] ?? "";

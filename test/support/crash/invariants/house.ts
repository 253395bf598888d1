/** I8, I9, I10: one owner, secrets where they belong, nothing left behind. */
import type { Check, Violation } from "../evidence.js";

/** I8: no two processes serve one folder at the same time. */
export const checkOneOwner: Check = ({ owners }) =>
  owners.flatMap((one, at) =>
    owners
      .slice(at + 1)
      .filter((other) => one.fromMs < other.toMs && other.fromMs < one.toMs)
      .map(
        (other): Violation => ({
          invariant: "I8",
          what: `processes ${String(one.pid)} and ${String(other.pid)} served the folder together`,
        }),
      ),
  );

/** I9: no secret stands where anybody may read, and files with secrets are their owner's only. */
export const checkSecrets: Check = ({ texts, secrets, modes }) => [
  ...texts.flatMap(({ where, text }) =>
    secrets
      .filter((secret) => text.includes(secret))
      .map((): Violation => ({ invariant: "I9", what: `a secret is in ${where}` })),
  ),
  ...modes
    .filter(({ mode }) => (mode & 0o077) !== 0)
    .map(
      ({ path, mode }): Violation => ({
        invariant: "I9",
        what: `${path} has permissions ${mode.toString(8)}`,
      }),
    ),
];

/** What records of a calm round may take in memory; a leak of one socket or timer a call is far more in the long run. */
const heapSlackBytes = 24 * 1024 * 1024;

/** I10: after quiet a process holds what it held before. */
export const checkLeftovers: Check = ({ leftovers }) => {
  if (leftovers === undefined) return [];
  const { before, after } = leftovers;
  const violations: Violation[] = [];
  const more = (what: "sockets" | "timers"): void => {
    if (after[what] > before[what])
      violations.push({
        invariant: "I10",
        what: `${String(after[what])} ${what} after quiet, ${String(before[what])} before`,
      });
  };
  more("sockets");
  more("timers");
  if (after.heapBytes > before.heapBytes + heapSlackBytes)
    violations.push({
      invariant: "I10",
      what: `${String(after.heapBytes)} bytes of heap after quiet, ${String(before.heapBytes)} before`,
    });
  return violations;
};

/** When a node counts as caught lying. Pure rules; docs/limits.md lists the numbers. */

/** Why a node is in quarantine. Public: `Node.state_reason`. */
export const quarantineReasons = ["FORBIDDEN_ROWS", "DEAD_ROWS"] as const;
export type QuarantineReason = (typeof quarantineReasons)[number];

export interface Quarantine {
  readonly reason: QuarantineReason;
  readonly untilMs: number;
}

/** What became of the table that one node sent. */
export interface Testimony {
  readonly rowCount: number;
  /** Rows that point where no stranger may point us. */
  readonly forbiddenRowCount: number;
  /** Nodes that it alone named and that were asked. */
  readonly askedCount: number;
  /** Those of them that did not answer. */
  readonly silentCount: number;
}

export const quarantineLimits = {
  /** How long a node stays in quarantine: probed, but neither asked nor told of to others. */
  quarantineMs: 24 * 60 * 60_000,
  /** So many rows are a sign; honest nodes list a few private neighbours and a few that just went down. */
  minSuspectRows: 32,
  /** Of a table, in percent: more forbidden rows than that is no accident. */
  maxForbiddenPercent: 50,
  /** Of the nodes that it alone named, in percent: a node pings its table before it sends it. */
  maxSilentPercent: 90,
} as const;

/** Judges a node by its table. @returns undefined if there is nothing to hold against it */
export function judge(testimony: Testimony): QuarantineReason | undefined {
  const { rowCount, forbiddenRowCount, askedCount, silentCount } = testimony;
  const { minSuspectRows, maxForbiddenPercent, maxSilentPercent } = quarantineLimits;
  if (forbiddenRowCount >= minSuspectRows && forbiddenRowCount * 100 > rowCount * maxForbiddenPercent) {
    return "FORBIDDEN_ROWS";
  }
  return silentCount >= minSuspectRows && silentCount * 100 > askedCount * maxSilentPercent
    ? "DEAD_ROWS"
    : undefined;
}

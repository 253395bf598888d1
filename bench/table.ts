/** One measured thing beside what it is judged by. */
export interface BenchRow {
  readonly name: string;
  /** Median, in `unit`. */
  readonly value: number;
  readonly unit: "ms" | "MiB" | "us" | "Mbit/s" | "requests" | "cores";
  /** What the value is divided by: a floor by arithmetic, or a peer measured in the same run. */
  readonly against: string;
  readonly base: number;
  readonly ratio: number;
  /** What is aimed at. Never asserted: machines are noisy. */
  readonly target: string;
  readonly runs: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
};

export const p99 = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN;

/** Makes a row from single measurements; the median counts. */
export function rowOf(
  row: Omit<BenchRow, "value" | "base" | "ratio" | "runs">,
  values: readonly number[],
  bases: readonly number[],
): BenchRow {
  const value = median(values);
  const base = median(bases);
  return { ...row, value, base, ratio: value / base, runs: values.length };
}

/** Spells rows as a table for people. */
export function formatRows(rows: readonly BenchRow[]): string {
  const heading = ["what", "median", "against", "base", "ratio", "target", "runs"];
  const cells = rows.map((row) => [
    row.name,
    `${row.value.toFixed(1)} ${row.unit}`,
    row.against,
    `${row.base.toFixed(1)} ${row.unit}`,
    row.ratio.toFixed(2),
    row.target,
    String(row.runs),
  ]);
  const widths = heading.map((text, column) =>
    Math.max(text.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ");
  return [line(heading), ...cells.map(line)].join("\n");
}

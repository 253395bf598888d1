/** Lists for people: one line for each entry, columns side by side. */
import Table from "cli-table3";
import type { TextSink } from "./surroundings.js";

export interface Column<T> {
  readonly head: string;
  readonly isNumber?: boolean;
  /** Text without control characters. */
  readonly cell: (entry: T) => string;
}

export function printColumns<T>(
  stdout: TextSink,
  columns: readonly Column<T>[],
  entries: readonly T[],
): void {
  const table = new Table({
    head: columns.map(({ head }) => head),
    colAligns: columns.map(({ isNumber }) => (isNumber === true ? "right" : "left")),
    chars: noBorders,
    // No colours: the table is piped as often as it is looked at.
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  for (const entry of entries) table.push(columns.map(({ cell }) => cell(entry)));
  stdout.write(`${table.toString().replace(/ +$/gm, "")}\n`);
}

const noBorders = Object.fromEntries(
  [
    ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ]
    .flat()
    .map((char) => [char, ""]),
);

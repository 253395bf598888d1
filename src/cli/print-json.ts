import { plainJson } from "./plain-text.js";
import type { TextSink } from "./surroundings.js";

/** Prints a value as the original prints its JSON: tab indent, and a space before the newline. */
export function printJson(stdout: TextSink, value: unknown): void {
  stdout.write(`${plainJson(value, "\t")} \n`);
}

/** Prints a value on a line of its own, for scripts that read line by line. */
export function printJsonLine(stdout: TextSink, value: unknown): void {
  stdout.write(`${plainJson(value)}\n`);
}

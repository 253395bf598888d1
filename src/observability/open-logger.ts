import { pino } from "pino";
import type { Logger } from "./logger.js";

/** Opens a logger that writes JSON lines, from `level` (pino's names) upwards, one `write` a line. */
export function openLogger(level: string, sink: { write(line: string): unknown }): Logger {
  return pino({ level, base: null }, { write: (line: string) => void sink.write(line) });
}

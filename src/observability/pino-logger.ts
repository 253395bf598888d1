import { destination, pino } from "pino";
import type { Logger } from "./logger.js";

/** Opens a logger that writes JSON lines to stderr: stdout belongs to what a command answers. */
export function openLogger(level: string): Logger {
  return pino({ level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, destination(2));
}

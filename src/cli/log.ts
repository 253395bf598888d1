import { pino } from "pino";
import type { GatewayConfig } from "../config/config.js";
import type { Logger } from "../observability/logger.js";
import type { TextSink } from "./surroundings.js";

/** Opens the log: JSON lines, beside what is printed for people and never among the results. */
export function openLog(level: GatewayConfig["logLevel"], sink: TextSink): Logger {
  return pino({ level, base: null }, { write: (line: string) => void sink.write(line) });
}

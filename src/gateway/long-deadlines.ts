import type { IncomingHttpHeaders } from "node:http";

/** The longest delay a timer of Node knows: about 24.8 days. A longer one fires after 1 ms, with a warning. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const MS_BY_UNIT: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Takes deadlines away that no timer can hold, in the headers of all three protocols, so that such a call has none.
 *
 * There is no maximum for a caller's deadline, but connect gives it to setTimeout as it is: the call would end at once.
 * What is malformed stays, and connect refuses it.
 */
export function dropLongDeadlines(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const kept = { ...headers };
  if (isTooLong(connectTimeoutMs(kept["connect-timeout-ms"]))) delete kept["connect-timeout-ms"];
  if (isTooLong(grpcTimeoutMs(kept["grpc-timeout"]))) delete kept["grpc-timeout"];
  return kept;
}

const isTooLong = (timeoutMs: number): boolean => timeoutMs > MAX_TIMER_MS;

/** @returns NaN if the header is absent or malformed */
const connectTimeoutMs = (value: unknown): number =>
  typeof value === "string" && /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;

/** @returns NaN if the header is absent or malformed */
function grpcTimeoutMs(value: unknown): number {
  const [, count, unit = ""] = (typeof value === "string" && /^(\d{1,8})([HMSmun])$/.exec(value)) || [];
  return Number(count) * (MS_BY_UNIT[unit] ?? Number.NaN);
}

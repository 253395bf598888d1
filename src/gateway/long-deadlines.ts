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
 * Takes deadlines away that no timer can hold, in the headers of all three protocols: such a call then has none.
 *
 * There is no maximum for a caller's deadline, but connect gives it to setTimeout as it is, and the call would end at
 * once. What is malformed stays, and connect refuses it.
 */
export function dropLongDeadlines(header: Headers): void {
  if (connectTimeoutMs(header.get("connect-timeout-ms") ?? "") > MAX_TIMER_MS) {
    header.delete("connect-timeout-ms");
  }
  if (grpcTimeoutMs(header.get("grpc-timeout") ?? "") > MAX_TIMER_MS) header.delete("grpc-timeout");
}

/** @returns NaN if malformed */
const connectTimeoutMs = (value: string): number => (/^\d{1,10}$/.test(value) ? Number(value) : Number.NaN);

/** @returns NaN if malformed */
function grpcTimeoutMs(value: string): number {
  const [, count, unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(value) ?? [];
  return Number(count) * (MS_BY_UNIT[unit] ?? Number.NaN);
}

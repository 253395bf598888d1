/** How values of each type are spelt. Every function returns undefined if the text is none. */

const integer = /^-?[0-9]{1,16}$/;
const decimal = /^-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$/;
const duration = /^(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s$/;
const timestamp =
  /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))$/;

/** Longest duration that protobuf knows: about 10,000 years. */
const maxDurationSeconds = 315_576_000_000;

/** Reads a whole number that JavaScript holds exactly. */
export function readInteger(text: string): number | undefined {
  const value = integer.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Reads a number, with or without fraction and exponent. */
export function readDecimal(text: string): number | undefined {
  const value = decimal.test(text) ? Number(text) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

/** Reads seconds as protobuf's JSON spells them (`0.05s`), the only spelling that AIP-160 knows. @returns nanoseconds */
export function readDuration(text: string): number | undefined {
  const match = duration.exec(text);
  if (match === null) return undefined;
  const [, sign, seconds, fraction = ""] = match;
  if (Number(seconds) > maxDurationSeconds) return undefined;
  // Digits, and not a product: 0.29 * 1e9 is not 290,000,000.
  const nanoseconds = Number(seconds) * 1e9 + Number(fraction.padEnd(9, "0"));
  return sign === "-" ? -nanoseconds : nanoseconds;
}

/** Reads a time of RFC 3339. @returns milliseconds since 1970, with what is finer as their fraction */
export function readTimestamp(text: string): number | undefined {
  const match = timestamp.exec(text);
  if (match === null) return undefined;
  const [, local = "", fraction = "", sign, hours, minutes] = match;
  const localMs = Date.parse(`${local}Z`);
  // Date.parse takes 30 February for 1 March, and 24:00 for the next day.
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(local)) return undefined;
  const offsetMs = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
  return localMs + Number(`0${fraction}`) * 1_000 - (sign === "-" ? -offsetMs : offsetMs);
}

export function readBoolean(text: string): boolean | undefined {
  return text === "true" ? true : text === "false" ? false : undefined;
}

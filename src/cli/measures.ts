/** Durations as people type and read them. */
import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { UsageError } from "./errors.js";

/** Reads `20ms`, `1.5s` or `2m`. @throws {UsageError} naming the flag and the value */
export function readDuration(flag: string, text: string): Duration {
  const [, number, unit] = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m)$/.exec(text) ?? [];
  const scale = { ms: 1, s: 1_000, m: 60_000 }[unit as "ms" | "s" | "m"];
  if (number === undefined || !scale)
    throw new UsageError(`${flag} "${text}": not a duration such as 20ms, 1.5s or 2m`);
  return durationOfMs(Number(number) * scale);
}

/** Reads a whole number from 0 on. @throws {UsageError} naming the flag and the value */
export function readWhole(flag: string, text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`${flag} "${text}": not a whole number`);
}

export function durationOfMs(milliseconds: number): Duration {
  const seconds = Math.floor(milliseconds / 1_000);
  const nanos = Math.round((milliseconds - seconds * 1_000) * 1e6);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos });
}

/** Milliseconds; undefined stays undefined: not measured is not 0. */
export function msOf(duration: Duration): number;
export function msOf(duration: Duration | undefined): number | undefined;
export function msOf(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1_000 + duration.nanos / 1e6;
}

/** `0.43 ms`, `20.4 ms`, `1.24 s`. */
export function formatMs(milliseconds: number): string {
  if (milliseconds >= 1_000) return `${(milliseconds / 1_000).toFixed(2)} s`;
  return `${milliseconds.toFixed(milliseconds < 10 ? 2 : 1)} ms`;
}

/** `93.7 Mbit/s`; empty = not measured. */
export function formatMbps(megabitsPerSecond: number | undefined): string {
  if (megabitsPerSecond === undefined) return "";
  return `${megabitsPerSecond.toFixed(megabitsPerSecond < 10 ? 2 : 1)} Mbit/s`;
}

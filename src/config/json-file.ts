import { readFileSync, statSync } from "node:fs";
import { ConfigError } from "./errors.js";

/** Largest configuration file that is read, in bytes. */
const maxConfigFileBytes = 1024 * 1024;

/** The members of a JSON object, as they came. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a file that holds one JSON object.
 *
 * @returns undefined if there is no such file
 * @throws {ConfigError} it cannot be read, is too large, or holds something else; the message names the file and
 *   never quotes it: the original's config.json holds keys
 */
export function readJsonObject(path: string): JsonObject | undefined {
  const bytes = readBytes(path);
  if (bytes === undefined) return undefined;
  const value = parse(path, bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${path} does not hold a JSON object`);
  }
  return value as JsonObject;
}

function readBytes(path: string): Buffer | undefined {
  try {
    const stat = statSync(path);
    // Asked before it is opened: opening a pipe waits for somebody to write.
    if (!stat.isFile()) throw new ConfigError(`${path} is not a file`);
    if (stat.size > maxConfigFileBytes) throw new ConfigError(`${path} is larger than 1 MiB`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new ConfigError(`${path} cannot be read (${code ?? "unknown reason"})`, { cause: error });
  }
}

function parse(path: string, bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(`${path} is not UTF-8 text`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // Neither its message nor the error itself is passed on: both quote the file. Only the place is.
    const offset = /at position ([0-9]+)/.exec((error as SyntaxError).message)?.[1];
    throw new ConfigError(`${path} is not JSON${offset === undefined ? "" : placeOf(text, Number(offset))}`);
  }
}

function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return ` (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`;
}

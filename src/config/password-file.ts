import { readFileSync, statSync } from "node:fs";
import { ConfigError } from "./errors.js";

/** Largest file of a password, in bytes. */
const maxBytes = 4_096;

/** Reads a password: the whole file but for the line break at its end. @throws {ConfigError} never quoting it */
export function readPassword(path: string): string {
  let password: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new ConfigError(`${path} is not a file`);
    if (stat.size > maxBytes) throw new ConfigError(`${path} is larger than ${String(maxBytes)} bytes`);
    password = readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(`${path} cannot be read (${code ?? "unknown reason"})`, { cause: error });
  }
  if (password === "") throw new ConfigError(`${path} is empty: it holds the password of Redis`);
  return password;
}

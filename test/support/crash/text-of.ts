import { readFileSync } from "node:fs";

/** What is in a file; undefined = there is none, or it was moved aside just now. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

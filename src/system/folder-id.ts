import { randomUUID } from "node:crypto";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeOf, FileFault, unreadable } from "./errors.js";
import { readFileWithin } from "./read-file.js";
import { replaceFile } from "./replace-file.js";

/** Largest file of an id, in bytes. */
const maxBytes = 4_096;

/**
 * Names the folder that a file is in, the same at each start. A copy of the folder gets a name of its own.
 *
 * @param path the file that keeps the name
 * @throws {FileError}
 */
export async function folderId(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const mark = await markOfFolder(dirname(path));
  const known = await readKnown(path);
  if (known?.mark === mark) return known.id;
  const id = randomUUID();
  await replaceFile(path, `${JSON.stringify({ id, mark })}\n`, { mode: 0o600 });
  return id;
}

/** A copy has another number, or the same one on another disk and another age. */
async function markOfFolder(folder: string): Promise<string> {
  const { ino, birthtimeNs } = await stat(folder, { bigint: true });
  return `${String(ino)}-${String(birthtimeNs)}`;
}

async function readKnown(path: string): Promise<{ readonly id: string; readonly mark: string } | undefined> {
  let text: string;
  try {
    text = (await readFileWithin(path, maxBytes, undefined)).toString();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
  try {
    const { id, mark } = JSON.parse(text) as { readonly id?: unknown; readonly mark?: unknown };
    if (typeof id === "string" && /^[0-9a-f-]{36}$/.test(id) && typeof mark === "string") return { id, mark };
  } catch {
    // Below.
  }
  throw unreadable(path, new FileFault("it holds no id; remove it, and the folder gets a new one"));
}

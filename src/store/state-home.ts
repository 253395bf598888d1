import { stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, FileFault, unreadable } from "../system/errors.js";
import { readFileWithin } from "../system/read-file.js";
import { replaceFile } from "../system/replace-file.js";

/** Where the state of a base folder is. Two homes would each know half of the containers. */
export type StateHome =
  | { readonly backend: "embedded" }
  /** Which Redis is no matter: it may move to another host. */
  | { readonly backend: "redis"; readonly namespace: string };

/** Largest file of a home, in bytes. */
const maxBytes = 4_096;
const fileName = "state-home.json";

/** Folder of the embedded state. @param folder the one that is ours in the base folder */
export const embeddedFolder = (folder: string): string => join(folder, "state");

/** Reads where the state of a folder is. @returns undefined if it never had one @throws {FileError} UNREADABLE */
export async function readStateHome(folder: string): Promise<StateHome | undefined> {
  const path = join(folder, fileName);
  let text: string;
  try {
    text = (await readFileWithin(path, maxBytes, undefined)).toString();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw unreadable(path, error);
    // Before there was a choice, there was no such file.
    return (await isThere(embeddedFolder(folder))) ? { backend: "embedded" } : undefined;
  }
  const home = parseHome(text);
  if (home === undefined) throw unreadable(path, new FileFault("it does not say where the state is"));
  return home;
}

/** @throws {FileError} */
export async function writeStateHome(folder: string, home: StateHome): Promise<void> {
  await replaceFile(join(folder, fileName), `${JSON.stringify(home)}\n`, { mode: 0o600 });
}

export const isSameHome = (one: StateHome, other: StateHome): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

function parseHome(text: string): StateHome | undefined {
  try {
    const { backend, namespace } = JSON.parse(text) as { backend?: unknown; namespace?: unknown };
    if (backend === "embedded") return { backend };
    if (backend === "redis" && typeof namespace === "string") return { backend, namespace };
  } catch {
    // None.
  }
  return undefined;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw unreadable(path, error);
  }
}

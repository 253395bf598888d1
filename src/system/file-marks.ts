/** What a path leads to, and whether it is still the file that was seen. */
import type { BigIntStats } from "node:fs";
import { readlink, realpath, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { codeOf, FileFault, unreadable } from "./errors.js";

/** Tells whether a file is still the one that was read: any rewrite or replacement changes it. */
export type FileMark = string;

/** The file does not exist. */
export const absent: FileMark = "absent";

/** @throws {FileError} UNREADABLE: also for a folder, a pipe, a device, and a link that leads nowhere */
export async function markOf(path: string): Promise<FileMark> {
  try {
    const stats = await stat(path, { bigint: true });
    requireRegular(stats);
    return markFrom(stats);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw unreadable(path, error);
  }
  await requireFolderOfLink(path);
  return absent;
}

/** A rename keeps each part, so that a temporary file has the mark it will have in its place. */
export const markFrom = ({ ino, size, mtimeNs }: BigIntStats): FileMark =>
  `${String(ino)}-${String(size)}-${String(mtimeNs)}`;

/** Opening a pipe waits for its other end, and reading a device may never end. @throws {FileFault} */
export function requireRegular(stats: { isFile(): boolean }): void {
  if (!stats.isFile()) throw new FileFault("it is not a regular file");
}

/** Links one after the other, as Linux follows them. */
const maxLinks = 40;

/** The file that a path leads to through links, whether it exists or not. */
export async function targetOf(path: string): Promise<string> {
  let target = path;
  for (let count = 0; count < maxLinks; count += 1) {
    let next: string;
    try {
      next = await readlink(target);
    } catch {
      return target;
    }
    target = resolve(await realpath(dirname(target)), next);
  }
  throw new FileFault("its links lead in a circle");
}

/**
 * A link to a file that is yet to be made counts as absent. Where its folder is missing too, a disk is rather not
 * mounted: taking that for an empty file would drop all that it holds.
 */
async function requireFolderOfLink(path: string): Promise<void> {
  try {
    const target = await targetOf(path);
    if (target !== path) await stat(dirname(target));
  } catch (error) {
    const isMissing = codeOf(error) === "ENOENT";
    throw unreadable(path, isMissing ? new FileFault("its link leads nowhere") : error);
  }
}

/** When the file was written, by the clock of its disk, in milliseconds since 1970. */
export const markTimeMs = (mark: FileMark): number =>
  mark === absent ? 0 : Number(BigInt(mark.slice(mark.lastIndexOf("-") + 1)) / 1_000_000n);

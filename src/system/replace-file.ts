import { randomBytes } from "node:crypto";
import { type BigIntStats, write as writeCallback } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { codeOf, unwritable } from "./errors.js";
import { failpoint } from "./failpoint.js";
import { syncFolder } from "./sync-folder.js";
import { type FileMark, markFrom, markOf, requireRegular, targetOf } from "./file-marks.js";

/** A text, or its pieces as they are made: a large text is never in memory as a whole. */
export type FileText = string | AsyncIterable<string>;

export interface ReplaceOptions {
  /** Permissions; without, those of the old file. */
  readonly mode?: number;
  /** The file is replaced only if it still has this mark just before. */
  readonly expectedMark?: FileMark;
  /** Once aborted, nothing more is changed. */
  readonly signal?: AbortSignal;
}

/**
 * Replaces a file so that a reader sees the old text or the new one, also after a power cut: temporary file, fsync,
 * rename, fsync of the folder. Links are written through, to a file that is yet to be made as well.
 *
 * Not by a library: the mark must be the temporary file's, or a foreign rewrite right after the rename would pass for
 * ours, and the last look at the old file must come right before the rename.
 *
 * @returns the mark of the new file; undefined if the old one is not the expected one, and stays
 * @throws {FileError} FULL, READ_ONLY; the old file stays; UNREADABLE: the old file, when a mark is expected
 */
export async function replaceFile(
  path: string,
  text: FileText,
  options: ReplaceOptions = {},
): Promise<FileMark | undefined> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const target = await targetOf(path);
    const temporary = join(dirname(target), temporaryName(basename(target)));
    try {
      const mark = await writeTemporary(temporary, text, await statsOf(target), options);
      failpoint("replace.synced", target);
      const { expectedMark, signal } = options;
      if (expectedMark !== undefined && (await markOf(path)) !== expectedMark) return undefined;
      signal?.throwIfAborted();
      await rename(temporary, target);
      failpoint("replace.renamed", target);
      await syncFolder(dirname(target));
      failpoint("replace.settled", target);
      return mark;
    } finally {
      await rm(temporary, { force: true });
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Writes the new text beside the old file, on the disk when this resolves. @returns its mark */
async function writeTemporary(
  path: string,
  text: FileText,
  old: BigIntStats | undefined,
  options: ReplaceOptions,
): Promise<FileMark> {
  const kept = old === undefined ? undefined : Number(old.mode & 0o7777n);
  const mode = options.mode ?? kept;
  options.signal?.throwIfAborted();
  const handle = await open(path, "wx", mode ?? 0o666);
  try {
    await dressAs(handle, old, mode);
    failpoint("replace.opened", path);
    await writeAll(handle, text, options.signal);
    failpoint("replace.filled", path);
    options.signal?.throwIfAborted();
    await handle.sync();
    return markFrom(await handle.stat({ bigint: true }));
  } finally {
    await handle.close();
  }
}

async function writeAll(handle: FileHandle, text: FileText, signal: AbortSignal | undefined): Promise<void> {
  if (typeof text === "string") {
    await handle.writeFile(text);
    return;
  }
  // One buffer for all pieces: hundreds of them, and the small ones that FileHandle makes for each call, set off the
  // garbage collector where much is in memory.
  let buffer = Buffer.alloc(0);
  for await (const piece of text) {
    signal?.throwIfAborted();
    const byteCount = Buffer.byteLength(piece);
    if (byteCount > buffer.length) buffer = Buffer.allocUnsafeSlow(2 * byteCount);
    buffer.write(piece);
    for (let at = 0; at < byteCount; ) {
      const { bytesWritten } = await write(handle.fd, buffer, at, byteCount - at);
      at += bytesWritten;
    }
  }
}

const write = promisify(writeCallback);

/** Only root may give a file away, and some file systems know no owners: what can be kept is kept. */
async function dressAs(
  handle: FileHandle,
  old: BigIntStats | undefined,
  mode: number | undefined,
): Promise<void> {
  const now = await handle.stat({ bigint: true });
  if (old !== undefined && (old.uid !== now.uid || old.gid !== now.gid)) {
    await handle.chown(Number(old.uid), Number(old.gid)).catch(() => undefined);
  }
  // After the owner: giving a file away takes bits from its mode, as does the umask.
  if (mode !== undefined) await handle.chmod(mode).catch(() => undefined);
}

async function statsOf(path: string): Promise<BigIntStats | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    requireRegular(stats);
    return stats;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const temporaryName = (name: string): string =>
  `.${name}.${String(process.pid)}-${randomBytes(6).toString("hex")}.tmp`;

/**
 * Removes what a process that was cut short left beside a file. Only for files that nobody but the caller replaces so.
 *
 * @returns how many there were
 */
export async function removeTemporaries(path: string): Promise<number> {
  const target = await targetOf(path).catch(() => path);
  const beginning = `.${basename(target)}.`;
  const names = await readdir(dirname(target)).catch(() => []);
  const stale = names.filter(
    (name) => name.startsWith(beginning) && /^[0-9]+-[0-9a-f]{12}\.tmp$/.test(name.slice(beginning.length)),
  );
  for (const name of stale) await rm(join(dirname(target), name), { force: true });
  return stale.length;
}

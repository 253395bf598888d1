/** A file that one process has at a time. It is never empty, and never another's that is taken away. */
import { randomUUID } from "node:crypto";
import { linkSync, lstatSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";

/** A lock file as it was found. */
export interface SeenLock {
  /** Tells it from any other that has the path later. */
  readonly identity: string;
  readonly writtenAtMs: number;
  /** Of the process that holds it; absent = the file does not tell. */
  readonly pid: number | undefined;
}

export interface Lock {
  /** Whether it has been taken away from us. */
  isHeld(): boolean;
  /** Gives it back, unless it is not ours any more. */
  release(): void;
}

export interface LockTaker {
  /** @returns undefined if there is a lock already */
  tryToTake(): Lock | undefined;
  /** Must be called in the end, whether the lock was taken or not. */
  close(): void;
}

/**
 * Prepares the lock under a name of its own and then links it to the name that counts: a process that is killed in
 * between leaves no lock behind that says nothing. Where there are no hard links there are no Unix sockets either.
 */
export function makeLockTaker(lockPath: string): LockTaker {
  const ownPath = `${lockPath}.${randomUUID()}`;
  writeFileSync(ownPath, String(process.pid), { flag: "wx", mode: 0o600 });
  return {
    tryToTake: () => {
      const now = new Date();
      // Its age counts from the taking on, not from when we began to wait.
      utimesSync(ownPath, now, now);
      try {
        linkSync(ownPath, lockPath);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
        throw error;
      }
      return lockOf(lockPath, identityOf(ownPath));
    },
    close: () => rmSync(ownPath, { force: true }),
  };
}

/** @returns undefined if there is none */
export function lookAtLock(lockPath: string): SeenLock | undefined {
  const identity = identityOf(lockPath);
  const stat = lstatSync(lockPath, { throwIfNoEntry: false });
  if (identity === undefined || stat === undefined) return undefined;
  const pid = readPid(lockPath);
  // Another one by now: what was read may belong to either.
  if (identityOf(lockPath) !== identity) return undefined;
  return { identity, writtenAtMs: stat.mtimeMs, pid };
}

export const lockAgeMs = ({ writtenAtMs }: SeenLock): number => Date.now() - writtenAtMs;

/**
 * Takes away a lock that was judged to be nobody's. Another taker may have judged it too, broken it and taken a lock
 * of its own since: what is moved aside is looked at, and put back if it is not the one that was judged. Should a
 * third one have taken the free name in that instant, whoever lost its lock finds out by `isHeld`.
 */
export function breakLock(lockPath: string, judged: SeenLock): void {
  if (identityOf(lockPath) !== judged.identity) return;
  const asidePath = `${lockPath}.${randomUUID()}`;
  try {
    renameSync(lockPath, asidePath);
    if (identityOf(asidePath) !== judged.identity) linkSync(asidePath, lockPath);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    rmSync(asidePath, { force: true });
  }
}

function lockOf(lockPath: string, own: string | undefined): Lock {
  const isHeld = (): boolean => own !== undefined && identityOf(lockPath) === own;
  return {
    isHeld,
    release: () => {
      if (isHeld()) rmSync(lockPath, { force: true });
    },
  };
}

/** The number of an inode is given again as soon as it is free: the time tells two files of the same number apart. */
function identityOf(path: string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev}:${stat.ino}:${stat.mtimeNs}`;
}

function readPid(lockPath: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(lockPath, "utf8");
  } catch {
    return undefined;
  }
  return /^[1-9][0-9]*$/.test(text) ? Number(text) : undefined;
}

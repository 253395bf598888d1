import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { breakLock, type Lock, lockAgeMs, lookAtLock, makeLockTaker, type SeenLock } from "./lock-file.js";

/** Another gateway owns the base folder. */
export class BaseFolderTakenError extends Error {
  override readonly name = "BaseFolderTakenError";
  readonly socketPath: string;

  constructor(socketPath: string) {
    super(`another gateway owns this base folder: it serves at ${socketPath}`);
    this.socketPath = socketPath;
  }
}

/** How long to wait for another process that takes the folder over at this moment, in milliseconds. */
const takeoverWaitMs = 3_000;
const takeoverPollMs = 25;

/** Tells whether a process serves at a Unix socket. One that may not be asked counts as alive. */
export async function isGatewayAlive(socketPath: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.setTimeout(1_000);
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(true));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(!["ENOENT", "ECONNREFUSED"].includes(error.code ?? "")),
    );
    const end = (isAlive: boolean): void => {
      socket.destroy();
      resolve(isAlive);
    };
  });
}

/**
 * Makes this process the owner of a base folder: `openSocket` is called when nobody serves at the path, and by one
 * process at a time. A socket that a dead process left behind is taken over.
 *
 * @throws {BaseFolderTakenError}
 */
export async function takeBaseFolder<T>(socketPath: string, openSocket: () => Promise<T>): Promise<T> {
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  const deadlineMs = performance.now() + takeoverWaitMs;
  for (;;) {
    const lock = await takeLock(socketPath, deadlineMs);
    try {
      if (await isGatewayAlive(socketPath)) throw new BaseFolderTakenError(socketPath);
      // Who slept here for longer than others wait (a laptop that was closed) may have lost the lock.
      if (lock.isHeld()) return await openSocket();
    } finally {
      lock.release();
    }
  }
}

/** Waits for the lock. One left by a dead process, or by one that hangs, is taken away. */
async function takeLock(socketPath: string, deadlineMs: number): Promise<Lock> {
  const lockPath = `${socketPath}.lock`;
  const taker = makeLockTaker(lockPath);
  let watched: (SeenLock & { readonly sinceMs: number }) | undefined;
  try {
    for (;;) {
      const lock = taker.tryToTake();
      if (lock !== undefined) return lock;
      const seen = lookAtLock(lockPath);
      if (seen === undefined) {
        await delay(0); // Given back in between.
        continue;
      }
      if (watched?.identity !== seen.identity) watched = { ...seen, sinceMs: performance.now() };
      if (isAbandoned(seen, watched.sinceMs)) breakLock(lockPath, seen);
      else if (performance.now() > deadlineMs + takeoverPollMs) throw new BaseFolderTakenError(socketPath);
      else await delay(takeoverPollMs);
    }
  } finally {
    taker.close();
  }
}

/**
 * A lock is held for an instant, so an old one is nobody's, whoever has the process number by now. Its age is what
 * the file says, and at least how long we have looked at it: a file may come from the future.
 */
function isAbandoned(seen: SeenLock, watchedSinceMs: number): boolean {
  return (
    !isProcessAlive(seen.pid) ||
    lockAgeMs(seen) > takeoverWaitMs ||
    performance.now() - watchedSinceMs > takeoverWaitMs
  );
}

/** One that is not told, and one of another user, count as alive. */
function isProcessAlive(pid: number | undefined): boolean {
  if (pid === undefined) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

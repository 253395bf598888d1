import { mkdir, open, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";

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
  const lockPath = `${socketPath}.lock`;
  await lock(lockPath, socketPath);
  try {
    if (await isGatewayAlive(socketPath)) throw new BaseFolderTakenError(socketPath);
    return await openSocket();
  } finally {
    await rm(lockPath, { force: true });
  }
}

/** Holds a file that only one process can create. One left by a dead process, or by one that hangs, is taken away. */
async function lock(lockPath: string, socketPath: string): Promise<void> {
  const deadlineMs = performance.now() + takeoverWaitMs;
  for (;;) {
    try {
      const file = await open(lockPath, "wx", 0o600);
      await file.writeFile(String(process.pid));
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (await isOwnerDead(lockPath)) await rm(lockPath, { force: true });
    else if (performance.now() > deadlineMs) throw new BaseFolderTakenError(socketPath);
    else await new Promise((resolve) => setTimeout(resolve, takeoverPollMs));
  }
}

async function isOwnerDead(lockPath: string): Promise<boolean> {
  const pid = Number(await readFile(lockPath, "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

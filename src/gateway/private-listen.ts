import { once } from "node:events";
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import type { Server } from "node:net";
import { platform } from "node:os";
import { dirname, join } from "node:path";

/**
 * What sockaddr_un holds before its final NUL, in bytes: 108 on Linux, 104 on BSD and macOS.
 *
 * `config/socket-path.ts` says the same: it chooses a path that fits, this refuses one that does not, and neither room
 * may import the other. test/unit/cli-borders.test.ts compares the two.
 */
export const maxListenPathBytes = platform() === "linux" ? 107 : 103;

/**
 * Listens on a Unix socket that has mode 0600 from the first instant, in place of whatever had the path.
 *
 * bind() gives the file the mode of the umask, and a umask is the whole process's, so another thread's mkdir could
 * get it too. The socket is therefore made in a folder that only we may enter and moved out when it is ready: the
 * path never has a wider mode, and never names a socket that nobody listens on yet.
 *
 * @returns takes the path away, unless somebody else has taken it over meanwhile
 */
export async function listenOnPath(server: Server, path: string): Promise<() => void> {
  // The shorter private path may well fit, and then the socket would be there and nobody could connect to it.
  if (Buffer.byteLength(path) > maxListenPathBytes) {
    throw new Error(`the socket path is longer than ${maxListenPathBytes} bytes: ${path}`);
  }
  const privateFolder = mkdtempSync(join(dirname(path), ".s"));
  const hiddenPath = join(privateFolder, "s");
  try {
    server.listen(hiddenPath);
    await once(server, "listening");
    chmodSync(hiddenPath, 0o600);
    renameSync(hiddenPath, path);
    rmdirSync(privateFolder);
  } catch (error) {
    server.close();
    rmSync(privateFolder, { recursive: true, force: true });
    throw error;
  }
  const own = lstatSync(path).ino;
  return () => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.ino === own) unlinkSync(path);
  };
}

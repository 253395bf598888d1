import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, realpathSync, type Stats } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "./errors.js";

/**
 * Longest path of a Unix socket, in bytes, without the closing NUL: Linux keeps 108 for both, BSD and macOS 104.
 *
 * `gateway/private-listen.ts` says the same, because neither room may import the other;
 * test/unit/cli-borders.test.ts compares the two.
 */
export const maxSocketPathBytes = platform() === "linux" ? 107 : 103;

export interface SocketPathOptions {
  /** Where the socket of a base folder with a long path goes. @default the system's temp folder */
  readonly tempDir?: string;
  /** Who must own the folder there. @default the user of this process */
  readonly uid?: number | undefined;
}

/**
 * Where the gateway that owns a base folder listens for the command line: `.p2prc/gateway.sock` in that folder.
 *
 * If that is too long for a socket: a name made from the base folder's path, in a folder of this user (0700) under the
 * temp folder, which is made. Everybody can write to the temp folder, so the folder is looked at before it is
 * trusted. The real path counts in both cases: through a symbolic link the same base folder has the same socket.
 *
 * @throws {ConfigError} there is no base folder; the folder in the temp folder belongs to somebody else, is open to
 *   others or is none; the path there is too long as well
 */
export function socketPathOf(baseDir: string, options: SocketPathOptions = {}): string {
  const base = realPathOf(baseDir);
  const near = join(base, ".p2prc", "gateway.sock");
  if (Buffer.byteLength(near) <= maxSocketPathBytes) return near;
  const { tempDir = tmpdir(), uid = process.getuid?.() } = options;
  const folder = join(tempDir, `p2prc-${uid ?? "user"}`);
  const far = join(folder, `${createHash("sha256").update(base).digest("hex").slice(0, 32)}.sock`);
  if (Buffer.byteLength(far) > maxSocketPathBytes) {
    throw new ConfigError(
      `a socket's path has at most ${maxSocketPathBytes} bytes; ${near} and ${far} are longer: ` +
        "use a base folder or a temp folder (TMPDIR) with a shorter path",
    );
  }
  const complaint = complaintAbout(makeFolder(folder), uid);
  if (complaint !== undefined) throw new ConfigError(`${folder} ${complaint}: no socket is put there`);
  return far;
}

function realPathOf(baseDir: string): string {
  try {
    return realpathSync(baseDir);
  } catch (error) {
    throw new ConfigError(`the base folder ${baseDir} cannot be found`, { cause: error });
  }
}

/** Makes the folder if it is missing. @returns what is there now; a symbolic link is not followed */
function makeFolder(folder: string): Stats {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST") {
      throw new ConfigError(`${folder} cannot be made (${code ?? "unknown reason"})`, { cause: error });
    }
  }
  return lstatSync(folder);
}

function complaintAbout(folder: Stats, uid: number | undefined): string | undefined {
  if (!folder.isDirectory()) return "is not a folder";
  if (uid !== undefined && folder.uid !== uid) return `belongs to another user (uid ${folder.uid})`;
  if ((folder.mode & 0o077) !== 0) return "is open to other users";
  return undefined;
}

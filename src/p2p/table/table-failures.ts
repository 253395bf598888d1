/** What failed on a file of the table, in this room's words. */
import { DiskTime } from "../../system/disk-time.js";
import { codeOf, FileError, FileFault } from "../../system/errors.js";
import { P2pError, type P2pReason } from "../errors.js";
import { tableLimits } from "../limits.js";

/** What the names of files stand for in errors: callers are told no path. */
export type FileSubject = "IP table file" | "side file of the IP table";

/** Work on the table's files in limited time. */
export class TableDisk {
  readonly #time: DiskTime;

  constructor(timeoutMs: number = tableLimits.diskTimeoutMs) {
    this.#time = new DiskTime(timeoutMs);
  }

  /** @throws {P2pError} `reason`: no answer in time; or what became of the file; or what `work` throws */
  async limit<T>(reason: P2pReason, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#time.limit(work);
    } catch (error) {
      throw error instanceof FileError ? this.#failure(error, reason) : error;
    }
  }

  #failure(error: FileError, reason: P2pReason): P2pError {
    const cause = { path: error.path, cause: error };
    switch (error.failure) {
      case "UNREADABLE":
        return unreadableTable(error.path, error);
      case "FULL":
        return new P2pError("DISK_FULL", `the IP table cannot be written (${error.why})`, { cause });
      case "READ_ONLY":
        return new P2pError("IP_TABLE_READ_ONLY", `the IP table cannot be written (${error.why})`, { cause });
      case "SILENT": {
        const limit = `limit ${String(this.#time.timeoutMs)} ms`;
        return new P2pError(reason, `the disk with the IP table does not answer (${limit})`, { cause });
      }
    }
  }
}

export function unreadableTable(
  path: string,
  cause: unknown,
  subject: FileSubject = "IP table file",
): P2pError {
  const why = whyOf(cause) ?? "it is not an IP table";
  return new P2pError("IP_TABLE_UNREADABLE", `the ${subject} cannot be read (${why}); it stays as it is`, {
    cause: { path, cause },
  });
}

function whyOf(cause: unknown): string | undefined {
  if (cause instanceof FileError) return cause.why;
  return cause instanceof FileFault ? cause.message : codeOf(cause);
}

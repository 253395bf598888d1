/** Why work on a file failed. The rooms give it a reason of their own. */
export type FileFailure =
  /** The disk or the quota takes no more. */
  | "FULL"
  /** It cannot be written: permissions, a read-only disk, a folder in its place, a broken disk. */
  | "READ_ONLY"
  /** It cannot be read: permissions, no regular file, larger than the limit, a link that leads nowhere. */
  | "UNREADABLE"
  /** The disk did not answer in time. */
  | "SILENT";

/** The failure of one piece of work on a file. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly failure: FileFailure;
  /** Why, in words that a caller may read: no path, nothing of what the file holds. */
  readonly why: string;
  /** For the log; empty = no single file. */
  readonly path: string;

  constructor(failure: FileFailure, why: string, path: string, cause?: unknown) {
    super(`${failure}: ${why}`, { cause });
    this.failure = failure;
    this.why = why;
    this.path = path;
  }
}

export const isSilence = (error: unknown): boolean =>
  error instanceof FileError && error.failure === "SILENT";

/** What is wrong with a file, found by us and not by the system; in words that a caller may read. */
export class FileFault extends Error {
  override readonly name = "FileFault";
}

/** The system's name for what went wrong. */
export function codeOf(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null ? (error as { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Says that a file cannot be read, and why. */
export function unreadable(path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const why = cause instanceof FileFault ? cause.message : (codeOf(cause) ?? "unknown error");
  return new FileError("UNREADABLE", why, path, cause);
}

/** Says that a file cannot be written, and why. */
export function unwritable(path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const code = codeOf(cause);
  const why = cause instanceof FileFault ? cause.message : (code ?? "unknown error");
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new FileError(isFull ? "FULL" : "READ_ONLY", why, path, cause);
}

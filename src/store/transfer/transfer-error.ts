import { codeOf, FileError, FileFault } from "../../system/errors.js";

/** A state was not moved. The message is for the person who moves it. */
export class TransferError extends Error {
  override readonly name: string = "TransferError";
}

/** Its file cannot be read, whatever it holds. */
export class UnreadError extends TransferError {
  override readonly name = "UnreadError";
}

/** @param file as it is named to the person */
export function unread(cause: unknown, file = "the file"): UnreadError {
  const why =
    cause instanceof FileError
      ? `its disk does not answer (${cause.why})`
      : cause instanceof FileFault
        ? cause.message
        : (codeOf(cause) ?? String(cause));
  return new UnreadError(`${file} cannot be read: ${why}`, { cause });
}

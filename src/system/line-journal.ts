import { type FileHandle, open } from "node:fs/promises";
import { codeOf, unreadable, unwritable } from "./errors.js";
import { failpoint } from "./failpoint.js";
import { readFileWithin } from "./read-file.js";
import { removeTemporaries, replaceFile } from "./replace-file.js";

/** Largest journal that is read, in bytes. */
const maxReadBytes = 256 * 1024 * 1024;

/**
 * A file that lines are added to, each on the disk before it counts. Only its owner may read it (0600).
 *
 * Work on it is done one after the other, in the order in which it was asked for.
 */
export class LineJournal {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #byteCount = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  get byteCount(): number {
    return this.#byteCount;
  }

  /** Reads the lines; without the last one if it was cut short, by a crash or a full disk. An earlier one may be so too. @throws {FileError} UNREADABLE */
  async read(): Promise<readonly string[]> {
    return await this.#inTurn(async () => {
      try {
        const text = (await readFileWithin(this.#path, maxReadBytes, undefined)).toString();
        return text.split("\n").slice(0, -1);
      } catch (error) {
        if (codeOf(error) === "ENOENT") return [];
        throw unreadable(this.#path, error);
      }
    });
  }

  /** Adds a line. @param isDurable whether it is on the disk when this resolves @throws {FileError} FULL, READ_ONLY */
  async append(line: string, isDurable: boolean): Promise<void> {
    await this.#inTurn(async () => {
      try {
        this.#handle ??= await this.#open();
        const bytes = Buffer.from(`${line}\n`);
        this.#byteCount += bytes.byteLength;
        await this.#handle.appendFile(bytes);
        failpoint("journal.written", this.#path);
        if (isDurable) await this.#handle.datasync();
      } catch (error) {
        // It may be there in part: whoever opens it anew ends that line.
        await this.#drop();
        throw unwritable(this.#path, error);
      }
    });
  }

  /** Replaces all lines. @throws {FileError} FULL, READ_ONLY */
  async rewrite(lines: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      await this.#drop();
      const text = lines.map((line) => `${line}\n`).join("");
      await replaceFile(this.#path, text, { mode: 0o600 });
      await removeTemporaries(this.#path);
      this.#byteCount = Buffer.byteLength(text);
    });
  }

  /** Takes all lines out. Not durable: a crash may bring them back. @throws {FileError} READ_ONLY */
  async clear(): Promise<void> {
    await this.#inTurn(async () => {
      try {
        this.#handle ??= await this.#open();
        await this.#handle.truncate(0);
        this.#byteCount = 0;
      } catch (error) {
        throw unwritable(this.#path, error);
      }
    });
  }

  /** Resolves when what was asked for is done and the file is closed. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#drop());
  }

  /** Opens it behind a whole line: one that was cut short would swallow the next. */
  async #open(): Promise<FileHandle> {
    const handle = await open(this.#path, "a+", 0o600);
    try {
      const { size } = await handle.stat();
      const last = Buffer.alloc(1);
      if (size > 0) await handle.read(last, 0, 1, size - 1);
      if (size > 0 && last.toString() !== "\n") await handle.appendFile("\n");
      return handle;
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  async #drop(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => undefined);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return await turn;
  }
}

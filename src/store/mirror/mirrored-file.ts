import { copyFile, link, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../../system/clock.js";
import type { DiskTime } from "../../system/disk-time.js";
import { codeOf, unreadable, unwritable } from "../../system/errors.js";
import { failpoint } from "../../system/failpoint.js";
import { absent, type FileMark, markOf, markTimeMs } from "../../system/file-marks.js";
import { readFileWithin } from "../../system/read-file.js";
import { type FileText, replaceFile } from "../../system/replace-file.js";
import type { MirrorTimes } from "./limits.js";

/** What stands in the file. */
export type Look =
  /** What we wrote or took over last. */
  | { readonly kind: "same" }
  /** Somebody is writing it. */
  | { readonly kind: "unsettled" }
  | {
      readonly kind: "foreign";
      /** Absent = there is no file. */
      readonly bytes: Buffer | undefined;
      readonly mark: FileMark;
      /** When it was written, by the clock of its disk. */
      readonly writtenMs: number;
    };

export interface MirroredFileOptions {
  readonly clock: Clock;
  readonly disk: DiskTime;
  readonly times: MirrorTimes;
}

/** One file that others write too. Nothing here knows what is in it. */
export class MirroredFile {
  readonly path: string;
  readonly #options: MirroredFileOptions;
  #known: FileMark | undefined;
  #isForeign = false;

  constructor(path: string, options: MirroredFileOptions) {
    this.path = path;
    this.#options = options;
  }

  /** @throws {FileError} UNREADABLE, SILENT */
  async look(): Promise<Look> {
    const { clock, disk, times } = this.#options;
    const first = await disk.limit(() => markOf(this.path));
    if (first === this.#known) return { kind: "same" };
    await new Promise<void>((resolve) => void clock.after(times.settleMs, resolve));
    return await disk.limit(async (signal) => {
      const mark = await markOf(this.path);
      if (mark !== first) return { kind: "unsettled" };
      if (mark === absent) return { kind: "foreign", bytes: undefined, mark, writtenMs: clock.nowMs() };
      const bytes = await this.#read(signal);
      if (bytes === undefined || (await markOf(this.path)) !== mark) return { kind: "unsettled" };
      // A time of the future would make everything look long held.
      return { kind: "foreign", bytes, mark, writtenMs: Math.min(markTimeMs(mark), clock.nowMs()) };
    });
  }

  /** What stands there now has been merged; the next write keeps a copy of it. */
  adopt(mark: FileMark): void {
    this.#known = mark;
    this.#isForeign = mark !== absent;
  }

  /**
   * Replaces the file, if it still is what was adopted or written last.
   *
   * @returns when it was written, by the clock of its disk; undefined: others wrote it meanwhile, and it stays
   * @throws {FileError} FULL, READ_ONLY, UNREADABLE, SILENT
   */
  async replace(text: () => FileText): Promise<number | undefined> {
    const expectedMark = this.#known ?? absent;
    return await this.#options.disk.limit(async (signal) => {
      if (this.#isForeign) {
        await this.#keepCopy();
        this.#isForeign = false;
        failpoint("mirror.copied", this.path);
      }
      // Others on this machine have no business with the passwords in it.
      const mode = expectedMark === absent ? { mode: 0o600 } : {};
      const mark = await replaceFile(this.path, text(), { ...mode, expectedMark, signal });
      if (mark === undefined) return undefined;
      this.#known = mark;
      return markTimeMs(mark);
    });
  }

  /**
   * Gives the file another name beside it, `NAME.SUFFIX-TIME`; of these too only the newest are kept.
   *
   * @returns that name
   * @throws {FileError} READ_ONLY, SILENT
   */
  async moveAside(suffix: string): Promise<string> {
    return await this.#options.disk.limit(async () => {
      const aside = `${this.path}.${suffix}-${this.#timeText()}`;
      try {
        await rename(this.path, aside);
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw unwritable(this.path, error);
      }
      this.#known = absent;
      this.#isForeign = false;
      failpoint("mirror.movedAside", this.path);
      await this.#forgetOldest(suffix);
      return basename(aside);
    });
  }

  async #read(signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      return await readFileWithin(this.path, this.#options.times.maxFileBytes, signal);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw unreadable(this.path, error);
    }
  }

  /** A second name for the file as it is: its replacement takes only the first. */
  async #keepCopy(): Promise<void> {
    const copy = `${this.path}.bak-${this.#timeText()}`;
    try {
      await link(this.path, copy);
    } catch {
      // Some disks know no second names. A copy that cannot be made must not keep the state from being written.
      await copyFile(this.path, copy).catch(() => rm(copy, { force: true }));
    }
    await this.#forgetOldest("bak");
  }

  /** Their names sort by time. */
  async #forgetOldest(suffix: string): Promise<void> {
    const beginning = `${basename(this.path)}.${suffix}-`;
    const names = await readdir(dirname(this.path)).catch(() => []);
    const asides = names.filter((name) => name.startsWith(beginning)).sort();
    for (const name of asides.slice(0, -this.#options.times.maxBackups)) {
      await rm(join(dirname(this.path), name), { force: true });
    }
  }

  #timeText(): string {
    return new Date(this.#options.clock.nowMs()).toISOString().replaceAll(":", "-");
  }
}

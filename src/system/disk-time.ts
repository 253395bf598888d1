import { FileError } from "./errors.js";

/**
 * Gives work on files a time limit. A hung network disk cannot be called off: the work is left to itself, told by its
 * signal to do nothing more, and until it settles every other work is refused at once. So a queue of callers does not
 * wait one limit each, and no more than one of the few threads that Node has for files and names is held.
 */
export class DiskTime {
  readonly timeoutMs: number;
  #isHung = false;

  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
  }

  /** @throws {FileError} SILENT: no answer in time; or what `work` throws */
  async limit<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isHung) throw this.#silence();
    const controller = new AbortController();
    const working = work(controller.signal);
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = this.#silence();
        this.#isHung = true;
        controller.abort(error);
        const recover = (): void => void (this.#isHung = false);
        working.then(recover, recover);
        reject(error);
      }, this.timeoutMs);
    });
    try {
      return await Promise.race([working, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  #silence(): FileError {
    return new FileError("SILENT", `no answer within ${String(this.timeoutMs)} ms`, "");
  }
}

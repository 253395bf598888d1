import { FileError } from "./errors.js";

/** From now on the time counts anew. @param moreMs what the next step may take besides */
export type Moves = (moreMs?: number) => void;

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

  /** Work was left to itself and has not settled. */
  get isHung(): boolean {
    return this.#isHung;
  }

  /**
   * @param work what takes long for its size calls `moves` whenever it has come further
   * @throws {FileError} SILENT: no answer in time; or what `work` throws
   */
  async limit<T>(work: (signal: AbortSignal, moves: Moves) => Promise<T>): Promise<T> {
    if (this.#isHung) throw this.#silence();
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    let giveUp = (): void => undefined;
    const moves = (moreMs = 0): void => {
      clearTimeout(timer);
      if (!controller.signal.aborted) timer = setTimeout(() => giveUp(), this.timeoutMs + moreMs);
    };
    moves();
    const working = work(controller.signal, moves);
    const silence = new Promise<never>((_, reject) => {
      giveUp = () => {
        const error = this.#silence();
        this.#isHung = true;
        controller.abort(error);
        const recover = (): void => void (this.#isHung = false);
        working.then(recover, recover);
        reject(error);
      };
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

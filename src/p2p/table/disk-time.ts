import { P2pError, type P2pReason } from "../errors.js";
import { tableLimits } from "../limits.js";

/**
 * Gives work on files a time limit. A hung network disk cannot be called off: the work is left to itself, told by its
 * signal to do nothing more, and until it settles every other work is refused at once. So a queue of callers does not
 * wait one limit each, and no more than one of the few threads that Node has for files and names is held.
 */
export class DiskTime {
  readonly #timeoutMs: number;
  #isHung = false;

  constructor(timeoutMs: number = tableLimits.diskTimeoutMs) {
    this.#timeoutMs = timeoutMs;
  }

  /** @throws {P2pError} `reason`: no answer in time; or what `work` throws */
  async limit<T>(reason: P2pReason, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isHung) throw this.#silence(reason);
    const controller = new AbortController();
    const working = work(controller.signal);
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = this.#silence(reason);
        this.#isHung = true;
        controller.abort(error);
        const recover = (): void => void (this.#isHung = false);
        working.then(recover, recover);
        reject(error);
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([working, silence]);
    } finally {
      clearTimeout(timer);
    }
  }

  #silence(reason: P2pReason): P2pError {
    return new P2pError(
      reason,
      `the disk with the IP table does not answer (limit ${String(this.#timeoutMs)} ms)`,
    );
  }
}

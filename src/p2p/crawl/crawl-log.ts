import type { CrawlEvent } from "../contract.js";
import { crawlLimits } from "../limits.js";
import { resumeExpired } from "./resume-token.js";

/** How many events go at once when the log is full: one by one would move the whole list each time. */
const trimmedAtOnce = 1_000;

/** The events of one crawl, for any number of readers, each at a place of its own. */
export class CrawlLog {
  readonly #events: CrawlEvent[] = [];
  #end: { readonly error?: unknown } | undefined;
  readonly #waiting = new Set<() => void>();

  append(event: CrawlEvent): void {
    this.#events.push(event);
    if (this.#events.length >= crawlLimits.maxLogEvents + trimmedAtOnce)
      this.#events.splice(0, trimmedAtOnce);
    this.#wake();
  }

  /** Ends the log after what was appended; with an error if the whole crawl failed. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  /** Whether a reader that has seen everything up to `sequence` can go on without a gap. */
  holdsAfter(sequence: number): boolean {
    return sequence >= this.#firstSequence - 1 && sequence <= (this.#events.at(-1)?.sequence ?? 0);
  }

  /**
   * Reads on after an event, and waits for more until the log ends or `signal` aborts.
   *
   * @throws {P2pError} RESUME_EXPIRED: the reader was so slow that events it had not seen are gone
   * @throws what the crawl failed with
   */
  async *after(sequence: number, signal: AbortSignal): AsyncGenerator<CrawlEvent> {
    let next = sequence + 1;
    while (!signal.aborted) {
      if (next < this.#firstSequence) throw resumeExpired();
      const event = this.#events[next - this.#firstSequence];
      if (event !== undefined) {
        next += 1;
        yield event;
      } else if (this.#end !== undefined) {
        if ("error" in this.#end) throw this.#end.error;
        return;
      } else await this.#change(signal);
    }
  }

  get #firstSequence(): number {
    return this.#events[0]?.sequence ?? 1;
  }

  async #change(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

import type { Logger } from "../../observability/logger.js";
import type { Clock } from "../../system/clock.js";
import type { CallerOptions, CrawlEvent, CrawlProgress, CrawlSummary, EndReason } from "../contract.js";
import type { Crawl } from "./crawl.js";
import type { IpTable } from "../table/ip-table.js";
import { crawlLimits } from "../limits.js";
import { applyCrawl, type CrawlFindings, type TableChange } from "../table/table-changes.js";

export interface SharedCrawlDeps {
  readonly clock: Clock;
  readonly table: IpTable;
  readonly logger: Logger;
}

/**
 * One crawl and those who watch it: it runs while somebody does, pauses when nobody does, and writes what it learnt at
 * each pause and at its end.
 */
export class SharedCrawl {
  readonly name: string;
  /** Resolves when the crawl is over and written; never rejects. */
  readonly written: Promise<void>;
  readonly #crawl: Crawl;
  readonly #deps: SharedCrawlDeps;
  readonly #startMs: number;
  #watcherCount = 0;
  #isPaused = false;
  #isOver = false;
  #addedCount = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(name: string, crawl: Crawl, deps: SharedCrawlDeps) {
    this.name = name;
    this.#crawl = crawl;
    this.#deps = deps;
    this.#startMs = deps.clock.monotonicMs();
    this.written = this.#writeWhenOver();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Where the crawl stands now. */
  get progress(): CrawlProgress {
    return this.#crawl.progress;
  }

  /** Whether nobody watches: the crawl stands still. */
  get isUnwatched(): boolean {
    return this.#watcherCount === 0;
  }

  /** Whether a reader that has seen everything up to `sequence` can go on without a gap. */
  holdsAfter(sequence: number): boolean {
    return this.#crawl.events.log.holdsAfter(sequence);
  }

  start(): void {
    this.#crawl.start();
  }

  /** Ends the crawl early; `written` says when it is written. */
  stop(reason: EndReason): void {
    this.#crawl.stop(reason);
  }

  /**
   * Reads the crawl's events after `sequence`. The caller's own deadline ends only this stream: with a
   * `completed` of its own, before the deadline comes, after what was learnt is written if nobody else watches.
   */
  async *watch(sequence: number, { signal, timeoutMs }: CallerOptions): AsyncGenerator<CrawlEvent> {
    const end = openEnd(this.#deps.clock, signal, timeoutMs);
    let last = sequence;
    let isWatching = true;
    this.#watcherCount += 1;
    void this.#adjust();
    const leave = async (): Promise<void> => {
      if (!isWatching) return;
      isWatching = false;
      this.#watcherCount -= 1;
      await this.#adjust();
    };
    try {
      for await (const event of this.#crawl.events.log.after(sequence, end.signal)) {
        last = event.sequence;
        yield event;
      }
      if (end.isDeadline()) {
        await leave();
        yield this.#deadlineEvent(last + 1);
      }
    } finally {
      end.close();
      await leave();
    }
  }

  /** Pauses or resumes, as there are watchers now; one change after the other. */
  async #adjust(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      const shallPause = this.#watcherCount === 0;
      if (this.#isOver || shallPause === this.#isPaused) return;
      this.#isPaused = shallPause;
      if (shallPause) {
        await this.#crawl.pause();
        await this.#writePause();
      } else this.#crawl.resume();
    });
    await this.#turn;
  }

  /** Silence is counted once a crawl, at its end: a pause only brings in who answered. */
  async #writePause(): Promise<void> {
    if (this.#isOver) return;
    const findings = { ...this.#crawl.findings, silent: new Set<string>(), blocked: new Set<string>() };
    try {
      this.#addedCount += (await this.#write(findings)).addedCount;
      this.#crawl.wrote(findings.answered.keys());
    } catch (error) {
      this.#deps.logger.error({ err: error }, "the IP table could not be written at a pause of a crawl");
    }
  }

  /** Writes what the crawl learnt and says so as its last event. A table that cannot be written fails the call. */
  async #writeWhenOver(): Promise<void> {
    const endReason = await this.#crawl.over;
    this.#isOver = true;
    const { events, findings } = this.#crawl;
    try {
      const change = await this.#write(findings);
      this.#addedCount += change.addedCount;
      events.emit({ kind: "completed", summary: this.#summary(findings, change.removedCount, endReason) });
      events.end();
    } catch (error) {
      this.#deps.logger.error({ err: error }, "the IP table could not be written after a crawl");
      events.end(error);
    }
  }

  async #write(findings: CrawlFindings): Promise<TableChange> {
    return await this.#deps.table.update((nodes) => applyCrawl(nodes, findings), { keepInMemory: true });
  }

  #summary(findings: CrawlFindings, removedCount: number, endReason: EndReason): CrawlSummary {
    return {
      activeCount: findings.answered.size,
      addedCount: this.#addedCount,
      removedCount,
      unreachable: [...findings.silent, ...findings.blocked].map((key) => `nodes/${key}`).sort(),
      elapsedMs: this.#deps.clock.monotonicMs() - this.#startMs,
      endReason,
    };
  }

  /** The end of one caller's stream, and no event of the crawl: the token before it still resumes. */
  #deadlineEvent(sequence: number): CrawlEvent {
    const summary = this.#summary(this.#crawl.findings, 0, "DEADLINE");
    return {
      sequence,
      resumeToken: "",
      timeMs: this.#deps.clock.nowMs(),
      progress: this.#crawl.progress,
      body: { kind: "completed", summary },
    };
  }
}

/** Aborts when the caller leaves, or early enough before its deadline for a last event to reach it. */
function openEnd(
  clock: Clock,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): { readonly signal: AbortSignal; isDeadline: () => boolean; close: () => void } {
  const controller = new AbortController();
  let isDeadline = false;
  const leave = (): void => controller.abort();
  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted === true) leave();
  // A deadline longer than a crawl can take needs no timer, and could be more than a timer takes.
  const isNear = timeoutMs !== undefined && timeoutMs < crawlLimits.maxCrawlMs;
  const cancel = isNear
    ? clock.after(Math.max(0, timeoutMs - Math.min(500, timeoutMs / 4)), () => {
        isDeadline = !controller.signal.aborted;
        controller.abort();
      })
    : () => undefined;
  return {
    signal: controller.signal,
    isDeadline: () => isDeadline,
    close: () => {
      cancel();
      signal?.removeEventListener("abort", leave);
    },
  };
}

import { failpoint } from "../../system/failpoint.js";
import type { CommitResult } from "../contract.js";
import type { EncodedCommit } from "../encoding.js";

interface Waiting {
  readonly commit: EncodedCommit;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Checked and written in one turn of the event loop, so a group is bounded. */
const maxGroupCommits = 256;
const maxGroupBytes = 1024 * 1024;

/**
 * Commits in groups: while one is on its way to the disk, the next one gathers, and shares one transaction and one fsync.
 *
 * Alone, a commit waits for nobody.
 */
export class CommitQueue {
  readonly #write: (commit: EncodedCommit) => Promise<CommitResult>;
  readonly #afterGroup: () => void;
  #waiting: Waiting[] = [];
  #pumping: Promise<void> | undefined;

  /** `write` is called for each commit of a group in one tick, `afterGroup` once all of them are answered. */
  constructor(write: (commit: EncodedCommit) => Promise<CommitResult>, afterGroup: () => void) {
    this.#write = write;
    this.#afterGroup = afterGroup;
  }

  async run(commit: EncodedCommit): Promise<CommitResult> {
    failpoint("commit.asked");
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ commit, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  /** Resolves when everything that was asked for is answered. */
  async idle(): Promise<void> {
    await this.#pumping;
  }

  async #pump(): Promise<void> {
    // What is asked for in the same tick shares the first group.
    await Promise.resolve();
    let from = 0;
    while (from < this.#waiting.length) {
      const group = this.#groupFrom(from);
      from += group.length;
      if (from > 1_024) {
        this.#waiting = this.#waiting.slice(from);
        from = 0;
      }
      await Promise.all(group.map((waiting) => this.#settle(waiting)));
      failpoint("commit.grouped");
      this.#afterGroup();
    }
    this.#waiting = [];
    this.#pumping = undefined;
  }

  #groupFrom(from: number): readonly Waiting[] {
    let bytes = 0;
    let end = from;
    while (end < this.#waiting.length && end - from < maxGroupCommits) {
      bytes += this.#waiting[end]?.commit.bytes ?? 0;
      if (bytes > maxGroupBytes && end > from) break;
      end += 1;
    }
    return this.#waiting.slice(from, end);
  }

  async #settle({ commit, resolve, reject }: Waiting): Promise<void> {
    try {
      resolve(await this.#write(commit));
    } catch (error) {
      reject(error);
    }
  }
}

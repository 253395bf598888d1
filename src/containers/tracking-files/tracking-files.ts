import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { watchFiles } from "../../store/mirror/file-watch.js";
import { type MirrorTimes, mirrorLimits } from "../../store/mirror/limits.js";
import { WritePace } from "../../store/mirror/write-pace.js";
import { DiskTime } from "../../system/disk-time.js";
import type { OpenResult, TrackingStatus } from "./contract.js";
import { MirrorTurn, type MirrorTurnOptions, type TurnResult } from "./mirror-turn.js";

export type TrackingFilesOptions = Omit<MirrorTurnOptions, "times" | "disk"> & {
  /** @default mirrorLimits */
  readonly times?: Partial<MirrorTimes>;
};

/**
 * The tracking files: kept the same as the state, and the state the same as what others write into them. All of it
 * happens beside the calls of users, in turns, one after the other.
 */
export class TrackingFiles {
  readonly #options: MirrorTurnOptions;
  readonly #turn: MirrorTurn;
  readonly #pace: WritePace;
  #isOpen = false;
  #isDirty = false;
  #timer: { readonly dueMs: number; readonly cancel: () => void } | undefined;
  #running: Promise<TurnResult> | undefined;
  #endWatch: () => void = () => undefined;

  constructor({ times, ...options }: TrackingFilesOptions) {
    const all = { ...mirrorLimits, ...times };
    this.#options = { ...options, times: all, disk: new DiskTime(all.diskTimeoutMs) };
    this.#turn = new MirrorTurn(this.#options);
    this.#pace = new WritePace(options.clock, all);
  }

  /**
   * Imports the files, and mirrors from then on. `acceptsLoss`: a damaged file that was never imported is moved aside.
   *
   * @throws what `importChanges` throws
   */
  async open({ acceptsLoss = false }: { readonly acceptsLoss?: boolean } = {}): Promise<OpenResult> {
    const result = await this.#turn.open(acceptsLoss);
    if (result.kind === "read-only") return result;
    this.#isOpen = true;
    this.#isDirty = true;
    await this.#run();
    // A folder can only be watched once it is there; it is where the files go anyway.
    await Promise.all(this.#turn.paths.map((path) => mkdir(dirname(path), { recursive: true }))).catch(
      () => undefined,
    );
    this.#endWatch = watchFiles(this.#turn.paths, () => this.#wakeIn(this.#options.times.writeDelayMs));
    return result;
  }

  /** The state has changed. */
  noteCommit(): void {
    this.#isDirty = true;
    if (this.#isOpen) this.#wakeIn(this.#pace.delayMs);
  }

  get status(): TrackingStatus {
    const { failing, unreadableEntryCount } = this.#turn;
    return { isCurrent: this.#isOpen && !this.#isDirty, failing, unreadableEntryCount };
  }

  /**
   * Takes up and writes what is left, and ends. What cannot be done now is done at the next start.
   *
   * @returns whether nothing is left to do
   */
  async close(): Promise<boolean> {
    if (!this.#isOpen) return false;
    this.#endWatch();
    await this.#running;
    for (let attempt = 1; attempt <= closeAttempts; attempt += 1) {
      const result = await this.#run();
      if (!this.#isDirty || result === "FAILED" || this.#turn.failing.size > 0) break;
    }
    this.#isOpen = false;
    this.#timer?.cancel();
    await this.#turn.saveLedger();
    return !this.#isDirty;
  }

  #wakeIn(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (!this.#isOpen || (this.#timer !== undefined && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.cancel();
    const cancel = this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      void this.#run();
    });
    this.#timer = { dueMs, cancel };
  }

  /** One turn at a time; whoever asks during one gets that one, and what came up meanwhile is for the next. */
  async #run(): Promise<TurnResult> {
    this.#running ??= this.#runOnce().finally(() => {
      this.#running = undefined;
      this.#wakeIn(this.#isDirty ? this.#pace.delayMs : this.#options.times.pollMs);
    });
    return await this.#running;
  }

  async #runOnce(): Promise<TurnResult> {
    const { clock, state, logger, times } = this.#options;
    const startMs = clock.monotonicMs();
    const isDirty = this.#isDirty;
    // A commit from here on is for the next turn, unless this one sees it already.
    this.#isDirty = false;
    let result: TurnResult;
    try {
      result = await this.#turn.run(isDirty && this.#pace.delayMs <= times.writeDelayMs);
    } catch (error) {
      logger.warn({ err: error }, "tracking files cannot be joined with the state; it is tried again");
      result = "FAILED";
    }
    if (result === "IDLE") this.#isDirty ||= isDirty;
    else if (result === "CURRENT") this.#pace.wrote(state.containerCount, startMs);
    else this.#isDirty = true;
    if (result === "FAILED" || (this.#isDirty && this.#turn.failing.size > 0)) this.#pace.failed();
    return result;
  }
}

/** How often the last write is tried while others keep writing. */
const closeAttempts = 20;

import type { Logger } from "../../observability/logger.js";
import type { NodeContainer } from "../../peer-api/contract.js";
import type { Clock } from "../../system/clock.js";
import { DiskTime } from "../../system/disk-time.js";
import { LineJournal } from "../../system/line-journal.js";
import type { StateReason } from "../contract.js";
import { containerLimits } from "../limits.js";
import { containerKey, containerName } from "../names.js";
import type { IntentRecord } from "../records.js";

/** What a node answered, before the state has it. Holds secrets. */
export interface Seen {
  readonly intent: IntentRecord;
  readonly described: NodeContainer;
  readonly reason: StateReason;
  /** Wall clock of the answer, in milliseconds since 1970. */
  readonly timeMs: number;
}

/**
 * Keeps the ids of new containers on our own disk until the state has them, and a while longer: a store on another machine
 * may go just after the node has answered, or lose what it had confirmed of late, and this gateway after it.
 */
export interface SeenJournal {
  /** What an earlier run of this gateway left. */
  readonly left: readonly Seen[];
  /** Resolves when it is on the disk, or cannot be: then the log says so, and the commit is tried all the same. */
  note(seen: Seen): Promise<void>;
  /** The state has it; should it lose it, and this gateway die, it is told again. */
  told(intentId: string): void;
  /** It is of no use any more. */
  forget(intentId: string): void;
  /** The container of this key is tracked no more: of use no more, should the state lose that too. */
  forgetContainer(key: string): void;
  /** Forgets what was told long enough ago. To be called now and then. */
  sweep(): void;
  close(): Promise<void>;
}

/** For a store on our own disk: its commit is the journal. */
export const noJournal: SeenJournal = {
  left: [],
  note: () => Promise.resolve(),
  told: () => undefined,
  forget: () => undefined,
  forgetContainer: () => undefined,
  sweep: () => undefined,
  close: () => Promise.resolve(),
};

/** @throws {FileError} it cannot be read or written */
export async function openSeenJournal(path: string, logger: Logger, clock: Clock): Promise<SeenJournal> {
  const file = new LineJournal(path);
  const left = leftOpen(await file.read(), logger).filter(({ intent, described, timeMs }) => {
    const isFresh = clock.nowMs() - timeMs < containerLimits.journalKeptMs;
    if (!isFresh)
      logger.warn(
        { intent: intent.id, container: containerName(intent.address, described.id) },
        "an outcome in the local journal is too old to be told to the state: dropped",
      );
    return isFresh;
  });
  await file.rewrite(left.map(lineOf));
  return new FileSeenJournal(file, left, logger, clock);
}

class FileSeenJournal implements SeenJournal {
  readonly left: readonly Seen[];
  readonly #file: LineJournal;
  readonly #logger: Logger;
  readonly #diskTime = new DiskTime(containerLimits.journalMs);
  readonly #clock: Clock;
  readonly #open: Map<string, Kept>;
  /** Those that the state has, and since when; the oldest first. */
  readonly #told = new Map<string, number>();

  constructor(file: LineJournal, left: readonly Seen[], logger: Logger, clock: Clock) {
    this.left = left;
    this.#file = file;
    this.#logger = logger;
    this.#clock = clock;
    this.#open = new Map(left.map((seen) => [seen.intent.id, keptOf(seen)]));
  }

  async note(seen: Seen): Promise<void> {
    const kept = keptOf(seen);
    this.#open.set(seen.intent.id, kept);
    await this.#try(async () => {
      if (this.#file.byteCount <= containerLimits.maxJournalBytes) {
        await this.#file.append(kept.line, true);
        return;
      }
      for (const told of [...this.#told.keys()]) this.#takeOut(told);
      await this.#file.rewrite([...this.#open.values()].map(({ line }) => line));
    });
  }

  told(intentId: string): void {
    if (!this.#open.has(intentId) || this.#told.has(intentId)) return;
    this.#told.set(intentId, this.#clock.monotonicMs());
  }

  forget(intentId: string): void {
    if (!this.#takeOut(intentId)) return;
    void this.#try(async () => {
      if (this.#open.size === 0) await this.#file.clear();
      else await this.#file.append(JSON.stringify({ done: intentId }), false);
    });
  }

  forgetContainer(key: string): void {
    for (const intentId of this.#told.keys())
      if (this.#open.get(intentId)?.key === key) this.forget(intentId);
  }

  sweep(): void {
    const untilMs = this.#clock.monotonicMs() - containerLimits.journalToldMs;
    for (const [intentId, toldMs] of this.#told) {
      if (toldMs > untilMs) return;
      this.forget(intentId);
    }
  }

  /** What was told of late stays for the next start. */
  async close(): Promise<void> {
    await this.#try(() => this.#file.close());
  }

  #takeOut(intentId: string): boolean {
    this.#told.delete(intentId);
    return this.#open.delete(intentId);
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await this.#diskTime.limit(work);
    } catch (error) {
      this.#logger.error(
        { err: error },
        "the local journal cannot be written: an outcome rests on the state alone",
      );
    }
  }
}

interface Kept {
  readonly line: string;
  /** Of the container. */
  readonly key: string;
}

const keptOf = (seen: Seen): Kept => ({
  line: lineOf(seen),
  key: containerKey(seen.intent.address, seen.described.id),
});

const lineOf = (seen: Seen): string => JSON.stringify({ seen });

function leftOpen(lines: readonly string[], logger: Logger): readonly Seen[] {
  const open = new Map<string, Seen>();
  for (const line of lines) {
    try {
      const { seen, done } = JSON.parse(line) as { readonly seen?: Seen; readonly done?: string };
      if (seen !== undefined) open.set(seen.intent.id, seen);
      else if (done !== undefined) open.delete(done);
    } catch {
      logger.warn({}, "a line of the local journal cannot be read: passed over");
    }
  }
  return [...open.values()];
}

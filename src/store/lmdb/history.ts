import { type ChangeRow, parse, toChanges } from "../change-rows.js";
import type { ChangeSet, Revision } from "../contract.js";
import { StoreError } from "../errors.js";
import type { HistoryLimits } from "../limits.js";
import type { HistoryMarks, LmdbFiles } from "./lmdb-files.js";
import { numberOfRevision } from "../revision.js";

/** A commit for the log; values are JSON text. */
export interface LogEntry {
  readonly revision: Revision;
  readonly timeMs: number;
  readonly operationId: string;
  readonly changes: readonly EncodedChange[];
}

export interface EncodedChange {
  readonly key: string;
  readonly value: string | undefined;
  readonly previous: string | undefined;
}

/**
 * How many entries leave with one commit: more than come in, and never long; more only until it has made room for its own
 * bytes. Else large commits after many small ones would pass the limit.
 */
const maxTrimmed = 64;
/** Entries kept decoded, so that many readers near the log's end decode each one once; large ones are not. */
const maxDecoded = 512;
const maxDecodedCharacters = 16_384;

/** The log of commits, bounded, and the operation ids of exactly those. */
export class History {
  readonly #files: LmdbFiles;
  readonly #limits: HistoryLimits;
  readonly #decoded = new Map<number, ChangeSet>();

  constructor(files: LmdbFiles, limits: HistoryLimits) {
    this.#files = files;
    this.#limits = limits;
  }

  /** @throws {StoreError} STATE_UNREADABLE */
  marks(): HistoryMarks {
    return parse<HistoryMarks>(this.#files.meta.get("history"));
  }

  /** Returns what an operation answered, while its commit is in the log. */
  answerOf(operationId: string): Revision | undefined {
    return this.#files.operations.get(operationId);
  }

  /** Adds a commit and lets the oldest ones go. Within a transaction only. */
  append(entry: LogEntry, marks: HistoryMarks): void {
    const { log, operations, meta } = this.#files;
    const changes = entry.changes.map(
      ({ key, value = "null", previous = "null" }) => `[${JSON.stringify(key)},${value},${previous}]`,
    );
    const { revision, timeMs, operationId } = entry;
    const head = JSON.stringify({ revision, timeMs, operationId }).slice(0, -1);
    const text = `${head},"changes":[${changes.join(",")}]}`;
    const number = numberOfRevision(revision);
    void log.put(number, text);
    void operations.put(operationId, revision);
    const bytes = Buffer.byteLength(text);
    const kept = this.#trim({ head: revision, base: marks.base, bytes: marks.bytes + bytes }, bytes);
    void meta.put("history", JSON.stringify(kept));
  }

  /** Reads one commit. */
  read(number: number): ChangeSet | undefined {
    const decoded = this.#decoded.get(number);
    if (decoded !== undefined) return decoded;
    const text = this.#files.log.get(number);
    if (text === undefined) return undefined;
    const changeSet = decode(text);
    if (text.length <= maxDecodedCharacters) {
      this.#decoded.set(number, changeSet);
      const [oldest] = this.#decoded.keys();
      if (this.#decoded.size > maxDecoded && oldest !== undefined) this.#decoded.delete(oldest);
    }
    return changeSet;
  }

  /** Finds the place of a revision in the history; undefined if exactly this one is not there. */
  numberOf(revision: Revision): number | undefined {
    const number = numberOfRevision(revision);
    const { base } = this.marks();
    if (revision === base) return number;
    // A commit before the base may still be found while it is trimmed, and one of another past has another nonce.
    if (!(number > numberOfRevision(base))) return undefined;
    return this.read(number)?.revision === revision ? number : undefined;
  }

  #trim({ head, base, bytes }: HistoryMarks, newBytes: number): HistoryMarks {
    const { log, operations } = this.#files;
    const last = numberOfRevision(head);
    let first = numberOfRevision(base) + 1;
    let left = bytes;
    let newBase = base;
    const isOver = (): boolean => last - first + 1 > this.#limits.commits || left > this.#limits.bytes;
    const mayGoOn = (trimmed: number): boolean => trimmed < maxTrimmed || bytes - left < newBytes;
    for (let trimmed = 0; mayGoOn(trimmed) && first < last && isOver(); trimmed += 1) {
      const text = log.get(first);
      if (text === undefined) throw new StoreError("STATE_UNREADABLE", "the state's log has a gap");
      const { revision, operationId } = headOf(text);
      void log.remove(first);
      void operations.remove(operationId);
      left -= Buffer.byteLength(text);
      newBase = revision;
      first += 1;
    }
    return { head, base: newBase, bytes: left };
  }
}

/** Reads an entry's head without its changes, which may be long. */
function headOf(text: string): { revision: Revision; operationId: string } {
  const end = text.indexOf(',"changes":[');
  return parse(`${text.slice(0, end)}}`);
}

function decode(text: string): ChangeSet {
  const { revision, timeMs, changes } = parse<{
    revision: Revision;
    timeMs: number;
    changes: readonly ChangeRow[];
  }>(text);
  return { revision, timeMs, changes: toChanges(changes) };
}

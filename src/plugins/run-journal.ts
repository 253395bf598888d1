/**
 * What is known of each run, on the disk: one file per run, one JSON object a line, so that a gateway that was killed
 * knows at its next start which processes to end, and what each target came to. No secret is in it.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ContainerPort } from "../peer-api/contract.js";
import { type FileError, unwritable } from "../system/errors.js";
import { LineJournal } from "../system/line-journal.js";
import type { RunEndReason } from "./contract.js";
import { PluginError } from "./errors.js";
import type { RecordedFailure } from "./recorded-failure.js";

export interface JournalTarget {
  readonly container: string;
  /** Ports that it gave. */
  readonly ports: readonly ContainerPort[];
  /** An earlier run took them: something may run on them. */
  readonly arePortsOlder?: boolean;
}

export interface RunBegin {
  readonly run: string;
  /** Empty = none. */
  readonly requestId: string;
  /** Of everything that was asked for. */
  readonly argumentsHash: string;
  /** Of plugin, targets and variables: what a resumed run must share. */
  readonly scopeHash: string;
  /** The run that it goes on with; absent = none. */
  readonly resumes?: string;
  readonly targets: readonly JournalTarget[];
  readonly timeMs: number;
}

export interface TargetEnd {
  readonly container: string;
  /** Absent = it went well. */
  readonly failure?: RecordedFailure;
  readonly elapsedMs: number;
  /** Whether its ports stay marked. */
  readonly keepsPorts: boolean;
}

/** A run as its file tells it. */
export interface RunRecord {
  readonly begin: RunBegin;
  readonly marks: readonly string[];
  /** Containers that Ansible was started for. */
  readonly begun: ReadonlySet<string>;
  readonly ends: ReadonlyMap<string, TargetEnd>;
  readonly end: { readonly reason: RunEndReason; readonly timeMs: number } | undefined;
}

export type JournalLine =
  | ({ readonly kind: "begin" } & RunBegin)
  | { readonly kind: "process"; readonly mark: string; readonly containers?: readonly string[] }
  | ({ readonly kind: "target" } & TargetEnd)
  | { readonly kind: "end"; readonly reason: RunEndReason; readonly timeMs: number };

const fileEnd = ".jsonl";

export class RunJournal {
  readonly #folder: string;
  readonly #files = new Map<string, LineJournal>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Where a run keeps what it needs while it goes on. */
  runFolder(run: string): string {
    return join(this.#folder, run);
  }

  /** @throws {PluginError} DISK_FULL, STATE_READ_ONLY */
  async write(run: string, line: JournalLine): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await this.#fileOf(run).append(JSON.stringify(line), true);
    } catch (error) {
      throw unwritableRun(unwritable(this.#folder, error));
    }
    if (line.kind === "end") await this.#close(run);
  }

  /** Reads every run; a file that tells of none is removed. */
  async readAll(): Promise<readonly RunRecord[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const records: RunRecord[] = [];
    for (const name of names.filter((candidate) => candidate.endsWith(fileEnd))) {
      const run = name.slice(0, -fileEnd.length);
      const record = parseJournal(await this.#fileOf(run).read());
      this.#files.delete(run);
      if (record === undefined) await rm(join(this.#folder, name), { force: true });
      else records.push(record);
    }
    return records.sort((a, b) => a.begin.timeMs - b.begin.timeMs);
  }

  /** Removes what a run kept while it went on; secrets were among it. */
  async removeFolder(run: string): Promise<void> {
    await rm(this.runFolder(run), { recursive: true, force: true });
  }

  async forget(run: string): Promise<void> {
    await this.removeFolder(run);
    await this.#close(run);
    await rm(this.#pathOf(run), { force: true });
  }

  #fileOf(run: string): LineJournal {
    let file = this.#files.get(run);
    if (file === undefined) this.#files.set(run, (file = new LineJournal(this.#pathOf(run))));
    return file;
  }

  async #close(run: string): Promise<void> {
    await this.#files.get(run)?.close();
    this.#files.delete(run);
  }

  #pathOf(run: string): string {
    return join(this.#folder, `${run}${fileEnd}`);
  }
}

const unwritableRun = (error: FileError): PluginError => {
  const reason = error.failure === "FULL" ? "DISK_FULL" : "STATE_READ_ONLY";
  return new PluginError(reason, `the journal of the runs cannot be written: ${error.why}`, { cause: error });
};

/** Reads the lines of one run; one that a crash cut short is passed over. @returns undefined if it never began */
export function parseJournal(lines: readonly string[]): RunRecord | undefined {
  let begin: RunBegin | undefined;
  let end: RunRecord["end"];
  const marks: string[] = [];
  const begun = new Set<string>();
  const ends = new Map<string, TargetEnd>();
  for (const line of lines.map(parseLine)) {
    if (line?.kind === "begin") begin = line;
    if (line?.kind === "process") {
      marks.push(line.mark);
      // Earlier gateways did not write whom it is for: it may be any.
      const containers = line.containers ?? begin?.targets.map(({ container }) => container) ?? [];
      for (const container of containers) begun.add(container);
    }
    if (line?.kind === "target") ends.set(line.container, line);
    if (line?.kind === "end") end = line;
  }
  return begin === undefined ? undefined : { begin, marks, begun, ends, end };
}

function parseLine(text: string): JournalLine | undefined {
  try {
    return JSON.parse(text) as JournalLine;
  } catch {
    return undefined;
  }
}

/** Which call came to which node: in memory, and on disk as JSON lines when a file is named. */

import { readFile } from "node:fs/promises";
import { type ContainerEvent, type ContainerLedger, createContainerBook } from "./container-ledger.js";
import type { CallPattern, Ledger, LedgerCall } from "./contract.js";
import { DevnetError } from "./errors.js";
import { openLineFile } from "./line-file.js";

export interface OpenLedger extends Ledger {
  record(call: LedgerCall): void;
  /** Resolves once the event is on the disk, at once where no file is named. */
  note(event: ContainerEvent): Promise<void>;
  close(): Promise<void>;
}

/** @throws {DevnetError} the file cannot be opened for appending */
export async function openLedger(path: string | undefined): Promise<OpenLedger> {
  const fail = (cause: unknown): never => {
    throw new DevnetError(`ledger ${path ?? ""}: ${(cause as Error).message}`, { cause });
  };
  const file = path === undefined ? undefined : await openLineFile(path).catch(fail);
  const calls: LedgerCall[] = [];
  const book = createContainerBook();
  let isClosed = false;
  return {
    ...viewOf(calls),
    creates: book.creates,
    removals: book.removals,
    record: (call) => {
      calls.push(call);
      if (!isClosed) file?.append(JSON.stringify(call));
    },
    note: async (event) => {
      book.take(event);
      if (!isClosed) await file?.appendForGood(JSON.stringify(event));
    },
    flush: async () => file?.flush().catch(fail),
    close: async () => {
      isClosed = true;
      await file?.close();
    },
  };
}

/** Reads the calls that a ledger wrote. A line that is not finished is left out, as a killed devnet may leave one. */
export async function readLedger(path: string): Promise<readonly LedgerCall[]> {
  return (await readLines(path)).filter((line): line is LedgerCall => !isContainerEvent(line));
}

/** Reads what a ledger wrote about containers, also of a devnet that was killed. */
export async function readContainerLedger(path: string): Promise<ContainerLedger> {
  const book = createContainerBook();
  for (const line of await readLines(path)) if (isContainerEvent(line)) book.take(line);
  return book;
}

type Line = LedgerCall | ContainerEvent;

const isContainerEvent = (line: Line): line is ContainerEvent => "event" in line;

async function readLines(path: string): Promise<readonly Line[]> {
  const lines = (await readFile(path, "utf8")).split("\n");
  return lines.slice(0, -1).flatMap((line) => parseLine(line) ?? []);
}

function parseLine(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}

/** Whether a call is one of those meant. */
export function matches(call: LedgerCall, pattern: CallPattern): boolean {
  return (
    (pattern.node === undefined || pattern.node === call.node) &&
    (pattern.method === undefined || pattern.method === call.method) &&
    (pattern.path === undefined || pattern.path === call.path.split("?", 1)[0]) &&
    (pattern.status === undefined || pattern.status === call.status)
  );
}

function viewOf(calls: readonly LedgerCall[]): Pick<Ledger, "calls" | "matching" | "count"> {
  const matching = (pattern: CallPattern): readonly LedgerCall[] =>
    calls.filter((call) => matches(call, pattern));
  return { calls, matching, count: (pattern = {}) => matching(pattern).length };
}

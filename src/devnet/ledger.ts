/** Which call came to which node: in memory, and on disk as JSON lines when a file is named. */

import { createWriteStream, type WriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import type { CallPattern, Ledger, LedgerCall } from "./contract.js";
import { DevnetError } from "./errors.js";

export interface OpenLedger extends Ledger {
  record(call: LedgerCall): void;
  close(): Promise<void>;
}

/** @throws {DevnetError} the file cannot be opened for appending */
export async function openLedger(path: string | undefined): Promise<OpenLedger> {
  const file = path === undefined ? undefined : await openLineFile(path);
  const calls: LedgerCall[] = [];
  return {
    ...viewOf(calls),
    record: (call) => {
      calls.push(call);
      file?.append(JSON.stringify(call));
    },
    flush: async () => file?.flush(),
    close: async () => file?.close(),
  };
}

/** Reads what a ledger wrote. A last line that is not finished yet is left out. */
export async function readLedger(path: string): Promise<readonly LedgerCall[]> {
  const lines = (await readFile(path, "utf8")).split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LedgerCall);
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

interface LineFile {
  append(line: string): void;
  /** @throws {DevnetError} a line could not be written */
  flush(): Promise<void>;
  close(): Promise<void>;
}

async function openLineFile(path: string): Promise<LineFile> {
  const file = await openForAppending(path);
  let failure: Error | undefined;
  let written = Promise.resolve();
  // A full disk must not stop the nodes: it is told to whoever asks for the file.
  file.on("error", (error) => (failure ??= error));
  const flush = async (): Promise<void> => {
    await written;
    if (failure !== undefined) throw ledgerError(path, failure);
  };
  return {
    append: (line) => {
      // Writes end in the order they were begun: once the last one is done, all are.
      written = new Promise((resolve) => file.write(`${line}\n`, () => resolve()));
    },
    flush,
    close: async () => {
      await written;
      await new Promise<void>((resolve) => (file.closed ? resolve() : file.close(() => resolve())));
    },
  };
}

function openForAppending(path: string): Promise<WriteStream> {
  return new Promise((resolve, reject) => {
    const file = createWriteStream(path, { flags: "a" });
    file.once("error", (error) => reject(ledgerError(path, error)));
    file.once("open", () => resolve(file));
  });
}

const ledgerError = (path: string, cause: Error): DevnetError =>
  new DevnetError(`ledger ${path}: ${cause.message}`, { cause });

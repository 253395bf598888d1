/** A whole state in one file: lines of JSON, and a digest of all of them at the end. It holds secrets (0600). */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { RecordValue, Snapshot } from "../contract.js";
import { replaceFile } from "../../system/replace-file.js";
import { TransferError } from "./transfer-error.js";

const format = 1;

interface Head {
  readonly p2prcState: number;
  readonly recordCount: number;
}

export interface FileRecord {
  readonly key: string;
  readonly value: RecordValue;
}

/** Writes a state, complete or not at all. @returns its digest @throws {FileError} */
export async function writeStateFile(path: string, { records }: Snapshot): Promise<string> {
  const hash = createHash("sha256");
  let digest = "";
  async function* lines(): AsyncGenerator<string, void, undefined> {
    const tell = (value: unknown): string => {
      const line = `${JSON.stringify(value)}\n`;
      hash.update(line);
      return line;
    };
    yield tell({ p2prcState: format, recordCount: records.size } satisfies Head);
    for (const key of [...records.keys()].sort()) {
      // A turn of its own for each: nothing else waits for a large state.
      yield await Promise.resolve(tell({ key, value: records.get(key)?.value ?? {} } satisfies FileRecord));
    }
    digest = hash.digest("hex");
    yield `${JSON.stringify({ sha256: digest })}\n`;
  }
  await replaceFile(path, lines(), { mode: 0o600 });
  return digest;
}

/** Checks a file from its first line to its digest. @returns the digest @throws {TransferError} it is none, or damaged */
export async function checkStateFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  let recordCount = -2;
  let expectedCount = 0;
  let told: unknown;
  let digest = "";
  for await (const line of linesOf(path)) {
    if (told !== undefined) throw damaged("lines behind its digest");
    const value = parse(line);
    if (recordCount === -2) {
      const { p2prcState, recordCount: count } = value as Partial<Head>;
      if (p2prcState !== format || typeof count !== "number")
        throw damaged("it is no state, or one of another version");
      expectedCount = count;
      recordCount = -1;
    }
    told = (value as { sha256?: unknown }).sha256;
    if (told !== undefined) {
      digest = hash.digest("hex");
      continue;
    }
    hash.update(`${line}\n`);
    recordCount += 1;
  }
  if (told === undefined) throw damaged("its end is missing");
  if (told !== digest || recordCount !== expectedCount) throw damaged("its digest is another one");
  return digest;
}

/** Reads the records of a file that was checked. */
export async function* readStateFile(path: string): AsyncGenerator<FileRecord, void, undefined> {
  for await (const line of linesOf(path)) {
    const { key, value } = parse(line) as Partial<FileRecord>;
    if (key !== undefined && value !== undefined) yield { key, value };
  }
}

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  const input = createReadStream(path, "utf8");
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) yield line;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new TransferError(`the file cannot be read (${code})`, { cause: error });
  } finally {
    input.destroy();
  }
}

function parse(line: string): unknown {
  try {
    const value = JSON.parse(line) as unknown;
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Below: the error would quote the line.
  }
  throw damaged("a line is no JSON");
}

const damaged = (why: string): TransferError =>
  new TransferError(`the file is damaged: ${why}; nothing was imported`);

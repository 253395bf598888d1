/** A file of lines that survives the process that writes it. */

import { type FileHandle, open } from "node:fs/promises";

export interface LineFile {
  /** Lines appear in the order they were appended. */
  append(line: string): void;
  /** Appends, and resolves once the line is on the disk. Never rejects: a full disk must not stop who writes. */
  appendForGood(line: string): Promise<void>;
  /** Resolves once every line appended so far is written. @throws what the system said of one that could not be */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly line: string;
  /** Called once the line is on the disk, or cannot be. */
  readonly onDisk?: () => void;
}

/** @throws {NodeJS.ErrnoException} the file cannot be opened for appending */
export async function openLineFile(path: string): Promise<LineFile> {
  const file = await open(path, "a+");
  await endTornLine(file);
  const waiting: Waiting[] = [];
  let failure: Error | undefined;
  let writing: Promise<void> | undefined;
  // Lines that come while others are written go together with the next write, and share its fsync.
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0);
      try {
        await writeBatch(file, batch);
      } catch (error) {
        failure ??= error as Error;
      }
      for (const { onDisk } of batch) onDisk?.();
    }
    writing = undefined;
  };
  const add = (entry: Waiting): void => {
    waiting.push(entry);
    writing ??= write();
  };
  return {
    append: (line) => add({ line }),
    appendForGood: (line) => new Promise((resolve) => add({ line, onDisk: resolve })),
    flush: async () => {
      await writing;
      if (failure !== undefined) throw failure;
    },
    close: async () => {
      await writing;
      await file.close();
    },
  };
}

/** What a killed process left of its last line must not swallow the first one of ours. */
async function endTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  if (size === 0) return;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  if (buffer.toString() !== "\n") await file.appendFile("\n");
}

async function writeBatch(file: FileHandle, batch: readonly Waiting[]): Promise<void> {
  await file.appendFile(batch.map(({ line }) => `${line}\n`).join(""));
  if (batch.some(({ onDisk }) => onDisk !== undefined)) await file.datasync();
}

import { chmod, type FileHandle, mkdir, open as openFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import { StoreError } from "../errors.js";
import { makeRevision } from "../revision.js";

/** The layout of these files. A newer one is refused: an older program would drop what it does not know. */
const schemaVersion = 1;

/** The tables of one LMDB environment. All values are text: lmdb-js's own encoding of objects differs between realms. */
export interface LmdbFiles {
  readonly root: RootDatabase<string, string>;
  /** Key to `<revision> <JSON>`. */
  readonly records: Database<string, string>;
  /** Number of a commit to its log entry. */
  readonly log: Database<string, number>;
  /** Operation id to revision of its commit. */
  readonly operations: Database<string, string>;
  /** `schema`, and `history`: where the log begins and ends. */
  readonly meta: Database<string, string>;
}

/**
 * Opens the files in a folder, or makes them.
 *
 * @throws what `toStoreError` names
 */
export async function openLmdbFiles(folder: string): Promise<LmdbFiles> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // A folder made earlier may be wider. It may also be read-only: then opening says so.
  await chmod(folder, 0o700).catch(() => undefined);
  await requireLmdbFile(join(folder, "data.mdb"));
  const { open } = await import("lmdb").catch((cause: unknown) => {
    throw new StoreError("STATE_STORE_UNAVAILABLE", "lmdb has no build for this platform", { cause });
  });
  const options = {
    path: folder,
    // Or a dot in the folder's name would make it a file.
    noSubdir: false,
    permissionsMode: 0o600,
    encoding: "string",
    // The same on every machine, so that files can move; keys of 512 bytes fit well.
    pageSize: 4_096,
    // Memory that is not cleared would bring whatever it held before, keys included, onto the disk.
    noMemInit: false,
    // A commit is seen when it is on the disk, and not before: no reader hands on what a power cut may take back.
    // Measured beside overlapping fsync: no slower, alone or 256 at once.
    overlappingSync: false,
    // Batching per turn is the commit queue's work. lmdb-js's own makes a promise that nobody can reach, and its
    // rejection, when a transaction fails, ends the process: the test with a full disk would.
    eventTurnBatching: false,
    // The map is left to grow: lmdb-js doubles it as pages are needed.
  } as const;
  const root = open<string, string>(options);
  try {
    await requireWholeFile(root, folder);
    requireOurs(root);
    return await openTables(root);
  } catch (error) {
    await root.close();
    throw error;
  }
}

async function openTables(root: RootDatabase<string, string>): Promise<LmdbFiles> {
  const table = <K extends string | number>(name: string): Database<string, K> =>
    root.openDB<string, K>({ name, encoding: "string" });
  // The schema comes first: a start that was cut short leaves a file that is known as ours.
  const meta = table<string>("meta");
  await prepareMeta(root, meta);
  return {
    root,
    meta,
    records: table("records"),
    log: table<number>("log"),
    operations: table("operations"),
  };
}

/** Nothing is written into the file of another program. */
function requireOurs(root: RootDatabase<string, string>): void {
  const tables = [...root.getKeys({ limit: 100 })];
  if (tables.length > 0 && !tables.includes("meta")) throw foreign();
}

const foreign = (): StoreError =>
  new StoreError("STATE_UNREADABLE", "the state files are none of ours; they stay as they are");

/** Where LMDB's two meta pages have their magic number, format and page size. */
const metaBytes = 64;
const magicAt = 24;
const magic = 0xbeefc0de;
const formatAt = 28;
const format = 2;
const pageSizeAt = 48;

/** lmdb-js ends the process by a segmentation fault when it opens what is no LMDB file: 3.5.6, seen. */
async function requireLmdbFile(path: string): Promise<void> {
  const handle = await openFile(path, "r").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  if (handle === undefined) return;
  try {
    // Made, and killed before the first byte: as good as none.
    if ((await handle.stat()).size === 0) return;
    const first = await readMeta(handle, 0);
    await readMeta(handle, first.readUInt32LE(pageSizeAt));
  } finally {
    await handle.close();
  }
}

async function readMeta(handle: FileHandle, position: number): Promise<Buffer> {
  const { buffer } = await handle.read(Buffer.alloc(metaBytes), 0, metaBytes, position);
  const isMeta = buffer.readUInt32LE(magicAt) === magic && buffer.readUInt16LE(formatAt) === format;
  if (!isMeta) throw foreign();
  return buffer;
}

/** A file that was cut short must not be read: its map has pages without a file below, and touching one is SIGBUS. */
async function requireWholeFile(root: RootDatabase<string, string>, folder: string): Promise<void> {
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
  const { size } = await stat(join(folder, "data.mdb"));
  if (size < (lastPageNumber + 1) * pageSize) {
    throw new StoreError("STATE_UNREADABLE", "the state file is cut short; it stays as it is");
  }
}

async function prepareMeta(
  root: RootDatabase<string, string>,
  meta: Database<string, string>,
): Promise<void> {
  const schema = meta.get("schema");
  if (schema === undefined) {
    if (meta.getKeysCount({ limit: 1 }) > 0) throw foreign();
    await root.childTransaction(() => {
      void meta.put("history", JSON.stringify(emptyHistory()));
      void meta.put("schema", String(schemaVersion));
    });
    return;
  }
  if (Number(schema) > schemaVersion) {
    const words = `the state was written by a newer version (schema ${schema}, this one knows ${schemaVersion})`;
    throw new StoreError("STATE_UNREADABLE", words, { metadata: { schema } });
  }
  if (Number(schema) !== schemaVersion) throw foreign();
}

/** Where the log begins and ends. */
export interface HistoryMarks {
  /** The latest commit. */
  readonly head: string;
  /** The commit right before the oldest one in the log. */
  readonly base: string;
  /** What the log's entries take. */
  readonly bytes: number;
}

const emptyHistory = (): HistoryMarks => {
  const origin = makeRevision(0);
  return { head: origin, base: origin, bytes: 0 };
};

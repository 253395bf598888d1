import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Database, RootDatabase } from "lmdb";
import { StoreError } from "./errors.js";
import { makeRevision } from "./revision.js";

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
    // The map is left to grow: lmdb-js doubles it as pages are needed.
  } as const;
  const root = open<string, string>(options);
  try {
    await requireWholeFile(root, folder);
    const files = openTables(root);
    await prepareMeta(files);
    return files;
  } catch (error) {
    await root.close();
    throw error;
  }
}

function openTables(root: RootDatabase<string, string>): LmdbFiles {
  const table = <K extends string | number>(name: string): Database<string, K> =>
    root.openDB<string, K>({ name, encoding: "string" });
  return {
    root,
    records: table("records"),
    log: table<number>("log"),
    operations: table("operations"),
    meta: table("meta"),
  };
}

/** A file that was cut short must not be read: its map has pages without a file below, and touching one is SIGBUS. */
async function requireWholeFile(root: RootDatabase<string, string>, folder: string): Promise<void> {
  const { lastPageNumber, pageSize } = root.getStats() as { lastPageNumber: number; pageSize: number };
  const { size } = await stat(join(folder, "data.mdb"));
  if (size < (lastPageNumber + 1) * pageSize) {
    throw new StoreError("STATE_UNREADABLE", "the state file is cut short; it stays as it is");
  }
}

async function prepareMeta({ root, meta }: LmdbFiles): Promise<void> {
  const schema = meta.get("schema");
  if (schema === undefined) {
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
  if (Number(schema) !== schemaVersion) {
    throw new StoreError("STATE_UNREADABLE", "the state files are none of ours; they stay as they are");
  }
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

import type { Logger } from "../../observability/logger.js";
import { type FileMark, markOf } from "../../system/file-marks.js";
import { replaceFile } from "../../system/replace-file.js";
import { P2pError } from "../errors.js";
import { tableLimits } from "../limits.js";
import type { NodeRecord } from "../node-record.js";
import { fingerprint, formatSideFile, parseSideFile, type SideFile } from "./side-file.js";
import {
  emptyDocument,
  fileKeyOf,
  formatTableDocument,
  type TableDocument,
  toFileRow,
} from "./table-document.js";
import { TableDisk } from "./table-failures.js";
import { readOwnFile, readTable } from "./table-files.js";
import { mergeTable } from "./table-merge.js";

export interface IpTablePaths {
  /** The file that P2PRC servers and the original client share with us. */
  readonly tablePath: string;
  /** Our own file beside it. */
  readonly sidePath: string;
}

export interface IpTableOptions {
  /** Longest work on one file, in milliseconds. @default 10000 */
  readonly diskTimeoutMs?: number;
}

/**
 * The IP table: nodes in memory, mirrored to the table file, which others write too.
 *
 * Every access looks first whether the file has changed, and joins it in. Changes are made one after the other, each
 * written before it is confirmed.
 */
export class IpTable {
  readonly #paths: IpTablePaths;
  readonly #logger: Logger;
  readonly #disk: TableDisk;
  #nodes: ReadonlyMap<string, NodeRecord> = new Map();
  #document: TableDocument = emptyDocument;
  #standing: ReadonlyMap<string, unknown> = new Map();
  /** Fingerprints of the rows last seen in the file, read or written; undefined = this folder was never ours. */
  #base: ReadonlyMap<string, string> | undefined;
  #mark: FileMark | undefined;
  /** Whether the side file holds a change that was refused. */
  #isSideAhead = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(paths: IpTablePaths, logger: Logger, { diskTimeoutMs }: IpTableOptions = {}) {
    this.#paths = paths;
    this.#logger = logger;
    this.#disk = new TableDisk(diskTimeoutMs);
  }

  /** Reads the table as it stands now. @throws {P2pError} IP_TABLE_UNREADABLE */
  async read(): Promise<ReadonlyMap<string, NodeRecord>> {
    return await this.#inTurn(async () => {
      await this.#refresh();
      return this.#nodes;
    });
  }

  /**
   * Changes the table: `change` is given the nodes as they stand now and edits that map; it is called again, with
   * another map, if others write the file meanwhile. If the file cannot be read or written, nothing has changed, save
   * that `keepInMemory` results stay for the next write.
   *
   * @throws {P2pError} IP_TABLE_UNREADABLE, IP_TABLE_READ_ONLY, IP_TABLE_FULL, DISK_FULL, or what `change` throws
   */
  async update<T>(
    change: (nodes: Map<string, NodeRecord>) => T,
    options: { readonly keepInMemory?: boolean } = {},
  ): Promise<T> {
    return await this.#inTurn(async () => {
      try {
        await this.#refresh();
      } catch (error) {
        if (options.keepInMemory === true) this.#changeInMemory(change);
        throw error;
      }
      for (let attempt = 1; attempt <= tableLimits.writeAttempts; attempt += 1) {
        const before = this.#nodes;
        const nodes = new Map(before);
        const result = change(nodes);
        if (options.keepInMemory === true) this.#nodes = nodes;
        if (await this.#write(nodes)) {
          this.#nodes = nodes;
          return result;
        }
        // The last time, what was learnt stays in memory as it is.
        if (attempt < tableLimits.writeAttempts) await this.#mergeFile(before);
      }
      throw new P2pError("IP_TABLE_READ_ONLY", "the IP table cannot be written (others keep writing it)");
    });
  }

  /** What a crawl learnt outlives a file that somebody broke meanwhile: repaired, it is joined with this. */
  #changeInMemory(change: (nodes: Map<string, NodeRecord>) => unknown): void {
    const nodes = new Map(this.#nodes);
    change(nodes);
    this.#nodes = nodes;
  }

  /** Keeps something learnt about a node in memory; it is written with the next change. */
  remember(key: string, learnt: Pick<NodeRecord, "specs">): void {
    // In turn: a change under way would put its own older copy in place.
    void this.#inTurn(() => {
      const record = this.#nodes.get(key);
      if (record !== undefined) this.#nodes = new Map(this.#nodes).set(key, { ...record, ...learnt });
      return Promise.resolve();
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return await result;
  }

  async #refresh(): Promise<void> {
    if (this.#mark === undefined) {
      await this.#open();
      return;
    }
    if (this.#isSideAhead) await this.#takeBackSide();
    const mark = await this.#disk.limit("IP_TABLE_UNREADABLE", () => markOf(this.#paths.tablePath));
    if (mark !== this.#mark) await this.#mergeFile(this.#nodes);
  }

  async #open(): Promise<void> {
    const sideText = await this.#disk.limit("IP_TABLE_UNREADABLE", (signal) =>
      readOwnFile(this.#paths.sidePath, { signal }),
    );
    const side = sideText === undefined ? undefined : this.#parseSide(sideText);
    this.#base = side?.base;
    await this.#mergeFile(side?.nodes ?? new Map());
    if (sideText === undefined) await this.#recordImport();
  }

  /** On disk at once: whatever others bring into the file from now on is no operator's word at the next start. */
  async #recordImport(): Promise<void> {
    try {
      await this.#writeSide(this.#nodes, this.#base);
    } catch (error) {
      // A table in a read-only folder can be read all the same.
      this.#logger.warn(
        { err: error, path: this.#paths.sidePath },
        "first import of the IP table cannot be recorded: the next start imports anew",
      );
    }
  }

  #parseSide(text: string): SideFile {
    try {
      return parseSideFile(text);
    } catch {
      // Without it nobody knows who typed which row: all of them obey the address policy from now on.
      this.#logger.warn(
        { path: this.#paths.sidePath },
        "side file of the IP table is damaged and starts anew",
      );
      return { nodes: new Map(), base: new Map() };
    }
  }

  async #mergeFile(ours: ReadonlyMap<string, NodeRecord>): Promise<void> {
    const { document, mark } = await this.#disk.limit("IP_TABLE_UNREADABLE", (signal) =>
      readTable(this.#paths.tablePath, { signal }),
    );
    const { nodes, standing } = mergeTable({ ours, theirs: document.rows, base: this.#base });
    this.#nodes = nodes;
    this.#document = document;
    this.#standing = standing;
    this.#mark = mark;
    // What was only read counts too: a row that others add and later remove would otherwise be taken for ours.
    this.#base = fingerprintsOf(document);
  }

  /**
   * Side file, table, side file: cut short anywhere, the next start sees either the old table or the new one, and knows
   * which rows are whose. The first carries the new facts with the old base, the last the new base.
   *
   * @returns whether it is written; if not, others wrote the table meanwhile, and it stays as they left it
   */
  async #write(nodes: ReadonlyMap<string, NodeRecord>): Promise<boolean> {
    const { sidePath } = this.#paths;
    const document = this.#documentOf(nodes);
    const base = fingerprintsOf(document);
    let mark: FileMark | undefined;
    try {
      await this.#writeSide(nodes, this.#base);
      mark = await this.#writeTable(formatTableDocument(document));
    } finally {
      // If this fails too, the first cause counts.
      if (mark === undefined) await this.#takeBackSide();
    }
    if (mark === undefined) return false;
    try {
      await this.#writeSide(nodes, base);
    } catch (error) {
      // The table stands as it should, and the side file beside it leads to the same table at the next start.
      this.#logger.warn({ err: error, path: sidePath }, "side file of the IP table lags one write behind");
    }
    this.#document = document;
    this.#standing = new Map(document.rows.flatMap((row) => entryOf(fileKeyOf(row), row.raw)));
    this.#base = base;
    this.#mark = mark;
    this.#isSideAhead = false;
    return true;
  }

  /** A refused change must not come back at the next start: tried again with the next access until it is done. */
  async #takeBackSide(): Promise<void> {
    try {
      this.#isSideAhead = true;
      await this.#writeSide(this.#nodes, this.#base);
      this.#isSideAhead = false;
    } catch {
      // The caller says what is wrong with the disk.
    }
  }

  async #writeTable(text: string): Promise<FileMark | undefined> {
    requireSize(text, tableLimits.maxFileBytes);
    const expected = this.#mark === undefined ? {} : { expectedMark: this.#mark };
    return await this.#disk.limit("IP_TABLE_READ_ONLY", (signal) =>
      replaceFile(this.#paths.tablePath, text, { ...expected, signal }),
    );
  }

  async #writeSide(nodes: SideFile["nodes"], base: SideFile["base"] = new Map()): Promise<void> {
    const text = formatSideFile({ nodes, base });
    requireSize(text, tableLimits.maxSideFileBytes);
    await this.#disk.limit("IP_TABLE_READ_ONLY", (signal) =>
      replaceFile(this.#paths.sidePath, text, { mode: 0o600, signal }),
    );
  }

  /** Nodes in the order of the file, new ones last, rows that name no node where they stood. */
  #documentOf(nodes: ReadonlyMap<string, NodeRecord>): TableDocument {
    const left = new Map(nodes);
    const rows = this.#document.rows.flatMap((fileRow) => {
      const key = fileKeyOf(fileRow);
      if (key === undefined) return [fileRow];
      const record = left.get(key);
      left.delete(key);
      return record === undefined ? [] : [toFileRow(measuredRow(record), this.#standing.get(key))];
    });
    const added = [...left.values()].map((record) => toFileRow(measuredRow(record), undefined));
    return { ...this.#document, rows: [...rows, ...added] };
  }
}

/** The row with what we measured; a value already in the file stays until measured again. */
const measuredRow = ({ row, measurement }: NodeRecord): NodeRecord["row"] => ({
  ...row,
  latencyNs: measurement?.latencyNs ?? row.latencyNs,
  downloadMbps: measurement?.downloadMbps ?? row.downloadMbps,
  uploadMbps: measurement?.uploadMbps ?? row.uploadMbps,
});

/** By key; the first of several rows for one node counts, as in the merge. */
function fingerprintsOf({ rows }: TableDocument): Map<string, string> {
  const fingerprints = new Map<string, string>();
  for (const row of rows) {
    const key = fileKeyOf(row);
    if (key !== undefined && !fingerprints.has(key)) fingerprints.set(key, fingerprint(row.raw));
  }
  return fingerprints;
}

/** We write nothing that we would refuse to read. */
function requireSize(text: string, maxBytes: number): void {
  if (Buffer.byteLength(text) <= maxBytes) return;
  throw new P2pError(
    "IP_TABLE_FULL",
    `the IP table would need a file of more than ${String(maxBytes)} bytes`,
  );
}

const entryOf = <T>(key: string | undefined, value: T): [string, T][] =>
  key === undefined ? [] : [[key, value]];

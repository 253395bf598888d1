import type { Logger } from "../observability/logger.js";
import type { NodeRecord } from "./node-record.js";
import { fingerprint, formatSideFile, parseSideFile, type SideFile } from "./side-file.js";
import {
  emptyDocument,
  fileKeyOf,
  formatTableDocument,
  type TableDocument,
  toFileRow,
} from "./table-document.js";
import { type FileMark, markOf, readOwnFile, readTable, replaceFile } from "./table-files.js";
import { mergeTable } from "./table-merge.js";

export interface IpTablePaths {
  /** The file that P2PRC servers and the original client share with us. */
  readonly tablePath: string;
  /** Our own file beside it. */
  readonly sidePath: string;
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
  #nodes: ReadonlyMap<string, NodeRecord> = new Map();
  #document: TableDocument = emptyDocument;
  #standing: ReadonlyMap<string, unknown> = new Map();
  /** Fingerprints of our last written copy; undefined = this folder was never ours. */
  #base: ReadonlyMap<string, string> | undefined;
  #mark: FileMark | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(paths: IpTablePaths, logger: Logger) {
    this.#paths = paths;
    this.#logger = logger;
  }

  /** Reads the table as it stands now. @throws {P2pError} IP_TABLE_UNREADABLE */
  async read(): Promise<ReadonlyMap<string, NodeRecord>> {
    return await this.#inTurn(async () => {
      await this.#refresh();
      return this.#nodes;
    });
  }

  /**
   * Changes the table: `change` is given the nodes as they stand now and edits that map. If the file cannot be
   * written, nothing has changed, save that `keepInMemory` results stay for the next write.
   *
   * @throws {P2pError} IP_TABLE_UNREADABLE, IP_TABLE_READ_ONLY, DISK_FULL, or what `change` throws
   */
  async update<T>(
    change: (nodes: Map<string, NodeRecord>) => T,
    options: { readonly keepInMemory?: boolean } = {},
  ): Promise<T> {
    return await this.#inTurn(async () => {
      await this.#refresh();
      const nodes = new Map(this.#nodes);
      const result = change(nodes);
      if (options.keepInMemory === true) this.#nodes = nodes;
      await this.#write(nodes);
      this.#nodes = nodes;
      return result;
    });
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
    if (this.#mark === undefined) await this.#open();
    else if ((await markOf(this.#paths.tablePath)) !== this.#mark) await this.#mergeFile();
  }

  async #open(): Promise<void> {
    const sideText = await readOwnFile(this.#paths.sidePath);
    const side = sideText === undefined ? undefined : this.#parseSide(sideText);
    this.#base = side?.base;
    this.#nodes = side?.nodes ?? new Map();
    await this.#mergeFile();
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

  async #mergeFile(): Promise<void> {
    const { document, mark } = await readTable(this.#paths.tablePath);
    const { nodes, standing } = mergeTable({ ours: this.#nodes, theirs: document.rows, base: this.#base });
    this.#nodes = nodes;
    this.#document = document;
    this.#standing = standing;
    this.#mark = mark;
    // What is imported first counts as ours: rows that others add from now on are no operator's.
    this.#base ??= fingerprintsOf(document);
  }

  /**
   * Side file, table, side file: cut short anywhere, the next start sees either the old table or the new one, and knows
   * which rows are whose. The first carries the new facts with the old base, the last the new base.
   */
  async #write(nodes: ReadonlyMap<string, NodeRecord>): Promise<void> {
    const { tablePath, sidePath } = this.#paths;
    const document = this.#documentOf(nodes);
    const base = fingerprintsOf(document);
    await this.#writeSide(nodes, this.#base);
    try {
      await replaceFile(tablePath, formatTableDocument(document));
    } catch (error) {
      // The refused change must not come back at the next start. If this fails too, the first cause counts.
      await this.#writeSide(this.#nodes, this.#base).catch(() => undefined);
      throw error;
    }
    try {
      await this.#writeSide(nodes, base);
    } catch (error) {
      // The table stands as it should, and the side file beside it leads to the same table at the next start.
      this.#logger.warn({ err: error, path: sidePath }, "side file of the IP table lags one write behind");
    }
    this.#document = document;
    this.#standing = new Map(document.rows.flatMap((row) => entryOf(fileKeyOf(row), row.raw)));
    this.#base = base;
    this.#mark = await markOf(tablePath);
  }

  async #writeSide(nodes: SideFile["nodes"], base: SideFile["base"] = new Map()): Promise<void> {
    await replaceFile(this.#paths.sidePath, formatSideFile({ nodes, base }), { mode: 0o600 });
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
});

const fingerprintsOf = (document: TableDocument): Map<string, string> =>
  new Map(document.rows.flatMap((row) => entryOf(fileKeyOf(row), fingerprint(row.raw))));

const entryOf = <T>(key: string | undefined, value: T): [string, T][] =>
  key === undefined ? [] : [[key, value]];

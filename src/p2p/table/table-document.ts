/**
 * The table file as text: every version's shape in, today's shape out. Unknown fields, rows without an address and the
 * indent are kept as they are. Source: shared protocol notes, "Table" and traps 1, 5, 6, 19.
 */
import { addressKey } from "../../peer-api/address.js";
import type { PeerRow } from "../../peer-api/contract.js";
import { knownKeys, readRow, rowsKey, spelledTexts, toWireRow } from "../../peer-api/ip-table-rows.js";

type JsonRecord = Readonly<Record<string, unknown>>;

/** A row as it stands in the file. Without `row` it names no node: kept, never contacted. */
export interface FileRow {
  readonly raw: unknown;
  readonly row?: PeerRow;
}

export interface TableDocument {
  readonly rows: readonly FileRow[];
  /** Fields beside the list. */
  readonly extra: JsonRecord;
  /** What JSON.stringify takes as indent. */
  readonly indent: string;
  readonly endsWithNewline: boolean;
}

/** One space, as nodes write it. */
export const emptyDocument: TableDocument = { rows: [], extra: {}, indent: " ", endsWithNewline: false };

/** Reads the file's text. Zero bytes, `{}` and a null list are an empty table. @throws {SyntaxError} */
export function parseTableDocument(text: string): TableDocument {
  const json = text.replace(/^\ufeff/, "");
  if (json.trim() === "") return emptyDocument;
  const value: unknown = JSON.parse(json);
  if (!isRecord(value)) throw new SyntaxError("the table is not a JSON object");
  const isListKey = (key: string): boolean => key.toLowerCase() === rowsKey;
  // One list, however often and in whatever case its key stands there: a second one would shadow it for other readers.
  const lists = [
    value[rowsKey],
    ...Object.keys(value)
      .filter((key) => isListKey(key) && key !== rowsKey)
      .map((key) => value[key]),
  ];
  const list = lists.flatMap((rows) => {
    if (rows !== undefined && rows !== null && !Array.isArray(rows))
      throw new SyntaxError(`"${rowsKey}" is not a list`);
    return (rows ?? []) as unknown[];
  });
  return {
    rows: list.map(readFileRow),
    extra: Object.fromEntries(Object.entries(value).filter(([key]) => !isListKey(key))),
    // An empty object has no manner of its own.
    indent: Object.keys(value).length === 0 ? emptyDocument.indent : indentOf(json),
    endsWithNewline: json.endsWith("\n"),
  };
}

/** Spells a document as text. */
export function formatTableDocument(document: TableDocument): string {
  const list = document.rows.map(({ raw }) => raw);
  const text = JSON.stringify({ [rowsKey]: list, ...document.extra }, null, document.indent);
  return document.endsWithNewline ? `${text}\n` : text;
}

/**
 * Makes the file's row of a node: today's 16 keys, then the unknown fields of the row that stood there.
 *
 * Texts that only differ by what was cleaned out of them for us keep the file's spelling.
 */
export function toFileRow(row: PeerRow, standing: unknown): FileRow {
  if (!isRecord(standing)) return { raw: toWireRow(row), row };
  const wire = { ...toWireRow(row), ...spelledTexts(row, standing) };
  const unknown = Object.entries(standing).filter(([key]) => !knownKeys.has(key.toLowerCase()));
  // fromEntries defines keys; an assignment would let "__proto__" reach the prototype.
  return { raw: Object.fromEntries([...Object.entries(wire), ...unknown]), row };
}

/** Identity of a file row; undefined if it names no node. */
export const fileKeyOf = ({ row }: FileRow): string | undefined =>
  row === undefined ? undefined : addressKey(row.address);

function readFileRow(raw: unknown): FileRow {
  const row = readRow(raw, { allowNames: true });
  return typeof row === "string" ? { raw } : { raw, row };
}

/** The white space before the first key of the first line that is indented; none in a compact file. */
function indentOf(json: string): string {
  return /^\s*\{\r?\n([ \t]{1,10})"/.exec(json)?.[1] ?? "";
}

const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value);

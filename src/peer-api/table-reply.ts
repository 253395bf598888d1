import { addressKey } from "./address.js";
import type { PeerRow, RowRejection, TableReply } from "./contract.js";
import { PeerError } from "./errors.js";
import { readRow, rowsKey } from "./ip-table-rows.js";
import { fieldsOf, isJsonObject, parseJsonBody } from "./json-body.js";
import { cutLists } from "./json-lists.js";
import { maxTableRows, maxTableValues } from "./limits.js";

/**
 * Reads the answer of POST /IpTable. An error of the node comes as text with status 200 and is told by its type.
 *
 * @throws {PeerError} BAD_BODY; TOO_LARGE: more values than any table needs
 */
export function parseTable(body: Buffer, contentType: string, elapsedMs: number): TableReply {
  if (/^text\/plain\b/i.test(contentType) && !looksLikeObject(body)) {
    throw new PeerError("BAD_BODY", "the node answered with an error text in place of its table");
  }
  const bounded = cutLists(body, { maxElements: maxTableRows, maxValues: maxTableValues });
  if (bounded === undefined) throw new PeerError("TOO_LARGE", "the table holds too many values");
  const value = parseJsonBody(bounded);
  const list = isJsonObject(value) ? fieldsOf(value)(rowsKey) : undefined;
  if (list === null || (isJsonObject(value) && Object.keys(value).length === 0)) {
    return { rows: [], entryCount: 0, rejected: new Map(), bodyBytes: body.length, elapsedMs };
  }
  if (!Array.isArray(list)) throw new PeerError("BAD_BODY", "the answer holds no list of nodes");
  const { leftOutCount, ...read } = readRows(list);
  return {
    ...read,
    entryCount: Math.min(list.length, maxTableRows) + leftOutCount,
    bodyBytes: body.length,
    elapsedMs,
  };
}

function readRows(
  list: readonly unknown[],
): Pick<TableReply, "rows" | "rejected"> & { readonly leftOutCount: number } {
  const rows = new Map<string, PeerRow>();
  const rejected = new Map<RowRejection, number>();
  const reject = (reason: RowRejection, count = 1): void => {
    rejected.set(reason, (rejected.get(reason) ?? 0) + count);
  };
  for (const value of list.slice(0, maxTableRows)) {
    const row = readRow(value);
    if (typeof row === "string") reject(row);
    else if (rows.has(addressKey(row.address))) reject("DUPLICATE");
    else rows.set(addressKey(row.address), row);
  }
  // In the place of all rows beyond the limit stands their number (`cutLists`).
  const leftOutCount = Number(list[maxTableRows] ?? 0);
  if (leftOutCount > 0) reject("TOO_MANY_ROWS", leftOutCount);
  return { rows: [...rows.values()], rejected, leftOutCount };
}

const looksLikeObject = (body: Buffer): boolean =>
  body.subarray(0, 64).toString("latin1").trimStart().startsWith("{");

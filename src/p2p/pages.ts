import type { Node, NodePage } from "./contract.js";
import { P2pError } from "./errors.js";
import { tableLimits } from "./limits.js";
import { keyOf, type NodeRecord, toNode } from "./node-record.js";

const tokenVersion = "n1:";

/**
 * Cuts one page out of the table, sorted by name. A page ends early when it grows heavy, so that a response stays below
 * what gRPC clients take.
 *
 * @throws {P2pError} INVALID_PAGE_TOKEN
 */
export function pageOf(
  records: Iterable<NodeRecord>,
  page: { readonly pageSize: number; readonly pageToken: string },
  isSelf: (record: NodeRecord) => boolean,
): NodePage {
  const afterKey = page.pageToken === "" ? "" : readToken(page.pageToken);
  const rest = [...records]
    .map((record) => ({ key: keyOf(record), record }))
    .filter(({ key }) => key > afterKey)
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  const nodes: Node[] = [];
  let weightBytes = 0;
  for (const { record } of rest) {
    if (nodes.length >= Math.min(page.pageSize, tableLimits.maxPageSize)) break;
    if (weightBytes > tableLimits.maxPageBytes) break;
    weightBytes += Buffer.byteLength(JSON.stringify(record));
    nodes.push(toNode(record, isSelf(record)));
  }
  const last = nodes.length < rest.length ? rest[nodes.length - 1] : undefined;
  return { nodes, nextPageToken: last === undefined ? "" : writeToken(last.key) };
}

const writeToken = (key: string): string => Buffer.from(tokenVersion + key).toString("base64url");

function readToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  const isOurs = text.startsWith(tokenVersion) && Buffer.from(text).toString("base64url") === token;
  if (!isOurs) {
    throw new P2pError("INVALID_PAGE_TOKEN", "page_token is not one that ListNodes returned", {
      field: "page_token",
    });
  }
  return text.slice(tokenVersion.length);
}

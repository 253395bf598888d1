import { hash } from "node:crypto";
import { FilterError } from "../filter/errors.js";
import { parseFilter } from "../filter/filter.js";
import { parseOrder } from "../filter/order.js";
import { nodeName } from "../peer-api/address.js";
import type { Node, NodePage, NodePageRequest } from "./contract.js";
import { P2pError, type P2pReason } from "./errors.js";
import { tableLimits } from "./limits.js";
import { nodeFields } from "./node-fields.js";
import { type NodeRecord, toNode } from "./node-record.js";

const tokenVersion = "n2";

/** Where a page begins. */
interface Place {
  /** Nodes before it. */
  readonly offset: number;
  /** Name of the last node before it; empty = there is none. */
  readonly afterName: string;
}

/** Pages of the table as it stands at each call. */
export class NodePages {
  /** Sorted once for each state of the table: a page of the list by name then looks at no more nodes than it needs. */
  readonly #sorted = new WeakMap<ReadonlyMap<string, NodeRecord>, readonly NodeRecord[]>();

  /**
   * Cuts one page out of the table: the nodes that pass the filter, in the order asked for, then by name. A page ends
   * early when it grows heavy, so that a response stays below what gRPC clients take.
   *
   * The table may change between pages: the next one begins behind the last node shown, wherever that stands by then.
   *
   * @param table nodes by `keyOf`; never changed in place
   * @throws {P2pError} INVALID_PAGE_TOKEN, INVALID_FILTER, INVALID_ORDER_BY
   */
  pageOf(
    table: ReadonlyMap<string, NodeRecord>,
    request: NodePageRequest,
    isSelf: (record: NodeRecord) => boolean,
  ): NodePage {
    const passes = parsed("INVALID_FILTER", "filter", () => parseFilter<Node>(request.filter, nodeFields));
    const order = parsed("INVALID_ORDER_BY", "order_by", () => parseOrder<Node>(request.orderBy, nodeFields));
    const place = readToken(request);
    const byName = this.#byName(table);
    if (request.orderBy === "") {
      const rest = byName.slice(startByName(byName, place.afterName));
      return cut(passing(rest, passes, isSelf), request, place.offset);
    }
    // Sorting is stable: nodes that the order does not tell apart stay by name.
    const listed = [...passing(byName, passes, isSelf)].sort(order);
    const start = startOf(listed, place);
    return cut(listed.slice(start), request, start);
  }

  #byName(table: ReadonlyMap<string, NodeRecord>): readonly NodeRecord[] {
    let records = this.#sorted.get(table);
    if (records === undefined) {
      // A node's name is its key behind a prefix.
      records = [...table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
      this.#sorted.set(table, records);
    }
    return records;
  }
}

function* passing(
  records: readonly NodeRecord[],
  passes: (node: Node) => boolean,
  isSelf: (record: NodeRecord) => boolean,
): Generator<Node> {
  for (const record of records) {
    const node = toNode(record, isSelf(record));
    if (passes(node)) yield node;
  }
}

/** Takes nodes until the page is full. @param offset nodes before the first one */
function cut(rest: Iterable<Node>, request: NodePageRequest, offset: number): NodePage {
  const nodes: Node[] = [];
  let weightBytes = 0;
  for (const node of rest) {
    const isFull = nodes.length >= Math.min(request.pageSize, tableLimits.maxPageSize);
    if (isFull || weightBytes > tableLimits.maxPageBytes) {
      const place = { offset: offset + nodes.length, afterName: nodes.at(-1)?.name ?? "" };
      return { nodes, nextPageToken: writeToken(request, place) };
    }
    weightBytes += Buffer.byteLength(JSON.stringify(node));
    nodes.push(node);
  }
  return { nodes, nextPageToken: "" };
}

function startByName(byName: readonly NodeRecord[], afterName: string): number {
  const start = byName.findIndex(({ address }) => nodeName(address) > afterName);
  return start === -1 ? byName.length : start;
}

function startOf(listed: readonly Node[], { offset, afterName }: Place): number {
  if (afterName === "") return 0;
  const next = listed.findIndex(({ name }) => name === afterName) + 1;
  // The last node shown has left the list meanwhile: as many as were shown is the best guess.
  return next === 0 ? offset : next;
}

function parsed<T>(reason: P2pReason, field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new P2pError(reason, `${field}: ${error.message}`, {
      field,
      metadata: { column: String(error.column) },
    });
  }
}

/** A token belongs to the list it came from: the same filter and the same order. */
const listOf = ({ filter, orderBy }: NodePageRequest): string =>
  hash("sha256", JSON.stringify([filter, orderBy]), "base64url").slice(0, 12);

const writeToken = (request: NodePageRequest, { offset, afterName }: Place): string =>
  Buffer.from([tokenVersion, listOf(request), offset, afterName].join(" ")).toString("base64url");

function readToken(request: NodePageRequest): Place {
  const { pageToken } = request;
  if (pageToken === "") return { offset: 0, afterName: "" };
  const text = Buffer.from(pageToken, "base64url").toString();
  const [version, list, offset = "", afterName = "", ...rest] = text.split(" ");
  const isWhole = Buffer.from(text).toString("base64url") === pageToken && rest.length === 0;
  if (
    version !== tokenVersion ||
    !isWhole ||
    !/^[0-9]{1,9}$/.test(offset) ||
    !afterName.startsWith("nodes/")
  ) {
    throw invalidToken("is not one that ListNodes returned");
  }
  if (list !== listOf(request)) throw invalidToken("belongs to a list with another filter or order_by");
  return { offset: Number(offset), afterName };
}

const invalidToken = (why: string): P2pError =>
  new P2pError("INVALID_PAGE_TOKEN", `page_token ${why}`, { field: "page_token" });

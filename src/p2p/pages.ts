import { hash } from "node:crypto";
import { FilterError } from "../filter/errors.js";
import { parseFilter } from "../filter/filter.js";
import { parseOrder } from "../filter/order.js";
import { placeOf } from "../filter/pages.js";
import type { Node, NodePage, NodePageRequest } from "./contract.js";
import { P2pError, type P2pReason } from "./errors.js";
import { tableLimits } from "./limits.js";
import { nodeFields } from "./node-fields.js";
import { type NodeRecord, toNode } from "./node-record.js";

const tokenVersion = "n2";
/** Before a node's key, in its name. */
const namePrefix = "nodes/";

/** Where a page begins. */
interface Place {
  /** Nodes before it. */
  readonly offset: number;
  /** Name of the last node before it; empty = there is none. */
  readonly afterName: string;
}

interface Listed {
  readonly record: NodeRecord;
  /** How it looks to callers, unless it is ourselves. */
  readonly shown: Node;
}

/** Pages of the table as it stands at each call. */
export class NodePages {
  /** Sorted and shown once for each state of the table: the next page of it then looks at no more than it needs. */
  readonly #sorted = new WeakMap<ReadonlyMap<string, NodeRecord>, readonly Listed[]>();

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
    const compare = (a: Node, b: Node): number => order(a, b) || (a.name < b.name ? -1 : 1);
    const last = table.get(place.afterName.slice(namePrefix.length));
    const bound = last === undefined ? undefined : toNode(last, isSelf(last));
    const rest = behind(bound, passing(byName, passes, isSelf), compare);
    // The last node shown has left the list meanwhile: as many as were shown is the best guess.
    const skipped = bound === undefined ? place.offset : 0;
    const next = skipped === 0 ? firstOf(rest, compare, wantedBy(request)) : [...rest].sort(compare);
    return cut(next.slice(skipped), request, place.offset);
  }

  #byName(table: ReadonlyMap<string, NodeRecord>): readonly Listed[] {
    let records = this.#sorted.get(table);
    if (records === undefined) {
      // A node's name is its key behind a prefix.
      records = [...table]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, record]) => ({ record, shown: toNode(record, false) }));
      this.#sorted.set(table, records);
    }
    return records;
  }
}

function* passing(
  listed: readonly Listed[],
  passes: (node: Node) => boolean,
  isSelf: (record: NodeRecord) => boolean,
): Generator<Node> {
  for (const { record, shown } of listed) {
    const node = isSelf(record) ? toNode(record, true) : shown;
    if (passes(node)) yield node;
  }
}

function* behind(
  bound: Node | undefined,
  nodes: Iterable<Node>,
  compare: (a: Node, b: Node) => number,
): Generator<Node> {
  for (const node of nodes) {
    if (bound === undefined || (node.name !== bound.name && compare(node, bound) > 0)) yield node;
  }
}

/** The first so many in an order. To sort all of ten thousand for a page of a hundred takes several times as long. */
function firstOf(
  nodes: Iterable<Node>,
  compare: (a: Node, b: Node) => number,
  most: number,
): readonly Node[] {
  const first: Node[] = [];
  for (const node of nodes) {
    const last = first.at(-1);
    const isFull = first.length === most;
    if (isFull && last !== undefined && compare(node, last) > 0) continue;
    first.splice(placeOf(first, node, compare), 0, node);
    if (isFull) first.pop();
  }
  return first;
}

/** One more than a page has: whether there is another page. */
const wantedBy = ({ pageSize }: NodePageRequest): number => Math.min(pageSize, tableLimits.maxPageSize) + 1;

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

function startByName(byName: readonly Listed[], afterName: string): number {
  const start = byName.findIndex(({ shown }) => shown.name > afterName);
  return start === -1 ? byName.length : start;
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
    !afterName.startsWith(namePrefix)
  ) {
    throw invalidToken("is not one that ListNodes returned");
  }
  if (list !== listOf(request)) throw invalidToken("belongs to a list with another filter or order_by");
  return { offset: Number(offset), afterName };
}

const invalidToken = (why: string): P2pError =>
  new P2pError("INVALID_PAGE_TOKEN", `page_token ${why}`, { field: "page_token" });

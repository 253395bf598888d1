import { FilterError, PageTokenError } from "../filter/errors.js";
import { parseFilter } from "../filter/filter.js";
import { parseOrder } from "../filter/order.js";
import { type Listed, pageOf } from "../filter/pages.js";
import type { Node, NodePage, NodePageRequest } from "./contract.js";
import { P2pError, type P2pReason } from "./errors.js";
import { tableLimits } from "./limits.js";
import { nodeFields } from "./node-fields.js";
import { type NodeRecord, toNode } from "./node-record.js";

type Table = ReadonlyMap<string, NodeRecord>;

/** Before a node's key, in its name. */
const namePrefix = "nodes/";

/** Pages of the table as it stands at each call. */
export class NodePages {
  /** Sorted once for each state of the table: the next page of it then looks at no more than it needs. */
  readonly #names = new WeakMap<Table, readonly string[]>();
  /** How each looks to callers, unless it is ourselves. */
  readonly #shown = new WeakMap<NodeRecord, Node>();

  /**
   * Cuts one page out of the table: the nodes that pass the filter, in the order asked for, then by name. A page ends
   * early when it grows heavy, so that a response stays below what gRPC clients take.
   *
   * The table may change between pages: the next one begins behind the last node shown, wherever that stands by then.
   *
   * @param table nodes by `keyOf`; never changed in place
   * @throws {P2pError} INVALID_PAGE_TOKEN, INVALID_FILTER, INVALID_ORDER_BY
   */
  async pageOf(
    table: Table,
    request: NodePageRequest,
    isSelf: (record: NodeRecord) => boolean,
  ): Promise<NodePage> {
    const { filter, orderBy, pageToken } = request;
    const list: Listed<Node> = {
      names: this.#namesOf(table),
      get: (name) => {
        const record = table.get(name.slice(namePrefix.length));
        return record === undefined ? undefined : this.#show(record, isSelf(record));
      },
    };
    const query = {
      pageSize: Math.min(request.pageSize, tableLimits.maxPageSize),
      pageToken,
      listId: JSON.stringify(["nodes", filter, orderBy]),
      passes: parsed("INVALID_FILTER", "filter", () => parseFilter(filter, nodeFields)),
      order:
        orderBy === ""
          ? undefined
          : parsed("INVALID_ORDER_BY", "order_by", () => parseOrder(orderBy, nodeFields)),
      maxPageBytes: tableLimits.maxPageBytes,
    };
    try {
      const { entries, nextPageToken } = await pageOf(list, query);
      return { nodes: entries, nextPageToken };
    } catch (error) {
      if (!(error instanceof PageTokenError)) throw error;
      throw new P2pError("INVALID_PAGE_TOKEN", `page_token ${error.message}`, { field: "page_token" });
    }
  }

  #namesOf(table: Table): readonly string[] {
    let names = this.#names.get(table);
    if (names === undefined) {
      names = Array.from(table.keys(), (key) => namePrefix + key).sort();
      this.#names.set(table, names);
    }
    return names;
  }

  #show(record: NodeRecord, isSelf: boolean): Node {
    if (isSelf) return toNode(record, true);
    let shown = this.#shown.get(record);
    if (shown === undefined) {
      shown = toNode(record, false);
      this.#shown.set(record, shown);
    }
    return shown;
  }
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

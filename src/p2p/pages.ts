import { FilterError, PageTokenError } from "../filter/errors.js";
import { parseFilter } from "../filter/filter.js";
import { parseOrder } from "../filter/order.js";
import { pageOf } from "../filter/pages.js";
import type { Node, NodePage, NodePageRequest } from "./contract.js";
import { P2pError, type P2pReason } from "./errors.js";
import { tableLimits } from "./limits.js";
import { nodeFields } from "./node-fields.js";
import { type NodeRecord, toNode } from "./node-record.js";

type Table = ReadonlyMap<string, NodeRecord>;

/** A table, by name. */
interface Sorted {
  readonly names: readonly string[];
  readonly byName: ReadonlyMap<string, Listed>;
}

interface Listed {
  readonly record: NodeRecord;
  /** How it looks to callers, unless it is ourselves. */
  readonly shown: Node;
}

/** Pages of the table as it stands at each call. */
export class NodePages {
  /** Sorted once for each state of the table: the next page of it then looks at no more than it needs. */
  readonly #sorted = new WeakMap<Table, Sorted>();

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
    const { names, byName } = this.#sort(table);
    const list = {
      names,
      get: (name: string): Node | undefined => {
        const listed = byName.get(name);
        return listed !== undefined && isSelf(listed.record) ? toNode(listed.record, true) : listed?.shown;
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

  #sort(table: Table): Sorted {
    let sorted = this.#sorted.get(table);
    if (sorted === undefined) {
      const listed = Array.from(table.values(), (record) => ({ record, shown: toNode(record, false) }));
      const byName = new Map(listed.map((one) => [one.shown.name, one]));
      sorted = { names: [...byName.keys()].sort(), byName };
      this.#sorted.set(table, sorted);
    }
    return sorted;
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

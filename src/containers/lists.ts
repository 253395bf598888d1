import { FilterError, PageTokenError } from "../filter/errors.js";
import type { FieldTable } from "../filter/fields.js";
import { parseFilter } from "../filter/filter.js";
import { parseOrder } from "../filter/order.js";
import { type Listed, pageOf } from "../filter/pages.js";
import type { Test } from "../filter/value-types.js";
import type { Container, Group, Page, PageRequest } from "./contract.js";
import { ContainerError, type ContainerReason } from "./errors.js";
import { containerFields, groupFields } from "./fields.js";
import { containerLimits } from "./limits.js";
import { readGroupName } from "./names.js";
import { showGroup, showSubject } from "./show.js";
import type { TrackedState } from "./tracked-state.js";

/** Reads a page of the containers. @throws {ContainerError} INVALID_FILTER, INVALID_ORDER_BY, INVALID_PAGE_TOKEN */
export async function listContainers(
  state: TrackedState,
  request: PageRequest & { readonly showsRemoved: boolean },
): Promise<Page<Container>> {
  const list: Listed<Container> = {
    names: state.names,
    get(name) {
      const subject = state.subjectOf(name);
      if (subject === undefined || (subject.kind === "tombstone" && !request.showsRemoved)) return undefined;
      return showSubject(state, subject);
    },
  };
  return await page(state, list, request, containerFields, `containers ${String(request.showsRemoved)}`);
}

/** Reads a page of the groups. @throws {ContainerError} INVALID_FILTER, INVALID_ORDER_BY, INVALID_PAGE_TOKEN */
export async function listGroups(state: TrackedState, request: PageRequest): Promise<Page<Group>> {
  const list: Listed<Group> = {
    names: state.groupNames,
    get: (name) => showGroup(state, readGroupName(name, "group")),
  };
  return await page(state, list, request, groupFields, "groups");
}

async function page<T>(
  state: TrackedState,
  list: Listed<T>,
  request: PageRequest,
  fields: FieldTable<T>,
  what: string,
): Promise<Page<T>> {
  const { filter, orderBy, pageToken } = request;
  // Taken first: what is committed while the page is cut, Watch tells again, and does not leave out.
  const { revision } = state;
  const passes = readFilter(filter, fields, "filter");
  const order =
    orderBy === "" ? undefined : parsed("INVALID_ORDER_BY", "order_by", () => parseOrder(orderBy, fields));
  const query = {
    pageSize: Math.min(request.pageSize, containerLimits.maxPageSize),
    pageToken,
    listId: JSON.stringify([what, filter, orderBy]),
    passes,
    order,
    maxPageBytes: containerLimits.maxPageBytes,
  };
  try {
    return { ...(await pageOf(list, query)), revision };
  } catch (error) {
    if (!(error instanceof PageTokenError)) throw error;
    throw new ContainerError("INVALID_PAGE_TOKEN", `page_token ${error.message}`, { field: "page_token" });
  }
}

/** Reads a filter. @throws {ContainerError} INVALID_FILTER naming the field and the column */
export const readFilter = <T>(filter: string, fields: FieldTable<T>, field: string): Test<T> =>
  parsed("INVALID_FILTER", field, () => parseFilter(filter, fields));

function parsed<T>(reason: ContainerReason, field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new ContainerError(reason, `${field}: ${error.message}`, {
      field,
      metadata: { column: String(error.column) },
    });
  }
}

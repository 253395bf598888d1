/** Reads all containers and groups, and finds the one that somebody names. */
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import type { Access, Container } from "../gen/p2prc/client/v1/container_pb.js";
import type { GetGroupResponse, Group } from "../gen/p2prc/client/v1/group_pb.js";
import { OutcomeError, UsageError } from "./errors.js";
import type { GatewayClient } from "./session.js";

/** Entries asked for at once; the gateway cuts a page before it gets too large for gRPC clients. */
const pageSize = 500;
/** Calls under way at once. */
const maxCalls = 16;

export interface ListOptions {
  /** docs/filters.md. @default "" all */
  readonly filter?: string;
  /** docs/filters.md. @default "" by name */
  readonly orderBy?: string;
  /** Containers only. @default false */
  readonly showRemoved?: boolean;
}

/** A container, and how to log in to it. */
export interface OpenedContainer {
  readonly container: Container;
  /** Holds secrets. */
  readonly access: Access;
}

export async function listAllContainers(
  client: GatewayClient,
  options: ListOptions,
  signal: AbortSignal,
): Promise<readonly Container[]> {
  const containers: Container[] = [];
  let pageToken = "";
  do {
    const page = await client.listContainers({ ...options, pageSize, pageToken }, { signal });
    containers.push(...page.containers);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return containers;
}

export async function listAllGroups(
  client: GatewayClient,
  { filter = "", orderBy = "" }: ListOptions,
  signal: AbortSignal,
): Promise<readonly Group[]> {
  const groups: Group[] = [];
  let pageToken = "";
  do {
    const page = await client.listGroups({ filter, orderBy, pageSize, pageToken }, { signal });
    groups.push(...page.groups);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return groups;
}

/** Reads a group with all its members, also with more than one answer holds. */
export async function readGroup(
  client: GatewayClient,
  group: string,
  signal: AbortSignal,
): Promise<Pick<GetGroupResponse, "group" | "containers">> {
  const found = await client.getGroup({ group }, { signal });
  if (found.omittedContainerCount === 0 || found.group === undefined) return found;
  const filter = `groups:"${found.group.name}"`;
  const all = await listAllContainers(client, { filter }, signal);
  const byName = new Map(all.map((container) => [container.name, container]));
  const containers = found.group.containers.flatMap((name) => byName.get(name) ?? []);
  return { group: found.group, containers };
}

/** Whether its id is known: any other may run, and can only be forgotten. */
export const isResolved = ({ id }: Container): boolean => id !== "";

/** Asks how to log in to each. One that was removed meanwhile is left out, as is one without an id. */
export async function openContainers(
  client: GatewayClient,
  containers: readonly Container[],
  signal: AbortSignal,
): Promise<readonly OpenedContainer[]> {
  const opened = await forEachOf(containers.filter(isResolved), async (container) => {
    try {
      const { access } = await client.getContainerAccess({ container: container.name }, { signal });
      return access === undefined ? undefined : { container, access };
    } catch (error) {
      if (reasonOf(error) === "CONTAINER_NOT_TRACKED") return undefined;
      throw error;
    }
  });
  return opened.filter((one) => one !== undefined);
}

/** Does something with each, so many at a time. @returns what came of it, in the order of the list */
export async function forEachOf<T, R>(
  list: readonly T[],
  work: (entry: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  // Shared by those who work: each takes the next one.
  const queue = list.entries();
  const takeAll = async (): Promise<void> => {
    for (const [index, entry] of queue) results[index] = await work(entry);
  };
  await Promise.all(Array.from({ length: Math.min(maxCalls, list.length) }, takeAll));
  return results;
}

/**
 * Finds the container that somebody typed: its id, as users of the original know it, or its name.
 *
 * @param what the flag or argument, for messages
 * @returns its name
 * @throws {UsageError} the text is neither, or several nodes have a container of that id
 * @throws {OutcomeError} no container of that id is tracked
 */
export async function findContainer(
  client: GatewayClient,
  typed: string,
  what: string,
  signal: AbortSignal,
): Promise<string> {
  if (typed.startsWith("nodes/")) return typed;
  const id = requireId(typed, what, " or name");
  const found = await listAllContainers(client, { filter: `id = "${id}"` }, signal);
  const [first, ...others] = found;
  if (first === undefined) throw new OutcomeError(`container ${id} is not tracked (CONTAINER_NOT_TRACKED)`);
  if (others.length > 0) {
    const names = found.map(({ name }) => name).join(", ");
    throw new UsageError(`${what} ${id}: several nodes have a container of that id; give one of ${names}`);
  }
  return first.name;
}

/** Refuses what no node gives as an id, and what a filter or a resource name would read differently. */
export function requireId(typed: string, what: string, orElse = ""): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(typed)) return typed;
  throw new UsageError(`${what} "${typed}": not the id${orElse} of a container`);
}

/** The reason that docs/errors.md lists; empty = the error is not the service's. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof ConnectError)) return "";
  return error.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
}

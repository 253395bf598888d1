import { addressKey, nodeName, parseTypedAddress } from "../peer-api/address.js";
import type { PeerAddress } from "../peer-api/contract.js";
import { ContainerError } from "./errors.js";

/** An id as a node may choose it. It goes into URLs, and nodes put it into shell commands. */
export const containerIdPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{2,127}$/;

const groupIdPattern = /^grp[A-Za-z0-9-]{1,60}$/;

/** Identity of a container: a node chooses its ids, and may choose another node's. */
export const containerKey = (address: PeerAddress, id: string): string => `${addressKey(address)}/${id}`;

export const containerName = (address: PeerAddress, id: string): string =>
  `${nodeName(address)}/containers/${id}`;

/** Name of the container that has this key. */
export const nameOfKey = (key: string): string => `nodes/${key.replace("/", "/containers/")}`;

/** What stands in the place of an id that is not known. */
const intentMark = "~";

export const intentName = (address: PeerAddress, intent: string): string =>
  containerName(address, intentMark + intent);

export const groupName = (id: string): string => `groups/${id}`;

/** What a caller typed to name a container. The port is absent if none was typed. */
export interface TypedContainer {
  readonly host: string;
  readonly port: number | undefined;
  /** Id, or intent. */
  readonly id: string;
  readonly isIntent: boolean;
}

/** Reads `nodes/HOST[:PORT]/containers/ID`. @throws {ContainerError} INVALID_CONTAINER_NAME naming the field */
export function readContainerName(text: string, field: string): TypedContainer {
  const [, node, rest = ""] = /^(nodes\/[^/]+)\/containers\/([^/]+)$/.exec(text) ?? [];
  const address = node === undefined ? undefined : parseTypedAddress(node);
  const isIntent = rest.startsWith(intentMark);
  const id = isIntent ? rest.slice(1) : rest;
  if (address === undefined || !containerIdPattern.test(id)) {
    throw new ContainerError("INVALID_CONTAINER_NAME", `${field} is no nodes/HOST:PORT/containers/ID`, {
      field,
    });
  }
  return { ...address, id, isIntent };
}

/** Reads `groups/ID` or `ID`. @returns the id @throws {ContainerError} INVALID_GROUP_NAME naming the field */
export function readGroupName(text: string, field: string): string {
  const id = text.startsWith("groups/") ? text.slice("groups/".length) : text;
  if (!groupIdPattern.test(id)) {
    throw new ContainerError("INVALID_GROUP_NAME", `${field} is no groups/grp...`, { field });
  }
  return id;
}

export const isGroupId = (text: string): boolean => groupIdPattern.test(text);

/**
 * GET /startcontainer and GET /RemoveContainer: made once, never repeated, each on a new connection, so that none meets a
 * connection that the node has just closed. Source: shared protocol notes, "Route details" and trap 10.
 */
import { addressKey } from "./address.js";
import { parseRemoveAnswer, parseStartAnswer } from "./container-replies.js";
import type { CallOptions, ContainerOrder, PeerAddress, RemoveAnswer, StartAnswer } from "./contract.js";
import { isContainerId } from "./docker-vm.js";
import { type RouteLimit, routeLimits } from "./limits.js";
import { type NodeAnswer, request } from "./node-request.js";
import type { NodeSockets } from "./sockets.js";

/** @see PeerApi.startContainer @throws {PeerError} */
export async function startContainer(
  sockets: NodeSockets,
  address: PeerAddress,
  order: ContainerOrder,
  options: CallOptions,
): Promise<StartAnswer> {
  // All five, always: what an old node does not know it ignores.
  const parameters = {
    ports: String(order.portCount),
    GPU: String(order.gpu),
    ContainerName: order.image,
    BaseImage: order.baseImage,
    PublicKey: Buffer.from(order.sshPublicKey).toString("base64"),
  };
  const url = urlOf(address, "startcontainer", parameters);
  return parseStartAnswer(await getOnce(url, sockets, routeLimits.startContainer, options));
}

/** @see PeerApi.removeContainer @throws {PeerError} */
export async function removeContainer(
  sockets: NodeSockets,
  address: PeerAddress,
  id: string,
  options: CallOptions,
): Promise<RemoveAnswer> {
  const url = urlOf(address, "RemoveContainer", { id });
  return parseRemoveAnswer(await getOnce(url, sockets, routeLimits.removeContainer, options));
}

/** Refuses what no node may be sent as an id. @throws {RangeError} */
export function requireContainerId(id: string): void {
  if (!isContainerId(id)) throw new RangeError(`${JSON.stringify(id.slice(0, 256))} is no container id`);
}

const getOnce = (
  url: string,
  sockets: NodeSockets,
  limit: RouteLimit,
  options: CallOptions,
): Promise<NodeAnswer> => request(url, sockets, limit, options, { agent: sockets.onceAgent });

/** Nodes take a plus for a space, and URLSearchParams would send one for a space. */
function urlOf(address: PeerAddress, route: string, parameters: Readonly<Record<string, string>>): string {
  const query = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `http://${addressKey(address)}/${route}?${query.join("&")}`;
}

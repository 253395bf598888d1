/** GET /startcontainer and GET /RemoveContainer. Source: shared protocol notes, "Route details". */
import { callOnce } from "./call-once.js";
import { parseRemoveAnswer, parseStartAnswer } from "./container-replies.js";
import type { CallOptions, ContainerOrder, PeerAddress, RemoveAnswer, StartAnswer } from "./contract.js";
import { isContainerId } from "./docker-vm.js";
import { routeLimits } from "./limits.js";
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
  const limit = routeLimits.startContainer;
  return parseStartAnswer(
    await callOnce(sockets, address, { route: "startcontainer", parameters, limit }, options),
  );
}

/** @see PeerApi.removeContainer @throws {PeerError} */
export async function removeContainer(
  sockets: NodeSockets,
  address: PeerAddress,
  id: string,
  options: CallOptions,
): Promise<RemoveAnswer> {
  const asked = { route: "RemoveContainer", parameters: { id }, limit: routeLimits.removeContainer };
  return parseRemoveAnswer(await callOnce(sockets, address, asked, options));
}

/** Refuses what no node may be sent as an id. @throws {RangeError} */
export function requireContainerId(id: string): void {
  if (!isContainerId(id)) throw new RangeError(`${JSON.stringify(id.slice(0, 256))} is no container id`);
}

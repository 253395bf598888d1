/**
 * Calls that have effects at the node, all of them GETs: made once, never repeated, each on a new connection, so that none
 * meets a connection that the node has just closed. Source: shared protocol notes, "Route details" and trap 10.
 */
import { addressKey } from "./address.js";
import type { CallOptions, PeerAddress } from "./contract.js";
import type { RouteLimit } from "./limits.js";
import { type NodeAnswer, request } from "./node-request.js";
import type { NodeSockets } from "./sockets.js";

export interface OnceOptions {
  readonly route: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly limit: RouteLimit;
}

/** @throws {PeerError} */
export async function callOnce(
  sockets: NodeSockets,
  address: PeerAddress,
  { route, parameters, limit }: OnceOptions,
  options: CallOptions,
): Promise<NodeAnswer> {
  // Nodes take a plus for a space, and URLSearchParams would send one for a space.
  const query = Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const url = `http://${addressKey(address)}/${route}?${query.join("&")}`;
  return await request(url, sockets, limit, options, { agent: sockets.onceAgent });
}

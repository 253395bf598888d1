/** GET /MAPPort, which nodes have had since 2023-12-22. Source: shared protocol notes, "Server routes", "Route details". */
import { callOnce } from "./call-once.js";
import type { CallOptions, MapAnswer, PeerAddress, PortOrder } from "./contract.js";
import { routeLimits } from "./limits.js";
import { parseMapAnswer } from "./port-map-reply.js";
import type { NodeSockets } from "./sockets.js";

/** @see PeerApi.mapPort @throws {PeerError} */
export async function mapPort(
  sockets: NodeSockets,
  address: PeerAddress,
  { port, domainName, isUdp }: PortOrder,
  options: CallOptions,
): Promise<MapAnswer> {
  const parameters = {
    port: String(port),
    // On its first day a node took an empty name for a name.
    ...(domainName === "" ? {} : { domain_name: domainName }),
    // Anything but the text "false" means true: said in any case.
    udp: String(isUdp),
  };
  const asked = { route: "MAPPort", parameters, limit: routeLimits.mapPort };
  return parseMapAnswer(await callOnce(sockets, address, asked, options), isUdp);
}

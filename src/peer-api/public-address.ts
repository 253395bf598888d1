import { canonicalIp } from "./address.js";
import { PeerError } from "./errors.js";
import { fieldsOf, isJsonObject, parseJsonBody } from "./json-body.js";
import { routeLimits } from "./limits.js";
import { type NodeAnswer, request, requireOk } from "./node-request.js";
import { NodeSockets } from "./sockets.js";

/**
 * Asks a service as ip-api.com which public address this machine is seen under: field `query` of its JSON answer.
 *
 * The answer comes from a stranger, mostly over plain HTTP: only an IP literal is taken.
 *
 * @throws {PeerError}
 * Source: shared protocol notes, "UpdateIpTable by version", 2021-04-14.
 */
export async function fetchPublicAddress(
  url: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    /** Who may vouch for an https URL, as PEM. @default the well-known authorities */
    readonly certificateAuthorities?: string;
  } = {},
): Promise<string> {
  const sockets = new NodeSockets(options.certificateAuthorities);
  try {
    return addressIn(await request(url, sockets, routeLimits.publicAddress, options));
  } finally {
    sockets.close();
  }
}

function addressIn(answer: NodeAnswer): string {
  requireOk(answer);
  const value = parseJsonBody(answer.body);
  const query = isJsonObject(value) ? fieldsOf(value)("query") : undefined;
  const address = typeof query === "string" ? canonicalIp(query) : undefined;
  if (address === undefined) throw new PeerError("BAD_BODY", "the answer holds no IP address");
  return address;
}

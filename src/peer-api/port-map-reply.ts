/**
 * The answer of /MAPPort: `ip:port` as text; digits alone, as /FRPPort answers them; or the JSON of 2026-01-17, whose
 * values are text. Source: shared protocol notes, "Route details" and trap 4.
 */
import { canonicalDnsName, canonicalIp, parsePort } from "./address.js";
import type { MapAnswer, MappedPort } from "./contract.js";
import { nodeMessage } from "./container-replies.js";
import { PeerError } from "./errors.js";
import { fieldsOf, isJsonObject, parseJsonBody } from "./json-body.js";
import { type NodeAnswer, requireOk } from "./node-request.js";

/**
 * Reads where a port is reached.
 *
 * @throws {PeerError} BAD_BODY: status 200 without an address; HTTP_STATUS: neither an answer nor an error
 */
export function parseMapAnswer({ httpStatus, body }: NodeAnswer, isUdp: boolean): MapAnswer {
  const text = new TextDecoder().decode(body).trim();
  if (httpStatus >= 400 || (httpStatus === 200 && /^error:/i.test(text)))
    return { kind: "refused", httpStatus, message: nodeMessage(text) };
  requireOk({ httpStatus });
  const mapped = text.startsWith("{") ? ofJson(parseJsonBody(body), isUdp) : ofText(text);
  if (mapped === undefined)
    throw new PeerError("BAD_BODY", "the answer tells no address and no port", { httpStatus });
  return { kind: "mapped", ...mapped };
}

/** The last colon parts host and port: nodes write IPv6 without brackets, and an answer without a port is none. */
function ofText(text: string): MappedPort | undefined {
  const colon = text.lastIndexOf(":");
  return join(colon === -1 ? "" : text.slice(0, colon), text.slice(colon + 1));
}

function ofJson(value: unknown, isUdp: boolean): MappedPort | undefined {
  if (!isJsonObject(value)) return undefined;
  const read = fieldsOf(value);
  const [host, port] = [read("IPAddress") ?? "", read(isUdp ? "UDPport" : "Port")];
  if (typeof host !== "string" || (typeof port !== "string" && typeof port !== "number")) return undefined;
  return join(host, String(port));
}

function join(hostText: string, portText: string): MappedPort | undefined {
  const port = parsePort(portText);
  const host = hostOf(hostText);
  return port === undefined || host === undefined ? undefined : { host, port };
}

/** @returns empty if none is told: a node in test mode says 0.0.0.0; undefined if the text is neither */
function hostOf(text: string): string | undefined {
  if (text === "") return "";
  const host = canonicalIp(text.replace(/^\[(.*)\]$/, "$1")) ?? canonicalDnsName(text);
  return host === "0.0.0.0" || host === "::" ? "" : host;
}

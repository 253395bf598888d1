import { addressKey, defaultServerPort, isIpLiteral, parseTypedAddress } from "../peer-api/address.js";
import type { PeerAddress } from "../peer-api/contract.js";
import type { AddressPolicy } from "./address-policy.js";
import type { Caller } from "./contract.js";
import { P2pError } from "./errors.js";
import type { NodeRecord, Origin } from "./node-record.js";

/** Whose word a row is that this caller brings in. */
export const originOf = (caller: Caller): Origin => (caller === "operator" ? "operator" : "peer");

/** Reads an address to add or to start from. @throws {P2pError} INVALID_ADDRESS naming the field */
export function readAddress(text: string, field: string): PeerAddress {
  const typed = parseTypedAddress(text);
  if (typed === undefined || text.startsWith("nodes/")) throw invalid(field, "is no HOST:PORT");
  if (typed.host === "0.0.0.0" || typed.host === "::") throw invalid(field, "is the unspecified address");
  return { host: typed.host, port: typed.port ?? defaultServerPort };
}

/**
 * Refuses an address that a remote caller may not bring in: a name, or an address that is neither public unicast nor
 * in `--allow-cidr`.
 *
 * @throws {P2pError} ADDRESS_BLOCKED
 */
export function requireAllowed(
  address: PeerAddress,
  field: string,
  caller: Caller,
  policy: AddressPolicy,
): void {
  if (caller === "operator" || (isIpLiteral(address) && policy.allows(address.host))) return;
  const why = isIpLiteral(address)
    ? "is neither public nor allowed by --allow-cidr"
    : "is a name, not an IP address";
  throw new P2pError("ADDRESS_BLOCKED", `${field}: ${addressKey(address)} ${why}`, {
    field,
    metadata: { address: addressKey(address) },
  });
}

/**
 * Finds the node that a caller names. Without a port it means the only row with that address, or port 8088.
 *
 * @returns the address, and the row unless an operator names a node that is not in the table
 * @throws {P2pError} INVALID_ADDRESS, NODE_NOT_FOUND
 */
export function findNode(
  text: string,
  nodes: ReadonlyMap<string, NodeRecord>,
  caller: Caller,
): { readonly address: PeerAddress; readonly record: NodeRecord | undefined } {
  const typed = parseTypedAddress(text);
  if (typed === undefined) throw invalid("node", "is no nodes/HOST:PORT, HOST:PORT or HOST");
  const address = { host: typed.host, port: typed.port ?? onlyPort(typed.host, nodes) };
  const record = nodes.get(addressKey(address));
  if (record === undefined && caller === "remote") {
    const name = `nodes/${addressKey(address)}`;
    throw new P2pError("NODE_NOT_FOUND", `${name} is not in the IP table`, {
      field: "node",
      metadata: { node: name },
    });
  }
  return { address, record };
}

function onlyPort(host: string, nodes: ReadonlyMap<string, NodeRecord>): number {
  const same = [...nodes.values()].filter(({ address }) => address.host === host);
  if (same.length <= 1) return same[0]?.address.port ?? defaultServerPort;
  const listed = same.map(({ address }) => `nodes/${addressKey(address)}`).sort();
  const shown =
    listed.slice(0, 10).join(", ") + (listed.length > 10 ? `, and ${listed.length - 10} more` : "");
  throw invalid("node", `names several nodes: ${shown}`);
}

function invalid(field: string, why: string): P2pError {
  return new P2pError("INVALID_ADDRESS", `${field} ${why}`, { field });
}

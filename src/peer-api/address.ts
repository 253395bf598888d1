import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { PeerAddress } from "./contract.js";

/** Port of a node that names none. Source: shared protocol notes, trap 4. */
export const defaultServerPort = 8088;

const ipAlphabet = /^[0-9a-fA-F.:]+$/;
const dnsName = /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/**
 * Spells an IP literal the one canonical way: IPv6 shortest, IPv4-mapped IPv6 as IPv4.
 *
 * Only what `net.isIP` accepts is an address: hex, octal and short forms, which other parsers take for one, are not.
 * A zone (`fe80::1%eth0`) means nothing to another machine and is refused.
 *
 * @returns undefined if the text is no IP literal
 */
export function canonicalIp(text: string): string | undefined {
  // An IPv4 address that `net.isIP` accepts has one spelling; a crawl reads tens of thousands of them.
  if (isIP(text) === 4) return text;
  const ip = parseIp(text);
  return ip === undefined ? undefined : ipaddr.process(ip.toString()).toString();
}

function parseIp(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const family = isIP(text);
  if (family === 0 || !ipAlphabet.test(text)) return undefined;
  // ipaddr.js takes `::192.0.2.1` for IPv4-mapped, which `::c000:201`, the same address, is not. URLs have no dots there.
  return ipaddr.parse(family === 6 ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text);
}

/** Takes a DNS name in lower case. @returns undefined if the text is none; names that read as numbers are none */
export function canonicalDnsName(text: string): string | undefined {
  const name = text.replace(/\.$/, "");
  // Judged before it is lowered: the Kelvin sign is no letter of a DNS name, but its lower case is a plain k.
  return dnsName.test(name) ? name.toLowerCase() : undefined;
}

/** Reads a decimal port, 1..65535. @returns undefined if the text is none */
export function parsePort(text: string): number | undefined {
  if (!/^[0-9]{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** What somebody typed to name a node; the port is absent if they named none. */
export interface TypedAddress {
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Reads `HOST:PORT`, `HOST`, `[V6]:PORT`, `[V6]` or a bare IPv6 address, with or without `nodes/` before it.
 *
 * @returns undefined if the text is none of these
 */
export function parseTypedAddress(text: string): TypedAddress | undefined {
  const typed = text.startsWith("nodes/") ? text.slice("nodes/".length) : text;
  const bare = canonicalIp(typed);
  if (bare !== undefined) return { host: bare, port: undefined };
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]+))?$/.exec(typed);
  if (match === null) return undefined;
  const [, bracketed, plain, portText] = match;
  const host = bracketed === undefined ? hostOf(plain ?? "") : ipv6Of(bracketed);
  if (host === undefined) return undefined;
  if (portText === undefined) return { host, port: undefined };
  const port = parsePort(portText);
  return port === undefined ? undefined : { host, port };
}

const hostOf = (text: string): string | undefined => canonicalIp(text) ?? canonicalDnsName(text);
const ipv6Of = (text: string): string | undefined => (isIP(text) === 6 ? canonicalIp(text) : undefined);

/** Whether the host is an IP literal, not a name. */
export const isIpLiteral = (address: PeerAddress): boolean => isIP(address.host) !== 0;

/** Spells an address as `HOST:PORT`, IPv6 in brackets. Identity of a node, and part of its resource name. */
export function addressKey(address: PeerAddress): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Spells the resource name of a node, `nodes/HOST:PORT`. */
export const nodeName = (address: PeerAddress): string => `nodes/${addressKey(address)}`;

/** A range of addresses, spelled the canonical way. */
export interface Cidr {
  readonly family: "ipv4" | "ipv6";
  /** First address of the range. */
  readonly network: string;
  /** How many leading bits all its addresses share: 0..32 or 0..128. */
  readonly prefixBits: number;
}

/**
 * Reads `ADDRESS/BITS`, or a bare address as the range that holds nothing else.
 *
 * A range of IPv4-mapped IPv6 addresses becomes the IPv4 range it is: addresses are compared in that spelling.
 *
 * @throws {RangeError} with the text in its message, and how to spell it where the address is inside the range
 */
export function parseCidr(text: string): Cidr {
  const [, address = "", bitsText] = /^([^/]*)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const ip = parseIp(address);
  if (ip === undefined) {
    throw new RangeError(`${JSON.stringify(text)} is no address range like 10.0.0.0/8 or fd00::/8`);
  }
  const family = ip.kind();
  const maxBits = family === "ipv4" ? 32 : 128;
  const prefixBits = Number(bitsText ?? maxBits);
  if (prefixBits > maxBits) {
    throw new RangeError(`${JSON.stringify(text)}: the number after the slash is at most ${maxBits}`);
  }
  const range = `${ip.toString()}/${prefixBits}`;
  const first =
    family === "ipv4" ? ipaddr.IPv4.networkAddressFromCIDR(range) : ipaddr.IPv6.networkAddressFromCIDR(range);
  if (first.toString() !== ip.toString()) {
    const corrected = `${first.toString()}/${prefixBits}`;
    throw new RangeError(
      `${JSON.stringify(text)} names an address inside its range; the range is ${corrected}`,
    );
  }
  const network = ipaddr.process(first.toString());
  if (network.kind() === family || prefixBits < 96) return { family, network: first.toString(), prefixBits };
  return { family: "ipv4", network: network.toString(), prefixBits: prefixBits - 96 };
}

/** Spells a range as `ADDRESS/BITS`. */
export const formatCidr = (cidr: Cidr): string => `${cidr.network}/${cidr.prefixBits}`;

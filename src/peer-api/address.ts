import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { PeerAddress } from "./contract.js";

/** Port of a node that names none. Source: shared protocol notes, trap 4. */
export const defaultServerPort = 8088;

const dnsName = /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Spells an IP literal the one canonical way: IPv6 shortest, IPv4-mapped IPv6 as IPv4.
 *
 * Only what `net.isIP` accepts is an address: hex, octal and short forms, which other parsers take for one, are not.
 * A zone (`fe80::1%eth0`) means nothing to another machine and is refused.
 *
 * @returns undefined if the text is no IP literal
 */
export function canonicalIp(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  return ipaddr.process(text).toString();
}

/** Takes a DNS name in lower case. @returns undefined if the text is none; names that read as numbers are none */
export function canonicalDnsName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, "");
  return dnsName.test(name) ? name : undefined;
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

import { isIPv4 } from "node:net";
import { DevnetError } from "./errors.js";

/** The one IPv6 address of loopback: the IPv6 nodes of a devnet share it, each on a port of its own. */
export const ipv6Host = "::1";

/** Where a node listens, before the system has picked the devnet's port. */
export interface Seat {
  readonly host: string;
  /** Added to the devnet's port: 0 but for nodes that share an address with others. */
  readonly portOffset: number;
}

/**
 * Counts loopback addresses upward from the first one, without those ending in .0 and .255.
 *
 * @throws {DevnetError} not in 127.0.0.0/8, or too many for it
 */
export function loopbackHosts(firstAddress: string, count: number): readonly string[] {
  if (!isIPv4(firstAddress) || !firstAddress.startsWith("127.")) {
    throw new DevnetError(`first address ${firstAddress}: not an IPv4 address of loopback (127.0.0.0/8)`);
  }
  const hosts: string[] = [];
  for (let value = numberOf(firstAddress); hosts.length < count; value++) {
    if (value >>> 24 !== 127)
      throw new DevnetError(`${count} nodes do not fit between ${firstAddress} and 127.255.255.254`);
    const lastByte = value & 0xff;
    if (lastByte !== 0 && lastByte !== 255) hosts.push(textOf(value));
  }
  return hosts;
}

/**
 * Counts addresses upward within a net such as `127.200.0.0/16`.
 *
 * @throws {DevnetError} not a net of loopback, or it has fewer hosts
 */
export function hostsOfNet(net: string, count: number): readonly string[] {
  const [base = "", length = ""] = net.split("/");
  if (!isIPv4(base) || !/^[0-9]{1,2}$/.test(length) || Number(length) > 32)
    throw new DevnetError(`net ${net}: not of the form 127.200.0.0/16`);
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(numberOf(base) / size) * size;
  const hosts = loopbackHosts(textOf(first), count);
  if (numberOf(hosts.at(-1) ?? base) >= first + size)
    throw new DevnetError(`net ${net}: fewer than ${count} hosts`);
  return hosts;
}

/** Spells `HOST:PORT`, IPv6 in brackets. */
export const hostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

const numberOf = (address: string): number =>
  address.split(".").reduce((value, byte) => value * 256 + Number(byte), 0);

const textOf = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");

import { isIPv4 } from "node:net";
import { DevnetError } from "./errors.js";

/** The one IPv6 address of loopback: at most one node of a devnet lives there. */
export const ipv6Host = "::1";

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

/** Spells `HOST:PORT`, IPv6 in brackets. */
export const hostPort = (host: string, port: number): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;

const numberOf = (address: string): number =>
  address.split(".").reduce((value, byte) => value * 256 + Number(byte), 0);

const textOf = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");

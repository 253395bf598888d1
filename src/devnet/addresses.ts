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

interface Net {
  readonly text: string;
  readonly first: string;
  readonly last: string;
}

const loopback: Net = { text: "127.0.0.0/8", first: "127.0.0.0", last: "127.255.255.255" };
/** Of networks between containers, or between machines of one owner. A public address is no place for nodes with faults. */
const privateNets: readonly Net[] = [
  { text: "10.0.0.0/8", first: "10.0.0.0", last: "10.255.255.255" },
  { text: "172.16.0.0/12", first: "172.16.0.0", last: "172.31.255.255" },
  { text: "192.168.0.0/16", first: "192.168.0.0", last: "192.168.255.255" },
];

/** The net to allow for a devnet whose first node is at `HOST:PORT`: `127.0.0.0/8`. */
export const netOf = (address: string): string =>
  (privateNets.find((net) => holds(net, address.replace(/:[0-9]+$/, ""))) ?? loopback).text;

/**
 * Counts loopback addresses upward from the first one, without those ending in .0 and .255.
 *
 * @throws {DevnetError} not in 127.0.0.0/8, or too many for it
 */
export const loopbackHosts = (firstAddress: string, count: number): readonly string[] =>
  hostsIn([loopback], "of loopback", firstAddress, count);

/** The same for addresses that a devnet may listen on: those of loopback, and private ones. */
export const devnetHosts = (firstAddress: string, count: number): readonly string[] =>
  hostsIn([loopback, ...privateNets], "of loopback or private", firstAddress, count);

const holds = ({ first, last }: Net, host: string): boolean =>
  isIPv4(host) && numberOf(host) >= numberOf(first) && numberOf(host) <= numberOf(last);

function hostsIn(nets: readonly Net[], kind: string, firstAddress: string, count: number): readonly string[] {
  const net = nets.find((each) => holds(each, firstAddress));
  if (net === undefined) {
    const known = nets.map(({ text }) => text).join(", ");
    throw new DevnetError(`first address ${firstAddress}: not an IPv4 address ${kind} (${known})`);
  }
  const hosts: string[] = [];
  for (let next = numberOf(firstAddress); hosts.length < count; next++) {
    if (next > numberOf(net.last))
      throw new DevnetError(`${count} nodes do not fit between ${firstAddress} and the end of ${net.text}`);
    const lastByte = next & 0xff;
    if (lastByte !== 0 && lastByte !== 255) hosts.push(textOf(next));
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

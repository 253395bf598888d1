import { BlockList } from "node:net";
import { type Cidr, canonicalIp, parseCidr } from "../peer-api/address.js";

/**
 * Special ranges that are not globally reachable: the IANA special-purpose registries of 2025-10, and multicast.
 *
 * The few globally reachable addresses inside 192.0.0.0/24 and 2001::/23 (anycast of protocols) are no nodes either:
 * the outer range stands. IPv6 outside 2000::/3 is refused as a whole (`globalUnicastIpv6`), so that its rows
 * (loopback, unique local, link-local, IPv4-compatible, NAT64, ...) need no line here.
 */
const specialRanges = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8", // private use
  "100.64.0.0/10", // shared by carriers
  "127.0.0.0/8", // loopback
  "169.254.0.0/16", // link-local; metadata services of clouds
  "172.16.0.0/12", // private use
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private use
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved; limited broadcast
  "2001::/23", // protocol assignments: Teredo, benchmarks, ORCHID, ...
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4
  "3fff::/20", // documentation
];
const globalUnicastIpv6 = "2000::/3";

/** Which addresses may be contacted on behalf of somebody who does not sit at the machine. */
export interface AddressPolicy {
  /**
   * Whether an IP literal is public unicast, or inside an allowed range. A name is not: nobody knows where it leads.
   *
   * An IPv4-mapped address is judged as the IPv4 address it is. Every other disguise (NAT64, 6to4, Teredo,
   * IPv4-compatible) is judged by its own range, which is refused whatever it hides: allowing 127.0.0.0/8 does not
   * allow 64:ff9b::7f00:1. `0.0.0.0` and `::` are no machine's address and stay refused inside an allowed range.
   */
  readonly allows: (host: string) => boolean;
  /** The same for the address of a connected socket, which may carry a zone (`fe80::1%eth0`). */
  readonly allowsConnected: (remoteAddress: string) => boolean;
}

/**
 * Builds the policy from ranges that are allowed although they are not public.
 *
 * @throws {RangeError} a range cannot be read; the message names it
 */
export function createAddressPolicy(allowCidrs: readonly string[]): AddressPolicy {
  const allowed = rangesOf(allowCidrs);
  const special = rangesOf(specialRanges);
  const globalUnicast = rangesOf(["0.0.0.0/0", globalUnicastIpv6]);

  const allows = (host: string): boolean => {
    const ip = canonicalIp(host);
    if (ip === undefined || ip === "0.0.0.0" || ip === "::") return false;
    if (holds(allowed, ip)) return true;
    return holds(globalUnicast, ip) && !holds(special, ip);
  };
  return { allows, allowsConnected: (remoteAddress) => allows(remoteAddress.replace(/%.*$/s, "")) };
}

/** One list per family: a `BlockList` finds 127.0.0.1 in `::/64`, by its IPv4-mapped spelling. */
type Ranges = Readonly<Record<Cidr["family"], BlockList>>;

function rangesOf(texts: readonly string[]): Ranges {
  const ranges: Ranges = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of texts) {
    const { family, network, prefixBits } = parseCidr(text);
    ranges[family].addSubnet(network, prefixBits, family);
  }
  return ranges;
}

function holds(ranges: Ranges, ip: string): boolean {
  const family = ip.includes(":") ? "ipv6" : "ipv4";
  return ranges[family].check(ip, family);
}

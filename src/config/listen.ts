import { canonicalDnsName, canonicalIp } from "../peer-api/address.js";

/** Where the gateway listens. */
export interface ListenAddress {
  /** Canonical IP literal, or a DNS name in lower case. */
  readonly host: string;
  /** TCP port, 0..65535; 0 = whichever is free. */
  readonly port: number;
}

/** Reads `HOST:PORT`, IPv6 in brackets. @returns undefined if the text is none */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, ipv6, name, portText = ""] = /^(?:\[([^\]]*:[^\]]*)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const host =
    ipv6 === undefined ? (canonicalIp(name ?? "") ?? canonicalDnsName(name ?? "")) : canonicalIp(ipv6);
  const port = Number(portText);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Whether only this machine can connect: 127.0.0.0/8, `::1` or `localhost`. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (host.startsWith("127.") && canonicalIp(host) === host);
}

import { lookup } from "node:dns/promises";
import { canonicalIp } from "./address.js";
import { PeerError } from "./errors.js";
import { toPeerError } from "./failures.js";

/** Time limit of one look-up, in milliseconds. The resolver itself knows none. */
const resolveTimeoutMs = 5_000;

/** Resolves a DNS name once, IPv4 first. @throws {PeerError} DNS, or TIMEOUT after 5 s */
export async function resolveName(name: string): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new PeerError("TIMEOUT", "its name was not resolved in time")),
      resolveTimeoutMs,
    );
  });
  try {
    const { address } = await Promise.race([lookup(name, { order: "ipv4first" }), timeout]);
    return canonicalIp(address) ?? address;
  } catch (error) {
    throw toPeerError(error, { wasSent: false });
  } finally {
    clearTimeout(timer);
  }
}

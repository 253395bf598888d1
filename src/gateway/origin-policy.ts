import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

export interface OriginPolicy {
  /** The origins other pages may call us from. */
  readonly corsOrigins: ReadonlySet<string>;
  /** Host names that are ours beyond loopback: nobody else can point them at us. */
  readonly ownHostnames: ReadonlySet<string>;
}

/**
 * @param listenHost what the operator typed; if it is a name, it is ours
 * @throws {Error} when an origin is not spelled as browsers send it
 */
export function createOriginPolicy(
  corsOrigins: readonly string[],
  listenHost: string | undefined,
): OriginPolicy {
  const hostnames = corsOrigins.map((origin) => {
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    if (url?.origin !== origin) throw new Error(`${origin} is not an origin such as https://app.example.org`);
    return url.hostname;
  });
  const ownHostnames = new Set(["localhost", ...hostnames]);
  if (listenHost !== undefined) ownHostnames.add(listenHost.toLowerCase());
  return { corsOrigins: new Set(corsOrigins), ownHostnames };
}

/**
 * Whether a request may go on to a handler.
 *
 * The gateway listens on the operator's own machine and acts with the operator's rights, and so any web page the
 * operator opens can reach it. CORS alone only hides the answer from such a page: the call would have been made.
 * Refused are therefore
 * - calls from the pages of other origins, which browsers name in `Origin` for everything but GET;
 * - GETs that a foreign page makes with an image or script tag (`Sec-Fetch-Site`);
 * - DNS rebinding: the page's own name is pointed at our address, and browser and page believe they are at home. Such
 *   a call is same-origin, and a GET carries no `Origin` at all, so the host it was sent to has to be ours: an address,
 *   which cannot be rebound, or a name of `ownHostnames`.
 * Programs send neither header and POST, and may use any name for us.
 */
export function isAllowed(policy: OriginPolicy, method: string, headers: IncomingHttpHeaders): boolean {
  const { origin } = headers;
  const host = parseHost(headers[":authority"] ?? headers.host);
  const isOurs = host !== undefined && isOwnHost(policy, host);
  if (origin !== undefined) {
    return policy.corsOrigins.has(origin) || (isOurs && parseOrigin(origin)?.host === host.host);
  }
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  return isOurs || method === "POST";
}

function isOwnHost(policy: OriginPolicy, { hostname }: URL): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, "")) !== 0 || policy.ownHostnames.has(hostname);
}

function parseHost(authority: string | string[] | undefined): URL | undefined {
  const text = `http://${String(authority)}`;
  return authority !== undefined && URL.canParse(text) ? new URL(text) : undefined;
}

function parseOrigin(origin: string): URL | undefined {
  return URL.canParse(origin) ? new URL(origin) : undefined;
}

import type { IncomingHttpHeaders } from "node:http";
import { cors } from "@connectrpc/connect";
import { stateAgeHeader } from "../rpc/state-age.js";
import type { OriginPolicy } from "./origin-policy.js";
import type { NodeResponse } from "./response-limits.js";

/** How long a browser may keep the answer to a preflight: the longest that Chrome takes. */
const PREFLIGHT_MAX_AGE_S = 2 * 60 * 60;

/** Lets pages of configured origins read the response. Without configured origins there are no CORS headers. */
export function setCorsHeaders(
  policy: OriginPolicy,
  headers: IncomingHttpHeaders,
  response: NodeResponse,
): void {
  if (policy.corsOrigins.size === 0) return;
  // Also where the origin is absent or foreign: a cache must not give this answer to another page.
  response.setHeader("Vary", "Origin");
  if (headers.origin === undefined || !policy.corsOrigins.has(headers.origin)) return;
  response.setHeader("Access-Control-Allow-Origin", headers.origin);
  response.setHeader("Access-Control-Expose-Headers", [...cors.exposedHeaders, stateAgeHeader].join(", "));
}

/** A browser's question whether it may make a call. */
export function isPreflight(method: string, headers: IncomingHttpHeaders): boolean {
  return method === "OPTIONS" && headers.origin !== undefined && "access-control-request-method" in headers;
}

/** Answers yes; who may ask was decided before. */
export function answerPreflight(response: NodeResponse): void {
  response.setHeader("Access-Control-Allow-Methods", cors.allowedMethods.join(", "));
  response.setHeader("Access-Control-Allow-Headers", cors.allowedHeaders.join(", "));
  response.setHeader("Access-Control-Max-Age", PREFLIGHT_MAX_AGE_S);
  response.writeHead(204);
  response.end();
}

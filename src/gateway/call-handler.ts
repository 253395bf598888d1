import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Logger } from "../observability/logger.js";
import { answerPreflight, isPreflight, setCorsHeaders } from "./cors.js";
import type { GatewayLimits } from "./limits.js";
import { dropLongDeadlines } from "./long-deadlines.js";
import { isAllowed, type OriginPolicy } from "./origin-policy.js";
import { limitRequestBody } from "./request-body.js";
import { endStreamAfterResponse, limitStalls, type NodeResponse } from "./response-limits.js";

export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** Answers one request of either HTTP version. */
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => void;

export interface CallHandlerOptions {
  readonly handlers: readonly UniversalHandler[];
  /** Stand in for `handlers` while the gateway drains: they refuse each call in the protocol of its caller. */
  readonly refusals: readonly UniversalHandler[];
  readonly originPolicy: OriginPolicy;
  readonly shutdownSignal: AbortSignal;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
}

/**
 * Brings requests to the handlers of a ConnectRouter.
 *
 * It stands in for connectNodeAdapter, which prints to the console, throws out of the request event on a malformed
 * Host (one request would end the process) and leaves no place to limit a body.
 */
export function createCallHandler(options: CallHandlerOptions): NodeHandler {
  const { originPolicy, shutdownSignal, limits } = options;
  const handlers = byPath(options.handlers);
  const refusals = byPath(options.refusals);

  return (request, response) => {
    const { method = "", url = "", headers } = request;
    endStreamAfterResponse(response, limits);
    setCorsHeaders(originPolicy, headers, response);
    // A call on a connection that was busy when draining began.
    const isLate = shutdownSignal.aborted;
    if (isLate) closeAfter(response);
    if (!isAllowed(originPolicy, method, headers)) {
      answer(response, 403, "this origin or host may not call; see corsOrigins\n");
    } else if (isPreflight(method, headers)) {
      answerPreflight(response);
    } else {
      const handler = (isLate ? refusals : handlers).get(url.split("?", 1)[0] ?? "");
      // 404 reads as UNIMPLEMENTED in all three protocols.
      if (handler) void serve(handler, request, response, options);
      else answer(response, 404);
    }
  };
}

const byPath = (handlers: readonly UniversalHandler[]): ReadonlyMap<string, UniversalHandler> =>
  new Map(handlers.map((handler) => [handler.requestPath, handler]));

async function serve(
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
  options: CallHandlerOptions,
): Promise<void> {
  const call = toCall(handler, request, response, options.limits);
  if (!call) {
    answer(response, 400);
    return;
  }
  try {
    const result = await handler(call);
    if (result.body) {
      const body = limitStalls(result.body, response, options.limits.stalledResponseTimeoutMs);
      // Node may forget a write that waits for room when the client leaves; the handler has to hear of it all the same.
      response.once("close", () => void body.return(undefined).catch(() => undefined));
      await universalResponseToNodeResponse({ ...result, body }, response);
    } else {
      await universalResponseToNodeResponse(result, response);
    }
  } catch (reason) {
    const { code, rawMessage } = ConnectError.from(reason);
    const hasLeft = code === Code.Aborted || code === Code.Canceled || response.destroyed || isCut(reason);
    const fields = { rpc: handler.requestPath, code: Code[code] };
    if (hasLeft) options.logger.debug(fields, "the client left before the end of the response");
    else options.logger.error({ ...fields, error: rawMessage }, "cannot send the response");
    if (!response.headersSent && !response.destroyed) answer(response, 500);
    else response.destroy();
  }
}

/** What Node says of a connection that its other side cut, or broke the rules of. */
const cutCodes: ReadonlySet<unknown> = new Set([
  "ECONNRESET",
  "EPIPE",
  "ERR_HTTP2_INVALID_STREAM",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

const isCut = (reason: unknown): boolean =>
  [reason, (reason as { cause?: unknown }).cause].some((error) =>
    cutCodes.has((error as { code?: unknown } | undefined)?.code),
  );

/** @returns undefined if the request has no usable authority */
function toCall(
  handler: UniversalHandler,
  request: NodeRequest,
  response: NodeResponse,
  limits: GatewayLimits,
): UniversalServerRequest | undefined {
  const { methodKind } = handler.method;
  const streamsRequests = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  // The request must survive a refusal amid its body, or HTTP/1.1 loses the connection before the error is out.
  const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  const body = limitRequestBody(pieces, {
    timeoutMs: streamsRequests ? limits.idleTimeoutMs : limits.requestTimeoutMs,
    counts: streamsRequests ? "each piece" : "whole request",
    onLate: () => {
      closeAfter(response);
    },
  });
  try {
    const call = universalRequestFromNodeRequest(request, response, undefined, undefined);
    dropLongDeadlines(call.header);
    return { ...call, body };
  } catch {
    return undefined;
  }
}

/** Ends an HTTP/1.1 connection with this response; HTTP/2 streams end by themselves. */
function closeAfter(response: NodeResponse): void {
  if ("shouldKeepAlive" in response && !response.headersSent) response.shouldKeepAlive = false;
}

function answer(response: NodeResponse, status: number, text = ""): void {
  if (text !== "") response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("Content-Length", Buffer.byteLength(text));
  response.writeHead(status);
  response.end(text);
}

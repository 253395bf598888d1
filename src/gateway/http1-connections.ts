import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { NodeHandler } from "./call-handler.js";
import type { GatewayLimits } from "./limits.js";

/** Time-outs of headers and requests are checked this often; a quarter of the limit is close enough. */
const CHECKS_PER_LIMIT = 4;

/** The HTTP/1.1 side of a door, which is also what listens. */
export interface Http1Connections {
  /**
   * Listens for both protocols. It has to be this one: on an HTTP server that does not listen itself Node enforces
   * neither header nor request time-outs.
   */
  readonly listener: Server;
  accept(socket: Socket): void;
  /** Stops listening; idle connections end now, busy ones after their response. */
  close(): void;
}

/** @param onConnection gets each new socket and decides; HTTP/1.1 ones come back through `accept` */
export function createHttp1Connections(
  handler: NodeHandler,
  limits: GatewayLimits,
  onConnection: (socket: Socket) => void,
): Http1Connections {
  const callsBySocket = new WeakMap<Socket, Set<ServerResponse>>();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    const calls = callsBySocket.get(socket);
    // Node starts a handler for each pipelined request at once, without a limit.
    if (!calls || calls.size >= limits.maxCallsPerConnection) {
      socket.destroy();
      return;
    }
    calls.add(response);
    response.once("close", () => {
      calls.delete(response);
      // After close() Node leaves a connection that becomes idle to its keep-alive time-out.
      if (!listener.listening) setImmediate(() => listener.closeIdleConnections());
    });
    handler(request, response);
  };
  const listener = createServer(serverOptions(limits), serve);
  listener.maxConnections = limits.maxConnections;
  const toParser = listener.listeners("connection");
  listener.removeAllListeners("connection");
  listener.on("connection", onConnection);
  return {
    listener,
    accept: (socket) => {
      const calls = new Set<ServerResponse>();
      callsBySocket.set(socket, calls);
      for (const listen of toParser) listen.call(listener, socket);
      // Node tells only the response whose turn it is. The pipelined ones behind it would wait for theirs for ever.
      socket.once("close", () => {
        for (const response of calls) response.destroy().emit("close");
      });
    },
    close: () => void listener.close(),
  };
}

function serverOptions(limits: GatewayLimits) {
  const headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
  return {
    headersTimeout,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.ceil(headersTimeout / CHECKS_PER_LIMIT),
    keepAliveTimeout: limits.idleTimeoutMs,
    maxHeaderSize: limits.maxHeaderBytes,
    // A peer that vanished without a FIN is found by the kernel, also under a stream that is silent for hours.
    keepAlive: true,
    keepAliveInitialDelay: limits.idleTimeoutMs,
  };
}

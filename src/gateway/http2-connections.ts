import { createServer, type ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { NodeHandler } from "./call-handler.js";
import type { GatewayLimits } from "./limits.js";

/** The HTTP/2 side of a door. It listens nowhere: sockets are handed to it. */
export interface Http2Connections {
  accept(socket: Socket): void;
  /** Says GOAWAY on every connection: streams under way go on, no new ones come. */
  sendGoaway(): void;
}

export function createHttp2Connections(handler: NodeHandler, limits: GatewayLimits): Http2Connections {
  /** How to take leave of each open connection. */
  const leaving = new Set<() => void>();
  // The limit of headers holds once the client has acknowledged it; until then nghttp2 takes 64 KiB.
  const server = createServer(
    {
      settings: {
        maxConcurrentStreams: limits.maxCallsPerConnection,
        maxHeaderListSize: limits.maxHeaderBytes,
      },
    },
    handler,
  );
  return {
    accept: (socket) => {
      // The listener is an HTTP/1 server and opens sockets half-open; an HTTP/2 client that leaves with a plain FIN
      // would then stay connected for ever.
      socket.allowHalfOpen = false;
      server.once("session", (session) => {
        const leave = limitIdleTime(session, socket, limits);
        leaving.add(leave);
        socket.once("close", () => leaving.delete(leave));
      });
      server.emit("connection", socket);
    },
    sendGoaway: () => {
      for (const leave of leaving) leave();
    },
  };
}

/**
 * Ends a connection that has had no stream for `idleTimeoutMs`.
 *
 * Node's own session time-out counts any frame as life: a client could hold its connection with PINGs, or with a
 * HEADERS frame that never ends. What counts here is a stream whose headers are complete.
 *
 * @returns says GOAWAY; the connection ends with its last stream
 */
function limitIdleTime(session: ServerHttp2Session, socket: Socket, limits: GatewayLimits): () => void {
  let openStreams = 0;
  let timer: NodeJS.Timeout | undefined;

  const leave = () => {
    session.close();
    if (openStreams === 0) rest();
  };
  const rest = () => {
    clearTimeout(timer);
    // After GOAWAY Node waits for the client's FIN without an end.
    timer = session.closed
      ? setTimeout(() => void socket.destroy(), limits.farewellTimeoutMs)
      : setTimeout(leave, limits.idleTimeoutMs);
  };
  session.on("stream", (stream) => {
    openStreams += 1;
    clearTimeout(timer);
    stream.once("close", () => {
      openStreams -= 1;
      if (openStreams === 0 && !socket.destroyed) rest();
    });
  });
  socket.once("close", () => {
    clearTimeout(timer);
  });
  rest();
  return leave;
}

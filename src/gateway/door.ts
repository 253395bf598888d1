import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import type { Logger } from "../observability/logger.js";
import type { NodeHandler } from "./call-handler.js";
import { createHttp1Connections } from "./http1-connections.js";
import { createHttp2Connections } from "./http2-connections.js";
import type { GatewayLimits } from "./limits.js";
import { sniffProtocol } from "./protocol-sniffer.js";
import { listenOnPath } from "./private-listen.js";

export type DoorName = "tcp" | "socket";

/** Where a door is: an address, or the path of a Unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** One listening socket that serves HTTP/1.1 and HTTP/2 in clear text. */
export interface Door {
  /** `http://host:port`, with the port really taken; absent for a Unix socket. */
  readonly url: string | undefined;
  /** Resolves when the last socket is gone, which only happens after `drain`. */
  readonly closed: Promise<void>;
  /** Accepts nobody any more, sends GOAWAY, closes what is idle. Calls under way go on. */
  drain(): void;
  /** Destroys every socket. @returns how many there were */
  cut(): number;
}

export interface DoorOptions {
  readonly name: DoorName;
  readonly place: Place;
  readonly handler: NodeHandler;
  readonly limits: GatewayLimits;
  readonly logger: Logger;
}

/** @throws the error of listen, such as EADDRINUSE */
export async function openDoor({ name, place, handler, limits, logger }: DoorOptions): Promise<Door> {
  const sockets = new Set<Socket>();
  const undecided = new Set<Socket>();
  let hasWarned = false;

  // The place for TLS: a tls.Server listens, ALPN takes the sniffer's part, the two sides stay as they are.
  const welcome = (socket: Socket) => {
    sockets.add(socket);
    undecided.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      undecided.delete(socket);
      // One warning for each time the door fills up, not one for each client refused.
      if (sockets.size < limits.maxConnections / 2) hasWarned = false;
    });
    // A reset by the client is no error of ours. Without a listener it would end the process.
    socket.on("error", () => undefined);
    sniffProtocol(socket, limits.protocolTimeoutMs, (protocol) => {
      undecided.delete(socket);
      (protocol === "http2" ? http2 : http1).accept(socket);
    });
  };
  const http2 = createHttp2Connections(handler, limits);
  const http1 = createHttp1Connections(handler, limits, welcome);
  const { listener } = http1;
  const removePath = await listen(http1.listener, place);
  const closed = new Promise<void>((resolve) => listener.once("close", resolve));
  // Such as EMFILE in accept: the door stays open for those who are in.
  listener.on("error", (error: NodeJS.ErrnoException) => {
    logger.error({ door: name, code: error.code }, "cannot accept a connection");
  });
  listener.on("drop", () => {
    if (!hasWarned)
      logger.warn({ door: name, maxConnections: limits.maxConnections }, "full, refusing connections");
    hasWarned = true;
  });
  return {
    url: "path" in place ? undefined : urlOf(listener.address() as AddressInfo),
    closed,
    drain: () => {
      removePath();
      http1.close();
      http2.sendGoaway();
      for (const socket of undecided) socket.destroy();
    },
    cut: () => {
      const count = sockets.size;
      for (const socket of sockets) socket.destroy();
      return count;
    },
  };
}

/** @returns takes the path of a Unix socket away again */
async function listen(listener: ReturnType<typeof createHttp1Connections>["listener"], place: Place) {
  if ("path" in place) return await listenOnPath(listener, place.path);
  listener.listen(place.port, place.host);
  await once(listener, "listening");
  return () => undefined;
}

function urlOf({ address, family, port }: AddressInfo): string {
  return family === "IPv6" ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

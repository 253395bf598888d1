/** Ports of a node's machine that are reachable at other ports: what a proxy of the network does, without one. */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { MapParameter } from "./dialects.js";
import { bindError } from "./listening.js";

/** How a node maps ports. */
export interface PortMapHost {
  readonly maps: PortMaps;
  /** What its version reads; the rest of a query is ignored. */
  readonly reads: readonly MapParameter[];
  /** Address that it tells: its proxy's, or 0.0.0.0 in Test mode. */
  readonly toldHost: string;
}

export interface PortMaps {
  /** @returns the port outside. @throws {DevnetError} there is none to be had */
  open(port: number, protocol: "tcp" | "udp"): Promise<number>;
  /** Ends every mapping, and what goes through it. */
  close(): Promise<void>;
}

/** @param host address of the node, on which the ports outside are as well */
export function createPortMaps(host: string): PortMaps {
  const endings: (() => Promise<void>)[] = [];
  let isClosed = false;
  return {
    open: async (port, protocol) => {
      const opened = await (protocol === "tcp" ? openTcp(host, port) : openUdp(host, port));
      endings.push(opened.close);
      if (isClosed) await opened.close();
      return opened.port;
    },
    close: async () => {
      isClosed = true;
      await Promise.all(endings.splice(0).map((end) => end()));
    },
  };
}

interface Opened {
  readonly port: number;
  readonly close: () => Promise<void>;
}

async function openTcp(host: string, target: number): Promise<Opened> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((outside) => {
    const inside = connect({ host, port: target });
    for (const [socket, other] of [[outside, inside] as const, [inside, outside] as const]) {
      keep(socket).on("error", () => other.destroy());
      socket.once("close", () => other.destroy());
      socket.pipe(other);
    }
  });
  const port = await listening(server, host, (bound) => server.listen({ host, port: 0 }, bound));
  return {
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Answers go to whoever sent last: enough for a test. */
async function openUdp(host: string, target: number): Promise<Opened> {
  const kind = host.includes(":") ? "udp6" : "udp4";
  const [outside, inside] = [createSocket(kind), createSocket(kind)];
  let last: { readonly address: string; readonly port: number } | undefined;
  outside.on("message", (message, from) => {
    last = from;
    inside.send(message, target, host);
  });
  inside.on("message", (message) => {
    if (last !== undefined) outside.send(message, last.port, last.address);
  });
  // Nobody listens there: as with a real one, what was sent is lost.
  inside.on("error", () => undefined);
  const port = await listening(outside, host, (bound) => outside.bind({ address: host, port: 0 }, bound));
  return {
    port,
    close: async () => {
      inside.close();
      await new Promise<void>((resolve) => outside.close(() => resolve()));
    },
  };
}

function listening(
  socket: Server | UdpSocket,
  host: string,
  bind: (bound: () => void) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    socket.once("error", (error: NodeJS.ErrnoException) => reject(bindError(`${host}, a free port`, error)));
    bind(() => {
      const address = socket.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

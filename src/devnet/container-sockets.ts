/** The sockets of one container: an SSH banner on one port, HTTP on the others. */

import { createServer, type Server, type Socket } from "node:net";
import { bindError } from "./listening.js";

export interface ContainerSockets {
  /** External ports: of SSH, then the others in the order they were asked for. */
  readonly ports: readonly number[];
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

export interface ContainerSocketsOptions {
  readonly host: string;
  /** The one for SSH included. */
  readonly portCount: number;
  /** How long nobody serves SSH behind its port. */
  readonly sshDelayMs: number;
}

const sshBanner = "SSH-2.0-OpenSSH_9.6\r\n";
const greeting = "up\n";
const httpAnswer =
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
  `Content-Length: ${greeting.length}\r\n\r\n${greeting}`;

type Speak = (socket: Socket) => void;

/** @throws {DevnetError} a port cannot be bound; none is left bound */
export async function openContainerSockets(options: ContainerSocketsOptions): Promise<ContainerSockets> {
  const sockets = new Set<Socket>();
  const sshFromMs = performance.now() + options.sshDelayMs;
  // As docker-proxy: the port accepts from the start, and hangs up while nothing listens in the container.
  const speakSsh: Speak = (socket) => {
    if (performance.now() < sshFromMs) socket.destroy();
    else socket.write(sshBanner);
  };
  const speakHttp: Speak = (socket) => socket.once("data", () => socket.end(httpAnswer));
  const servers = Array.from({ length: options.portCount }, (_, position) =>
    serverOf(position === 0 ? speakSsh : speakHttp, sockets),
  );
  const close = async (): Promise<void> => {
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  };
  const bound = await Promise.allSettled(servers.map((server) => bind(server, options.host)));
  const failed = bound.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return { ports: bound.map((result) => (result.status === "fulfilled" ? result.value : 0)), close };
}

function serverOf(speak: Speak, sockets: Set<Socket>): Server {
  return createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    // What callers say is of no interest; unread, it would keep the end of their connections from being seen.
    socket.resume();
    speak(socket);
  });
}

function bind(server: Server, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(bindError(`${host}, a free port`, error)));
    server.listen({ host, port: 0 }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    });
  });
}

/** Listens on many addresses: on one port, or some ports after it where nodes share an address. */

import { createServer, type Server, type Socket } from "node:net";
import { hostPort, ipv6Host, type Seat } from "./addresses.js";
import { DevnetError } from "./errors.js";

export interface Listening<Taken extends Seat> {
  readonly port: number;
  isOn(seat: Taken): boolean;
  /** Stops listening on one seat; its connections are not touched, and are waited for. */
  stop(seat: Taken): Promise<void>;
  /** Listens on a seat again. @throws {DevnetError} somebody else has taken it */
  start(seat: Taken): Promise<void>;
  /** Stops listening; connections are not touched. */
  close(): Promise<void>;
}

/** Somebody else may hold a picked port, or one after it, somewhere: another pick is likely to be free. */
const picks = 20;

/**
 * Binds each seat by itself, never all addresses at once: what is not ours stays out, and no other machine gets in.
 *
 * @param port 0 picks one that is free for all seats
 * @throws {DevnetError} a seat cannot be bound; none is left bound
 */
export async function listenOnAll<Taken extends Seat>(
  seats: readonly Taken[],
  port: number,
  onConnection: (socket: Socket, seat: Taken) => void,
): Promise<Listening<Taken>> {
  if (port !== 0) return bindAll(seats, port, onConnection);
  for (let pick = 1; ; pick++) {
    try {
      return await bindAll(seats, 0, onConnection);
    } catch (error) {
      if (pick === picks || !isBadPick(error)) throw error;
    }
  }
}

/** Whether this system has an IPv6 loopback to listen on. */
export async function canListenOnIpv6(): Promise<boolean> {
  try {
    const listening = await bindAll([{ host: ipv6Host, portOffset: 0 }], 0, (socket) => socket.destroy());
    await listening.close();
    return true;
  } catch {
    return false;
  }
}

async function bindAll<Taken extends Seat>(
  seats: readonly Taken[],
  wantedPort: number,
  onConnection: (socket: Socket, seat: Taken) => void,
): Promise<Listening<Taken>> {
  const servers = new Map<Taken, Server>();
  const stop = async (seat: Taken): Promise<void> => {
    const server = servers.get(seat);
    servers.delete(seat);
    await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  };
  const close = async (): Promise<void> => {
    await Promise.all([...servers.keys()].map(stop));
  };
  const bind = async (seat: Taken, port: number): Promise<number> => {
    // As Go and Node's own HTTP server do: else an answer in two packets waits 40 ms for an acknowledgement.
    const server = createServer({ noDelay: true }, (socket) => onConnection(socket, seat));
    const boundPort = await listen(server, seat.host, port);
    servers.set(seat, server);
    return boundPort;
  };
  try {
    const [first, ...others] = seats;
    // The first one is an entry node, which is on the devnet's port itself.
    const port = first === undefined ? wantedPort : await bind(first, wantedPort);
    const results = await Promise.allSettled(others.map((seat) => bind(seat, port + seat.portOffset)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const start = async (seat: Taken): Promise<void> => {
      if (!servers.has(seat)) await bind(seat, port + seat.portOffset);
    };
    return { port, isOn: (seat) => servers.has(seat), stop, start, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(bindError(hostPort(host, port), error)));
    server.listen({ host, port }, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : port);
    });
  });
}

/** The port is taken somewhere, or so high that the ports after it end. */
const isBadPick = (error: unknown): boolean =>
  error instanceof DevnetError
    ? (error.cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE"
    : (error as NodeJS.ErrnoException).code === "ERR_SOCKET_BAD_PORT";

/** Says what to do about an address that cannot be bound. */
export function bindError(address: string, cause: NodeJS.ErrnoException): DevnetError {
  const advice: Record<string, string> = {
    EADDRINUSE: "the port is in use there; choose another port or another first address",
    EADDRNOTAVAIL:
      "this system has no such address; a devnet needs all of 127.0.0.0/8, which Linux has and other systems lack",
    EACCES: "ports below 1024 need privileges; choose a higher one",
    EMFILE: "too many open files; raise the limit (ulimit -n) or ask for fewer nodes",
  };
  const code = cause.code ?? "unknown error";
  return new DevnetError(`cannot listen on ${address} (${code}): ${advice[code] ?? cause.message}`, {
    cause,
  });
}

import { connect, type Socket } from "node:net";

export interface Heard {
  /** Status line and headers. */
  head: string;
  /** What follows, with the framing of chunks. */
  body: Buffer;
  /** How the connection ended: `closed`, a system error, or `open` if it was left as enough was heard or nothing came. */
  end: string;
  elapsedMs: number;
}

export interface Talker {
  /** Sends raw bytes and listens until the connection ends, enough was heard, or nothing came for so long. */
  readonly talk: (
    address: string,
    request: string,
    enoughBytes?: number,
    silenceMs?: number,
  ) => Promise<Heard>;
  /** Drops what is still open. */
  readonly hangUpAll: () => void;
}

/** Talks to IPv4 addresses over plain sockets: what a client library would hide is heard. */
export function createTalker(): Talker {
  let sockets: Socket[] = [];
  return {
    talk: (address, request, enoughBytes = Infinity, silenceMs = 10_000) => {
      const [host, port] = address.split(":");
      const socket = connect({ host: host!, port: Number(port) });
      sockets.push(socket);
      const chunks: Buffer[] = [];
      const begun = performance.now();
      return new Promise((resolve) => {
        const settle = (end: string): void => {
          socket
            .removeAllListeners()
            .on("error", () => undefined)
            .pause();
          const bytes = Buffer.concat(chunks);
          const split = bytes.indexOf("\r\n\r\n");
          const head = bytes.toString("latin1", 0, Math.max(0, split));
          resolve({ head, body: bytes.subarray(split + 4), end, elapsedMs: performance.now() - begun });
        };
        socket.on("connect", () => {
          socket.write(request);
          // Not before: on a busy machine who listens is to have been asked.
          socket.setTimeout(silenceMs, () => settle("open"));
        });
        socket.on("data", (chunk) => {
          chunks.push(chunk);
          if (socket.bytesRead >= enoughBytes) settle("open");
        });
        socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code!));
        socket.on("close", () => settle("closed"));
      });
    },
    hangUpAll: () => {
      for (const socket of sockets) socket.destroy();
      sockets = [];
    },
  };
}

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import type { PeerAddress } from "../../src/peer-api/contract.js";

/** A request as it came over the wire. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly head: string;
  readonly body: Buffer;
  /** Number of its connection, from 1. */
  readonly connection: number;
}

/** Where nobody listens: a port that was free just now may be another program's by the time that it is called. */
export const closedAddress: PeerAddress = { host: "127.0.0.1", port: 1 };

/** Writes the answer to one request, byte for byte. */
export type Answer = (socket: Socket, request: SeenRequest) => void;

/** A node made of one TCP server: it answers what a test scripts, and remembers what it saw. */
export class RawNode {
  readonly requests: SeenRequest[] = [];
  receivedBytes = 0;
  connectionCount = 0;
  highestOpenCount = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #answer: Answer;

  private constructor(answer: Answer) {
    this.#answer = answer;
    this.#server = createServer((socket) => this.#take(socket));
  }

  static async open(answer: Answer, host = "127.0.0.1"): Promise<RawNode> {
    const node = new RawNode(answer);
    node.#server.listen(0, host);
    await once(node.#server, "listening");
    return node;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): PeerAddress {
    return { host: "127.0.0.1", port: this.port };
  }

  get openCount(): number {
    return this.#sockets.size;
  }

  get paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  /** Waits until nobody is connected any more. */
  async whenLeft(): Promise<void> {
    for (const socket of this.#sockets) await new Promise((resolve) => socket.once("close", resolve));
    if (this.#sockets.size > 0) await this.whenLeft();
  }

  /** Ends the connections as they are, as a node does that restarts. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.hangUp();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(socket: Socket): void {
    const connection = ++this.connectionCount;
    this.#sockets.add(socket);
    this.highestOpenCount = Math.max(this.highestOpenCount, this.#sockets.size);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    let waiting: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      this.receivedBytes += chunk.length;
      waiting = Buffer.concat([waiting, chunk]);
      for (let next = cutRequest(waiting); next !== undefined; next = cutRequest(waiting)) {
        waiting = next.rest;
        const request: SeenRequest = { ...next.request, connection };
        this.requests.push(request);
        this.#answer(socket, request);
      }
    });
  }
}

function cutRequest(
  bytes: Buffer,
): { readonly request: Omit<SeenRequest, "connection">; readonly rest: Buffer } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = bytes.subarray(0, headEnd).toString("latin1");
  const length = Number(/^content-length: ([0-9]+)$/im.exec(head)?.[1] ?? 0);
  const end = headEnd + 4 + length;
  if (bytes.length < end) return undefined;
  const [method = "", path = ""] = head.split(" ");
  return {
    request: { method, path, head, body: bytes.subarray(headEnd + 4, end) },
    rest: bytes.subarray(end),
  };
}

/** Answers with a whole body and keeps the connection. */
export function sends(body: string | Buffer, status = 200, headers: Record<string, string> = {}): Answer {
  return (socket) => {
    const bytes = Buffer.from(body);
    const all = {
      "Content-Type": "application/json; charset=utf-8",
      "Content-Length": String(bytes.length),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n`), bytes]));
  };
}

/** Answers with exactly this text, and nothing after it. */
export const writes =
  (text: string): Answer =>
  (socket) =>
    void socket.write(text);

/** Answers by path; `404 page not found` elsewhere, as nodes do. */
export function byPath(routes: Readonly<Record<string, Answer>>): Answer {
  return (socket, request) => (routes[request.path] ?? sends("404 page not found", 404))(socket, request);
}

/** Writes a piece again and again, until nobody listens. */
export function drips(start: string, piece: string | Buffer, everyMs: number): Answer {
  return (socket) => {
    socket.write(start);
    const timer = setInterval(() => socket.write(piece), everyMs);
    socket.once("close", () => clearInterval(timer));
  };
}

/** Writes as fast as somebody reads, for ever. */
export function floods(start: string, piece: Buffer): Answer {
  return (socket) => {
    socket.write(start);
    const more = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on("drain", more);
    more();
  };
}

export const someInfo = JSON.stringify({
  Hostname: "a",
  Platform: "ubuntu",
  CPU: "c",
  RAM: 1,
  Disk: 2,
  GPU: null,
});

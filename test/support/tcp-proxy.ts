import { connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

/** Which way bytes flow: commands to Redis, replies back. */
export type Direction = "commands" | "replies";

/** Where a cut falls: before the n-th message of a direction, or after half of its bytes. */
export interface Cut {
  readonly direction: Direction;
  /** Counts from 1, over all connections since it was armed. */
  readonly message: number;
  readonly place: "before" | "middle";
}

/** A network that misbehaves as told, in front of a Redis. It knows where RESP messages end. */
export class TcpProxy implements AsyncDisposable {
  /** Before each chunk is handed on, in milliseconds, both ways. */
  latencyMs = 0;
  /** Hands on one byte at a time. */
  isSliced = false;
  /** Takes connections and closes them at once. */
  isRefusing = false;
  targetPort: number;
  readonly isRaw: boolean;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #held = new Set<Direction>();
  #isHoldingNew = true;
  #cut: Cut | undefined;
  #seen = 0;

  private constructor(server: Server, targetPort: number, isRaw: boolean) {
    this.#server = server;
    this.isRaw = isRaw;
    this.targetPort = targetPort;
  }

  /** @param isRaw for what is no RESP: bytes are handed on as they come, and count as one message each */
  static async start(targetPort: number, { isRaw = false } = {}): Promise<TcpProxy> {
    // The side that stays open after the other has ended is ours to close.
    const server = createServer({ allowHalfOpen: true });
    const proxy = new TcpProxy(server, targetPort, isRaw);
    server.on("connection", (socket) => proxy.#accept(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy does not listen");
    return address.port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#links.size;
  }

  /** Cuts one connection, once. */
  arm(cut: Cut): void {
    this.#cut = cut;
    this.#seen = 0;
  }

  /** Tells whether a cut still waits, and takes it back. */
  disarm(): boolean {
    const isWaiting = this.#cut !== undefined;
    this.#cut = undefined;
    return isWaiting;
  }

  /** Keeps what comes from now on, also after its sender is gone: a black hole, until `release`. */
  hold(...directions: readonly Direction[]): void {
    for (const direction of directions) this.#held.add(direction);
  }

  /** Lets new connections through; those that are held stay so. */
  holdOldOnly(): void {
    this.#isHoldingNew = false;
  }

  async release(): Promise<void> {
    this.#held.clear();
    this.#isHoldingNew = true;
    for (const link of [...this.#links]) await link.flush();
  }

  /** Resets every connection, both ways. */
  reset(): void {
    for (const link of [...this.#links]) link.reset();
  }

  /** Loses the server's side of every connection without a word to the client. */
  loseServerSide(): void {
    for (const link of [...this.#links]) link.loseServer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  isHeld(direction: Direction): boolean {
    return this.#held.has(direction);
  }

  /** Counts a message. @returns the cut that falls on it */
  meet(direction: Direction): Cut | undefined {
    if (this.#cut?.direction !== direction) return undefined;
    this.#seen += 1;
    if (this.#seen < this.#cut.message) return undefined;
    const cut = this.#cut;
    this.#cut = undefined;
    return cut;
  }

  #accept(client: Socket): void {
    if (this.isRefusing) {
      client.on("error", () => undefined);
      client.destroy();
      return;
    }
    const link = new Link(this, client, this.#isHoldingNew, () => this.#links.delete(link));
    this.#links.add(link);
  }
}

/** One connection through the proxy. */
class Link {
  readonly #proxy: TcpProxy;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #canBeHeld: boolean;
  readonly #onGone: () => void;
  readonly #flows: Readonly<Record<Direction, Flow>>;
  #isSilent = false;

  constructor(proxy: TcpProxy, client: Socket, canBeHeld: boolean, onGone: () => void) {
    this.#proxy = proxy;
    this.#canBeHeld = canBeHeld;
    this.#client = client;
    this.#onGone = onGone;
    this.#server = connect({ port: proxy.targetPort, host: "127.0.0.1", allowHalfOpen: true });
    client.setNoDelay(true);
    this.#server.setNoDelay(true);
    this.#flows = { commands: new Flow(this.#server, proxy.isRaw), replies: new Flow(client, proxy.isRaw) };
    this.#pipe("commands", client, this.#server);
    this.#pipe("replies", this.#server, client);
  }

  async flush(): Promise<void> {
    for (const direction of ["commands", "replies"] as const) await this.#handOn(direction);
  }

  reset(): void {
    this.#onGone();
    for (const socket of [this.#client, this.#server]) {
      // libuv resets no socket that is being shut down, and Node then never closes it: the process spins as it ends.
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  loseServer(): void {
    this.#isSilent = true;
    this.#server.destroy();
  }

  #pipe(direction: Direction, from: Socket, to: Socket): void {
    const flow = this.#flows[direction];
    from.on("data", (bytes) => {
      flow.add(bytes);
      void this.#handOn(direction);
    });
    // What was held is handed on even when its sender has gone: packets on their way do not come back.
    from.on("end", () => {
      flow.hasEnded = true;
      void this.#handOn(direction);
    });
    from.on("error", () => {
      if (this.#isSilent) return;
      if (flow.isEmpty || !this.#isHeld(direction)) to.destroy();
      else flow.hasEnded = true;
    });
    to.on("close", () => {
      const isStillOnItsWay = direction === "replies" && this.#isHeld("commands");
      if (!this.#isSilent && !isStillOnItsWay) from.destroy();
      if (this.#client.destroyed && this.#server.destroyed) this.#onGone();
    });
  }

  async #handOn(direction: Direction): Promise<void> {
    const flow = this.#flows[direction];
    if (flow.isBusy || this.#isSilent) return;
    flow.isBusy = true;
    for (;;) {
      if (this.#isHeld(direction)) break;
      const message = flow.next();
      if (message === undefined) break;
      const cut = this.#proxy.meet(direction);
      if (cut !== undefined) {
        if (cut.place === "middle") await this.#write(flow.to, message.subarray(0, message.length / 2));
        this.#end();
        return;
      }
      await this.#write(flow.to, message);
    }
    flow.isBusy = false;
    if (flow.hasEnded && !this.#isHeld(direction)) flow.to.end();
  }

  #isHeld(direction: Direction): boolean {
    return this.#canBeHeld && this.#proxy.isHeld(direction);
  }

  /** Closes both sides, after what was handed on. */
  #end(): void {
    this.#onGone();
    this.#client.end();
    this.#server.end();
    this.#client.destroySoon();
    this.#server.destroySoon();
  }

  async #write(to: Socket, bytes: Buffer): Promise<void> {
    if (this.#proxy.latencyMs > 0) await delay(this.#proxy.latencyMs);
    if (to.destroyed) return;
    if (!this.#proxy.isSliced) {
      to.write(bytes);
      return;
    }
    for (const byte of bytes) {
      to.write(Buffer.of(byte));
      await nextTurn();
    }
  }
}

/** Bytes of one direction on their way, whole messages first. */
class Flow {
  readonly to: Socket;
  isBusy = false;
  hasEnded = false;
  readonly #isRaw: boolean;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(to: Socket, isRaw: boolean) {
    this.to = to;
    this.#isRaw = isRaw;
  }

  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  add(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
  }

  next(): Buffer | undefined {
    const end = this.#isRaw ? this.#bytes.length || undefined : messageEnd(this.#bytes, 0);
    if (end === undefined) return undefined;
    const message = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    return message;
  }
}

/** Finds where a RESP2 message ends; undefined if it is not there yet. */
function messageEnd(bytes: Buffer, start: number): number | undefined {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const kind = String.fromCharCode(bytes[start] ?? 0);
  const afterLine = lineEnd + 2;
  if (kind !== "$" && kind !== "*") return afterLine;
  const count = Number(bytes.toString("latin1", start + 1, lineEnd));
  if (count < 0) return afterLine;
  if (kind === "$") return afterLine + count + 2 <= bytes.length ? afterLine + count + 2 : undefined;
  let end: number | undefined = afterLine;
  for (let part = 0; part < count && end !== undefined; part += 1) end = messageEnd(bytes, end);
  return end;
}

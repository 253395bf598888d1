import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { connect, Socket, type TcpNetConnectOpts } from "node:net";
import { addressKey } from "./address.js";
import type { CallOptions, PeerAddress } from "./contract.js";
import { PeerError } from "./errors.js";
import { maxSocketsPerNode } from "./limits.js";

/**
 * After how long a silence TCP shows that a connection is in use, in milliseconds: nodes think for minutes about a table
 * or an image, and what translates addresses on the way forgets silent connections sooner.
 */
const keepAliveInitialDelay = 30_000;

type IsAllowed = CallOptions["isAllowed"];

/**
 * The sockets of one crawl or one call: kept alive between requests to a node, at most 2 to each, never to an address
 * that the caller's policy forbids.
 *
 * A name is resolved by the connection itself, so what is judged is the address connected to: there is no second
 * look-up that could answer otherwise.
 */
export class NodeSockets {
  readonly agent: Agent;
  /** For what is made once and has effects: a new connection each time, and no waiting for one of the two. */
  readonly onceAgent: Agent;
  /** For the service that tells our public address, which an operator may name by an https URL. Nodes speak no TLS. */
  readonly tlsAgent: TlsAgent;
  readonly #policies = new Map<string, IsAllowed>();
  readonly #open = new Map<string, Set<Socket>>();
  /** Nodes that closed a connection which they had kept. */
  readonly #fickle = new Set<string>();
  #isClosed = false;

  /** @param certificateAuthorities PEM; instead of the well-known ones */
  constructor(certificateAuthorities?: string) {
    this.tlsAgent = new TlsAgent(certificateAuthorities === undefined ? {} : { ca: certificateAuthorities });
    this.agent = new Agent({ keepAlive: true, maxSockets: maxSocketsPerNode, scheduling: "lifo" });
    this.onceAgent = new Agent({ keepAlive: false });
    for (const agent of [this.agent, this.onceAgent]) {
      // By callback, because an agent whose new socket is dead already makes another one, again and again.
      agent.createConnection = (options: TcpNetConnectOpts, callback) => {
        if (!this.#isClosed) return this.#connect(options);
        callback?.(canceled({ wasSent: false }), new Socket());
        return undefined;
      };
    }
  }

  /** Sets who judges the addresses of one node's sockets. */
  judge(address: PeerAddress, isAllowed: IsAllowed): void {
    this.#policies.set(addressKey(address), isAllowed);
  }

  /** Cuts every socket to one node. */
  release(address: PeerAddress): void {
    const idle = this.#idle(address);
    for (const socket of this.#open.get(addressKey(address)) ?? []) {
      // Without an error, whose stack would be taken a thousand times in a crawl for nobody to see.
      if (idle.includes(socket)) socket.destroy();
      else socket.destroy(canceled());
    }
  }

  /** Remembers that a node closes connections which it says it keeps. */
  distrust(address: PeerAddress): void {
    this.#fickle.add(addressKey(address));
  }

  /** Closes kept sockets to a node that cannot be trusted to keep them: what may be made once only needs a new one. */
  renew(address: PeerAddress): void {
    if (!this.#fickle.has(addressKey(address))) return;
    for (const socket of this.#idle(address)) socket.destroy();
  }

  /** Cuts every socket, and opens none any more: not for a call that waited for a place either. */
  close(): void {
    this.#isClosed = true;
    // The agent would go on to open sockets for those that wait.
    for (const [name, waiting] of Object.entries(this.agent.requests)) {
      Reflect.deleteProperty(this.agent.requests, name);
      for (const call of waiting ?? []) {
        call.destroy(canceled({ wasSent: false }));
        // A request without a socket keeps its error to itself until it is given one.
        call.onSocket(new Socket());
      }
    }
    for (const sockets of this.#open.values()) for (const socket of sockets) socket.destroy(canceled());
    this.agent.destroy();
    this.onceAgent.destroy();
    this.tlsAgent.destroy();
  }

  #idle(address: PeerAddress): readonly Socket[] {
    return this.agent.freeSockets[this.agent.getName(address)] ?? [];
  }

  #connect(options: TcpNetConnectOpts): Socket {
    const key = addressKey({ host: options.host ?? "", port: options.port });
    const isAllowed = this.#policies.get(key);
    const socket = connect({ ...options, noDelay: true, keepAlive: true, keepAliveInitialDelay });
    // Whoever has a request on it listens too; a socket that HTTP has let go, as after 101, has nobody else.
    socket.on("error", () => undefined);
    // Before a byte leaves: what http writes meanwhile waits for listeners of 'connect' that come after this one.
    socket.once("connect", () => {
      const remote = socket.remoteAddress;
      // Judged before there was a socket (`openPeerApi`); names are judged here only.
      if (remote === options.host) return;
      if (isAllowed !== undefined && (remote === undefined || !isAllowed(remote))) socket.destroy(blocked());
    });
    const sockets = this.#open.get(key) ?? new Set();
    this.#open.set(key, sockets.add(socket));
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#open.delete(key);
    });
    return socket;
  }
}

/** Makes the error of a contact that the address policy forbids. */
export const blocked = (): PeerError =>
  new PeerError("ADDRESS_BLOCKED", "the address policy forbids to contact it", { wasSent: false });

/** Makes the error of a call that its caller ended. */
export const canceled = (options: { readonly wasSent?: boolean } = {}): PeerError =>
  new PeerError("CANCELED", "canceled", options);

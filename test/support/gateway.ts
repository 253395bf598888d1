import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectRouter, ServiceImpl, Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { type Gateway, type GatewayOptions, openGateway } from "../../src/gateway/gateway.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { silentLogger } from "../../src/observability/logger.js";

/** What a test opens; `release` takes it all away again. */
export class GatewayBench {
  readonly #cleanups: (() => unknown)[] = [];

  async open(
    options: Partial<GatewayOptions> & { service?: Partial<ServiceImpl<typeof ClientService>> } = {},
  ): Promise<Gateway & { url: string; port: number }> {
    const { service = {}, ...rest } = options;
    const gateway = await openGateway({
      listen: { host: "127.0.0.1", port: 0 },
      corsOrigins: [],
      logger: silentLogger,
      routes: (router: ConnectRouter) => router.service(ClientService, { ...tinyService, ...service }),
      ...rest,
    });
    this.defer(() => gateway.close(0));
    // Tests that open no TCP door do not ask for its address.
    const url = gateway.url!;
    return { ...gateway, url, port: gateway.url === undefined ? 0 : Number(new URL(url).port) };
  }

  async folder(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), "gateway-"));
    this.defer(() => rm(path, { recursive: true, force: true }));
    return path;
  }

  /** A client's socket that keeps what it receives. */
  async raw(port: number, options: { allowHalfOpen?: boolean } = {}): Promise<RawClient> {
    const socket = connectTcp({ port, host: "127.0.0.1", ...options });
    const client = new RawClient(socket);
    this.defer(() => socket.destroy());
    await once(socket, "connect");
    return client;
  }

  async http2(url: string): Promise<ClientHttp2Session> {
    const session = connectHttp2(url);
    session.on("error", () => undefined);
    this.defer(() => session.destroy());
    await once(session, "connect");
    return session;
  }

  transport(kind: ClientKind, baseUrl: string): Transport {
    const useBinaryFormat = kind.format === "binary";
    if (kind.httpVersion === "1.1") {
      const options = { baseUrl, useBinaryFormat, httpVersion: "1.1" } as const;
      return kind.protocol === "Connect" ? createConnectTransport(options) : createGrpcWebTransport(options);
    }
    // A transport that keeps its connection keeps the test process as well.
    const sessionManager = new Http2SessionManager(baseUrl);
    this.defer(() => {
      sessionManager.abort();
    });
    const options = { baseUrl, useBinaryFormat, httpVersion: "2", sessionManager } as const;
    switch (kind.protocol) {
      case "gRPC":
        return createGrpcTransport(options);
      case "gRPC-Web":
        return createGrpcWebTransport(options);
      case "Connect":
        return createConnectTransport(options);
    }
  }

  grpc(baseUrl: string): Transport {
    return this.transport({ protocol: "gRPC", format: "binary", httpVersion: "2" }, baseUrl);
  }

  defer(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async release(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

export interface ClientKind {
  readonly protocol: "gRPC" | "gRPC-Web" | "Connect";
  readonly format: "binary" | "JSON";
  readonly httpVersion: "1.1" | "2";
}

export class RawClient {
  readonly closed: Promise<unknown>;
  readonly ended: Promise<unknown>;
  #received = Buffer.alloc(0);

  constructor(readonly socket: Socket) {
    socket.on("data", (piece) => (this.#received = Buffer.concat([this.#received, piece])));
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    this.ended = new Promise((resolve) => socket.once("end", resolve));
  }

  get text(): string {
    return this.#received.toString("latin1");
  }

  async receive(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) await once(this.socket, "data");
    return this.text;
  }
}

/** Resolves when a signal is aborted, or has been. */
export async function abortOf(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

const tinyService: Partial<ServiceImpl<typeof ClientService>> = {
  listNodes: ({ pageToken }) => ({ nextPageToken: `after ${pageToken}` }),
  async *updateIpTable() {
    for (const sequence of [1n, 2n, 3n]) yield { sequence };
  },
};

export const LIST_NODES = "/p2prc.client.v1.ClientService/ListNodes";
export const UPDATE_IP_TABLE = "/p2prc.client.v1.ClientService/UpdateIpTable";

/** What an HTTP/2 client says first: preface and an empty SETTINGS frame. */
export const HTTP2_GREETING = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"),
  http2Frame(0x4, 0, 0),
]);

export function http2Frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = new Uint8Array(),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** One message in the framing of gRPC. */
export function envelope(message: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Resolves when the promise does; fails when that takes longer than any limit a test sets, and before those that it leaves. */
export async function soon<T>(promise: Promise<T>, what: string, limitMs = 9_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting: ${what}`)), limitMs);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

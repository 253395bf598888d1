import { once } from "node:events";
import { type ClientHttp2Stream, constants } from "node:http2";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import {
  abortOf,
  envelope,
  GatewayBench,
  http2Frame,
  HTTP2_GREETING,
  LIST_NODES,
  soon,
  UPDATE_IP_TABLE,
} from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const LIMIT_MS = 150;
/** For limits that must not end what a test begins: longer than a busy machine holds it up. */
const SPARING_MS = 500;
const GRPC = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };

describe("a client that does not say its protocol", () => {
  it.each([
    ["nothing", ""],
    ["a P, as POST and the preface begin", "P"],
    ["half the preface", "PRI * HTTP/2.0\r\n"],
  ])("is cut when it says %s", async (_, words) => {
    const { port } = await bench.open({ limits: { protocolTimeoutMs: LIMIT_MS } });
    const client = await bench.raw(port);
    client.socket.write(words);

    await soon(client.closed, "the cut");
  });

  it("leaves no socket when it goes without a word", async () => {
    const gateway = await bench.open();
    const client = await bench.raw(gateway.port, { allowHalfOpen: true });
    client.socket.end();

    await soon(client.closed, "our side of the good-bye");
    await soon(gateway.close(60_000), "a close that has nothing to wait for");
  });
});

describe("an HTTP/1.1 client", () => {
  it("is cut when its headers do not end", async () => {
    const { port } = await bench.open({ limits: { headersTimeoutMs: LIMIT_MS } });
    const client = await bench.raw(port);
    client.socket.write(`POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nX-Slow:`);

    await soon(client.closed, "the cut");
    expect(client.text).toContain("408 Request Timeout");
  });

  it("is told and cut when its request does not end", async () => {
    const { port } = await bench.open({ limits: { requestTimeoutMs: LIMIT_MS } });
    const client = await bench.raw(port);
    client.socket.write(
      `POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{`,
    );

    await soon(client.closed, "the cut");
    expect(client.text).toMatch(/deadline_exceeded|408 Request Timeout/);
  });

  it("is cut when it keeps a connection without a request", async () => {
    const { port } = await bench.open({ limits: { idleTimeoutMs: LIMIT_MS } });
    const client = await bench.raw(port);
    client.socket.write(`GET ${LIST_NODES}?encoding=json&message=%7B%7D HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);

    await soon(client.receive(/200 OK/), "the response");
    await soon(client.closed, "the cut");
  });

  it("is refused with headers over the limit", async () => {
    const { port } = await bench.open({ limits: { maxHeaderBytes: 1000 } });
    const client = await bench.raw(port);
    client.socket.write(`POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(2000)}\r\n\r\n`);

    await soon(client.receive(/431/), "the refusal");
    await soon(client.closed, "the cut");
  });

  it("is cut when it pipelines more calls than one connection may have", async () => {
    const signals: AbortSignal[] = [];
    const { port } = await bench.open({
      limits: { maxCallsPerConnection: 3 },
      service: { listNodes: (_, { signal }) => (signals.push(signal), aborted(signal)) },
    });
    const client = await bench.raw(port);
    client.socket.write(
      `GET ${LIST_NODES}?encoding=json&message=%7B%7D HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(10),
    );

    await soon(client.closed, "the cut");
    expect(signals.length).toBeLessThanOrEqual(3);
    await soon(Promise.all(signals.map(abortOf)), "each handler to hear");
  });

  it("is cut when it does not take its stream, and the handler hears of it", async () => {
    const { port, ended } = await openFlood();
    const client = await bench.raw(port);
    client.socket.pause();
    const body = envelope();
    client.socket.write(
      `POST ${UPDATE_IP_TABLE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web+proto\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    client.socket.write(body);

    await soon(ended, "the end of the handler");
  });
});

describe("an HTTP/2 client", () => {
  it.each([
    ["its greeting", Buffer.alloc(0)],
    ["a HEADERS frame that does not end", http2Frame(0x1, 0, 1, Buffer.from([0x83]))],
  ])("gets GOAWAY and is cut when it sends only %s", async (_, rest) => {
    const { port } = await bench.open({ limits: { idleTimeoutMs: LIMIT_MS, farewellTimeoutMs: LIMIT_MS } });
    // It does not close its own side, as a client that means harm.
    const client = await bench.raw(port, { allowHalfOpen: true });
    client.socket.write(Buffer.concat([HTTP2_GREETING, rest]));

    await soon(client.ended, "the cut");
    // type, flags and stream of a GOAWAY frame
    expect(client.text).toMatch(/\x07\x00\x00\x00\x00\x00/);
  });

  it("is cut when idle although it sends PINGs", async () => {
    const { url } = await bench.open({ limits: { idleTimeoutMs: LIMIT_MS } });
    const session = await bench.http2(url);
    const pings = setInterval(() => session.destroyed || session.ping(() => undefined), LIMIT_MS / 5);
    bench.defer(() => clearInterval(pings));

    // Not `once`: a PING on the way when it is cut is an error as well, or is not.
    await soon(new Promise<void>((resolve) => session.once("close", resolve)), "the cut");
  });

  it("is told when its request does not end, and its stream is gone", async () => {
    const { url } = await bench.open({ limits: { requestTimeoutMs: LIMIT_MS, farewellTimeoutMs: LIMIT_MS } });
    const session = await bench.http2(url);
    const stream = session.request({ ...GRPC, ":path": LIST_NODES });
    stream.write(envelope(Buffer.alloc(100)).subarray(0, 50));
    stream.resume();
    const closed = closeOf(stream);
    const [trailers] = (await soon(once(stream, "trailers"), "the error")) as [Record<string, string>];

    expect(trailers["grpc-status"]).toBe(String(Code.DeadlineExceeded));
    await soon(closed, "the end of the stream");
  });

  it("loses its stream when it goes on with a request that was refused", async () => {
    const { url } = await bench.open({
      limits: { maxRequestMessageBytes: 10, farewellTimeoutMs: LIMIT_MS },
    });
    const session = await bench.http2(url);
    const stream = session.request({ ...GRPC, ":path": LIST_NODES });
    stream.write(envelope(Buffer.alloc(1000)));
    stream.resume();
    const closed = closeOf(stream);
    const [trailers] = (await soon(once(stream, "trailers"), "the error")) as [Record<string, string>];

    expect(trailers["grpc-status"]).toBe(String(Code.ResourceExhausted));
    expect(await soon(closed, "the end of the stream")).toBe(constants.NGHTTP2_NO_ERROR);
  });

  it("is refused streams over the limit", async () => {
    const { url } = await bench.open({
      limits: { maxCallsPerConnection: 2 },
      service: { listNodes: (_, { signal }) => aborted(signal) },
    });
    const session = await bench.http2(url);
    const streams = [1, 2, 3].map(() => {
      const stream = session.request({ ...GRPC, ":path": LIST_NODES });
      stream.on("error", () => undefined);
      return stream.end(envelope());
    });

    // All three are out before the client knows the limit, which it would obey by itself.
    const refused = await soon(Promise.race(streams.map((stream) => closeOf(stream))), "the refusal");
    expect(refused).toBe(constants.NGHTTP2_REFUSED_STREAM);
    expect(session.remoteSettings.maxConcurrentStreams).toBe(2);
  });

  it("is refused headers over the limit", async () => {
    const { url } = await bench.open({ limits: { maxHeaderBytes: 1000 } });
    const session = await bench.http2(url);
    // The limit holds from the client's acknowledgement on; a PING comes back after it.
    await soon(once(session, "remoteSettings"), "the settings");
    await soon(new Promise((resolve) => session.ping(resolve)), "the answer to PING");
    const stream = session.request({ ...GRPC, ":path": LIST_NODES, "x-long": "x".repeat(5000) });
    stream.on("error", () => undefined);

    expect(await soon(closeOf(stream), "the refusal")).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("leaves no socket when it goes with a plain FIN", async () => {
    const gateway = await bench.open();
    const client = await bench.raw(gateway.port, { allowHalfOpen: true });
    client.socket.write(HTTP2_GREETING);
    await soon(client.receive(/./s), "the server's greeting");
    client.socket.end();

    await soon(client.closed, "our side of the good-bye");
    await soon(gateway.close(60_000), "a close that has nothing to wait for");
  });

  it("loses a stream that it does not take, and the handler hears of it", async () => {
    const { url, ended } = await openFlood();
    const session = await bench.http2(url);
    const stream = session.request({ ...GRPC, ":path": UPDATE_IP_TABLE });
    stream.on("error", () => undefined);
    stream.end(envelope());

    await soon(ended, "the end of the handler");
  });

  it("ends the handler of a stream it does not take by leaving", async () => {
    const { url, ended, isBlocked } = await openFlood({ stalledResponseTimeoutMs: 60_000 });
    const session = await bench.http2(url);
    const stream = session.request({ ...GRPC, ":path": UPDATE_IP_TABLE });
    stream.on("error", () => undefined);
    stream.end(envelope());
    await soon(isBlocked, "the stream to fill up");
    session.destroy();

    await soon(ended, "the end of the handler");
  });
});

describe("the limits", () => {
  it("spare a stream that has nothing to say for longer than all of them", async () => {
    const all = {
      headersTimeoutMs: SPARING_MS,
      requestTimeoutMs: SPARING_MS,
      idleTimeoutMs: SPARING_MS,
      stalledResponseTimeoutMs: SPARING_MS,
    };
    const { url, port }: Awaited<ReturnType<GatewayBench["open"]>> = await bench.open({
      limits: { ...all, protocolTimeoutMs: SPARING_MS, farewellTimeoutMs: SPARING_MS },
      service: {
        async *updateIpTable() {
          yield { sequence: 1n };
          await whenYoungerOnesAreCut(port);
          yield { sequence: 2n };
        },
      },
    });
    for (const httpVersion of ["1.1", "2"] as const) {
      const kind = { protocol: "gRPC-Web", format: "binary", httpVersion } as const;
      const client = createClient(ClientService, bench.transport(kind, url));
      const sequence: bigint[] = [];
      for await (const message of client.updateIpTable({})) sequence.push(message.sequence);
      expect(sequence).toEqual([1n, 2n]);
    }
  });

  it("close connections beyond the maximum, and let new ones in when others have gone", async () => {
    const { port } = await bench.open({ limits: { maxConnections: 2 } });
    const [first] = [await bench.raw(port), await bench.raw(port)];
    const third = await bench.raw(port);
    await soon(third.closed, "the refusal");

    first.socket.end(`GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    await soon(first.closed, "a place to become free");
    // The gateway may hear of that later than the client.
    const isServed = async (): Promise<boolean> => {
      const another = await bench.raw(port);
      another.socket.write("GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
      return await Promise.race([
        another.receive(/404/).then(
          () => true,
          () => false,
        ),
        another.closed.then(() => false),
      ]);
    };
    while (!(await soon(isServed(), "the answer, or another refusal")));
  });
});

/** Opens a connection for each limit and waits until all are cut: whoever was there before has outlived the limits. */
async function whenYoungerOnesAreCut(port: number): Promise<void> {
  const get = `GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
  const words = ["", get, `POST ${LIST_NODES} HTTP/1.1\r\nHost:`, HTTP2_GREETING];
  const clients = await Promise.all(words.map(() => bench.raw(port)));
  for (const [index, client] of clients.entries()) client.socket.write(words[index]!);
  await soon(Promise.all(clients.map(({ closed }) => closed)), "the limits to cut others");
}

/** A service that streams for ever; `ended` tells that its handler was left, `isBlocked` that nobody asks for more. */
async function openFlood(
  limits: { stalledResponseTimeoutMs: number } = { stalledResponseTimeoutMs: LIMIT_MS },
) {
  let finish: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (finish = resolve));
  let block: () => void = () => undefined;
  const isBlocked = new Promise<void>((resolve) => (block = resolve));
  const message = { event: { case: "nodeFailed", value: { message: "x".repeat(100_000) } } } as const;
  const gateway = await bench.open({
    limits,
    service: {
      async *updateIpTable() {
        let quiet: NodeJS.Timeout | undefined;
        try {
          for (;;) {
            clearTimeout(quiet);
            quiet = setTimeout(block, LIMIT_MS);
            yield message;
          }
        } finally {
          clearTimeout(quiet);
          finish();
        }
      },
    },
  });
  return { ...gateway, ended, isBlocked };
}

/** @returns the code of the reset, 0 without one */
async function closeOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  await new Promise((resolve) => stream.once("close", resolve));
  return stream.rstCode;
}

async function aborted(signal: AbortSignal): Promise<never> {
  await abortOf(signal);
  throw new ConnectError("gone", Code.Canceled);
}

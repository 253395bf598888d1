import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, createClient } from "@connectrpc/connect";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import {
  type ClientKind,
  envelope,
  GatewayBench,
  http2Frame,
  HTTP2_GREETING,
  LIST_NODES,
  soon,
} from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const kinds: ClientKind[] = (["binary", "JSON"] as const).flatMap((format) => [
  { protocol: "gRPC", format, httpVersion: "2" },
  { protocol: "gRPC-Web", format, httpVersion: "1.1" },
  { protocol: "gRPC-Web", format, httpVersion: "2" },
  { protocol: "Connect", format, httpVersion: "1.1" },
  { protocol: "Connect", format, httpVersion: "2" },
]);

describe.each(kinds)("one port, asked with $protocol, $format, HTTP/$httpVersion", (kind) => {
  it("answers a unary call", async () => {
    const { url } = await bench.open();
    const client = createClient(ClientService, bench.transport(kind, url));

    expect((await client.listNodes({ pageToken: "b" })).nextPageToken).toBe("after b");
  });

  it("streams", async () => {
    const { url } = await bench.open();
    const client = createClient(ClientService, bench.transport(kind, url));

    const sequence: bigint[] = [];
    for await (const message of client.updateIpTable({})) sequence.push(message.sequence);

    expect(sequence).toEqual([1n, 2n, 3n]);
  });

  it("refuses a request message over the limit, and says so", async () => {
    const { url } = await bench.open({ limits: { maxRequestMessageBytes: 1000 } });
    const client = createClient(ClientService, bench.transport(kind, url));

    await expect(client.listNodes({ pageToken: "x".repeat(200_000) })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  it("refuses to send a response message over the limit", async () => {
    const { url } = await bench.open({ limits: { maxResponseMessageBytes: 1000 } });
    const client = createClient(ClientService, bench.transport(kind, url));

    await expect(client.listNodes({ pageToken: "x".repeat(2000) })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  it("takes a deadline of an hour as it is", async () => {
    const { url } = await bench.open();
    const client = createClient(ClientService, bench.transport(kind, url));

    await expect(client.listNodes({}, { timeoutMs: 3_600_000 })).resolves.toBeDefined();
  });
});

describe("one port", () => {
  it("answers a Connect GET of a method without side effects, without a version header", async () => {
    const { url } = await bench.open();

    const response = await fetch(
      `${url}${LIST_NODES}?encoding=json&message=${encodeURIComponent('{"pageToken":"a"}')}`,
    );

    expect(await response.json()).toEqual({ nextPageToken: "after a" });
  });

  it("answers 404 on an unknown path, which clients read as UNIMPLEMENTED", async () => {
    const { url } = await bench.open();

    expect((await fetch(`${url}/p2prc.client.v1.ClientService/Nothing`, { method: "POST" })).status).toBe(
      404,
    );
  });

  it("understands HTTP/1.1 that arrives in pieces of one byte", async () => {
    const { port } = await bench.open();
    const client = await bench.raw(port);

    await sendByteByByte(
      client.socket,
      Buffer.from(
        `POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
      ),
    );

    expect(await soon(client.receive(/after/), "the response")).toContain("200 OK");
  });

  it("understands HTTP/2 that arrives in pieces of one byte", async () => {
    const { port } = await bench.open();
    const client = await bench.raw(port);

    await sendByteByByte(
      client.socket,
      Buffer.concat([HTTP2_GREETING, http2Frame(0x6, 0, 0, Buffer.from("pingpong"))]),
    );

    await soon(client.receive(/pingpong/), "the answer to PING");
  });

  it("answers 400 to what is neither HTTP/1.1 nor the whole preface", async () => {
    const { port } = await bench.open();
    const client = await bench.raw(port);
    client.socket.write("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");

    expect(await soon(client.receive(/\r\n\r\n/), "the refusal")).toContain("400 Bad Request");
  });

  it.each([
    ["a Host that is no host", `POST ${LIST_NODES} HTTP/1.1\r\nHost: [\r\n`],
    ["no Host at all", `POST ${LIST_NODES} HTTP/1.0\r\n`],
  ])("survives %s", async (_, head) => {
    const { port, url } = await bench.open();
    const client = await bench.raw(port);
    client.socket.write(`${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);

    expect(await soon(client.receive(/\r\n\r\n/), "the refusal")).toContain("400 Bad Request");
    expect((await fetch(`${url}${LIST_NODES}?encoding=json&message=%7B%7D`)).status).toBe(200);
  });

  it("keeps the connection of a client whose enveloped message was too large", async () => {
    const { port } = await bench.open({ limits: { maxRequestMessageBytes: 10 } });
    const client = await bench.raw(port);
    const head = `POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc-web+proto\r\n`;
    const body = envelope(Buffer.alloc(100_000));

    client.socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`);
    client.socket.write(body);
    await soon(client.receive(/grpc-status: 8[^]*0\r\n\r\n/), "the refusal");
    client.socket.write(`${head}Content-Length: 5\r\n\r\n`);
    client.socket.write(envelope());

    await soon(client.receive(/grpc-status: 0/), "the second answer on the same connection");
  });
});

async function sendByteByByte(socket: Socket, bytes: Buffer): Promise<void> {
  socket.setNoDelay(true);
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));
    await new Promise(setImmediate);
  }
}

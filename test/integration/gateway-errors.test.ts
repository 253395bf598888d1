/** What callers and the log get to see of failures, over the wire. */
import { EventEmitter, once } from "node:events";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import { openPeerApi } from "../../src/peer-api/peer-api.js";
import { mapErrors } from "../../src/rpc/error-mapping.js";
import { envelope, GatewayBench, LIST_NODES, soon } from "../support/gateway.js";
import { type Answer, RawNode, sends } from "../support/raw-node.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const canary = "canary-7f3a";

/** Keeps everything that is logged, at any level. */
function aCollectingLogger(): { readonly logger: Logger; readonly lines: { level: string; text: string }[] } {
  const lines: { level: string; text: string }[] = [];
  const keep =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, text: inspect([fields, message], { depth: 20, showHidden: true }) });
  const logger = { debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") };
  return { logger, lines };
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await call.then(
      () => new Error("the call did not fail"),
      (error: unknown) => error,
    ),
  );
}

describe("the log", () => {
  const bodies: [string, string, Answer][] = [
    ["no JSON", "NODE_BAD_BODY", sends(`${canary} {`)],
    ["JSON that breaks off", "NODE_BAD_BODY", sends(`{"Hostname": "${canary}", ${canary}`)],
    ["another JSON", "NODE_BAD_BODY", sends(`["${canary}"]`)],
    ["an error status", "NODE_REFUSED_REQUEST", sends(canary, 500)],
    ["no HTTP", "NODE_BAD_BODY", (socket) => void socket.end(`${canary}\r\n\r\n`)],
    [
      "a head that is none",
      "NODE_BAD_BODY",
      (socket) => void socket.end(`HTTP/1.1 200\r\n${canary}\r\n\r\n`),
    ],
  ];

  it.each(bodies)("holds no text of a node that sends %s, and calls it no error of ours", async (...row) => {
    const [, reason, answer] = row;
    const node = await RawNode.open(answer);
    bench.defer(() => node.close());
    const api = openPeerApi();
    bench.defer(() => api.close());
    const { logger, lines } = aCollectingLogger();
    const { url } = await bench.open({
      logger,
      interceptors: [mapErrors(logger)],
      service: { getSpecs: async () => (await api.specs(node.address), {}) },
    });
    const error = await errorOf(createClient(ClientService, bench.grpc(url)).getSpecs({ node: "nodes/a" }));

    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason }]);
    expect(error.message).not.toContain(canary);
    const told = lines.filter(({ text }) => text.includes(reason));
    expect(told.map(({ level }) => level)).toEqual(["debug"]);
    expect(told[0]!.text).not.toMatch(/\n\s+at |stack|cause/);
    expect(lines.filter(({ text, level }) => text.includes(canary) || level === "error")).toEqual([]);
  });

  it("has a fault of ours as an error with its cause, which the caller does not see", async () => {
    const { logger, lines } = aCollectingLogger();
    const { url } = await bench.open({
      interceptors: [mapErrors(logger)],
      service: {
        listNodes: () => {
          throw new TypeError(canary);
        },
      },
    });
    const error = await errorOf(createClient(ClientService, bench.grpc(url)).listNodes({}));

    expect([error.rawMessage, error.code]).toEqual(["internal error", Code.Internal]);
    expect(lines.map(({ level }) => level)).toEqual(["error"]);
    expect(lines[0]!.text).toContain(canary);
  });
});

describe("a call on a busy connection while the gateway drains", () => {
  /** Drains with one call under way and sends another behind it. @returns the second response */
  async function refusalOf(contentType: string, body: Buffer): Promise<string> {
    const calls = new EventEmitter();
    const isBusy = once(calls, "1");
    const isLate = once(calls, "2");
    let callCount = 0;
    const tell: Interceptor = (next) => (request) => {
      calls.emit(String((callCount += 1)));
      return next(request);
    };
    const listNodes = async () => (await isLate, { nextPageToken: "served" });
    const interceptors = [mapErrors(silentLogger), tell];
    const gateway = await bench.open({ interceptors, service: { listNodes } });
    const client = await bench.raw(gateway.port);
    const send = (type: string, bytes: Buffer): void => {
      client.socket.write(
        `POST ${LIST_NODES} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      );
      client.socket.write(bytes);
    };
    send("application/json", Buffer.from("{}"));
    await soon(isBusy, "the first call");
    const closing = gateway.close(60_000);
    send(contentType, body);
    await soon(client.closed, "the end of the connection");
    await soon(closing, "the close");
    const [, first, second] = client.text.split("HTTP/1.1 ");
    expect(first).toContain('"nextPageToken":"served"');
    expect(second).toMatch(/^connection: close\r$/im);
    return second!;
  }

  it("is refused in Connect with reason and retry", async () => {
    const text = await refusalOf("application/json", Buffer.from("{}"));
    const json = JSON.parse(/\{.*\}/s.exec(text)![0]) as {
      code: string;
      details: { type: string; value: string }[];
    };
    expect(json.code).toBe("unavailable");
    expect(json.details.map(({ type }) => type)).toEqual(["google.rpc.ErrorInfo", "google.rpc.RetryInfo"]);
    expect(Buffer.from(json.details[0]!.value, "base64").toString("latin1")).toContain("DRAINING");
  });

  it.each(["application/grpc", "application/grpc-web+proto"])("is refused in %s likewise", async (type) => {
    const text = await refusalOf(type, envelope());
    expect(text).toMatch(/^200 OK/);
    expect(text).toMatch(/grpc-status: 14/);
    const [, details = ""] = /grpc-status-details-bin: ([\w+/]+)/.exec(text) ?? [];
    const status = Buffer.from(details, "base64").toString("latin1");
    for (const part of ["google.rpc.ErrorInfo", "DRAINING", "google.rpc.RetryInfo"])
      expect(status).toContain(part);
  });
});

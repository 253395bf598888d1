import { type IncomingMessage, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { once } from "node:events";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { GatewayBench, LIST_NODES } from "../support/gateway.js";

const bench = new GatewayBench();
afterEach(() => bench.release());

const APP = "https://app.example.org";
const JSON_POST = { "content-type": "application/json", "connect-protocol-version": "1" };

/** fetch forbids Origin and Host; a browser sets them itself. */
async function ask(url: string, method: string, headers: Record<string, string>) {
  const query = method === "GET" ? "?encoding=json&message=%7B%7D" : "";
  const request = httpRequest(`${url}${LIST_NODES}${query}`, { method, headers, agent: false });
  request.end(method === "POST" ? "{}" : undefined);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  response.resume();
  return { status: response.statusCode, headers: response.headers };
}

describe("a page of a configured origin", () => {
  it("may call, and may read the answer", async () => {
    const { url } = await bench.open({ corsOrigins: [APP] });

    const { status, headers } = await ask(url, "POST", { ...JSON_POST, origin: APP });

    expect(status).toBe(200);
    expect(headers["access-control-allow-origin"]).toBe(APP);
    expect(headers["access-control-expose-headers"]).toContain("Grpc-Status");
    expect(headers.vary).toContain("Origin");
  });

  it("gets its preflight answered, for gRPC-Web and for Connect", async () => {
    const { url } = await bench.open({ corsOrigins: [APP] });

    const { status, headers } = await ask(url, "OPTIONS", {
      origin: APP,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type,x-grpc-web,connect-protocol-version",
    });

    expect(status).toBe(204);
    expect(headers["access-control-allow-origin"]).toBe(APP);
    expect(headers["access-control-allow-methods"]).toBe("POST, GET");
    expect(headers["access-control-allow-headers"]).toMatch(/Connect-Protocol-Version.*X-Grpc-Web/);
    expect(headers["access-control-max-age"]).toBe("7200");
  });

  it("may call over HTTP/2", async () => {
    const { url } = await bench.open({ corsOrigins: [APP] });
    const session = connectHttp2(url);
    bench.defer(() => session.destroy());
    const stream = session.request({ ":method": "POST", ":path": LIST_NODES, ...JSON_POST, origin: APP });
    stream.end("{}").resume();
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];

    expect(headers).toMatchObject({ ":status": 200, "access-control-allow-origin": APP });
  });
});

describe("a page of another origin", () => {
  it.each([
    ["a call", "POST", {}],
    ["a GET", "GET", {}],
    ["a preflight", "OPTIONS", { "access-control-request-method": "POST" }],
  ])("is refused %s before a handler runs", async (_, method, more) => {
    const listNodes = jest.fn(() => ({}));
    const { url } = await bench.open({ corsOrigins: [APP], service: { listNodes } });

    const { status, headers } = await ask(url, method, {
      ...JSON_POST,
      ...more,
      origin: "https://evil.example",
    });

    expect(status).toBe(403);
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect(headers.vary).toContain("Origin");
    expect(listNodes).not.toHaveBeenCalled();
  });

  it("is refused a GET by an image tag, which names no origin", async () => {
    const { url } = await bench.open();

    expect((await ask(url, "GET", { "sec-fetch-site": "cross-site" })).status).toBe(403);
  });

  it.each(["GET", "POST"])(
    "is refused a %s after it has pointed its own name at the gateway",
    async (method) => {
      const { url, port } = await bench.open();
      const host = `evil.example:${port}`;
      const origin = method === "POST" ? { origin: `http://${host}` } : {};

      expect((await ask(url, method, { ...JSON_POST, ...origin, host })).status).toBe(403);
    },
  );
});

describe("without configured origins", () => {
  it("there are no CORS headers, and a page from the gateway's own address may call", async () => {
    const { url } = await bench.open();

    const { status, headers } = await ask(url, "POST", { ...JSON_POST, origin: url });

    expect(status).toBe(200);
    expect(Object.keys(headers).filter((name) => /^access-control|^vary/.test(name))).toEqual([]);
  });

  it("a program may use any name for the gateway", async () => {
    const { url } = await bench.open();

    expect((await ask(url, "POST", { ...JSON_POST, host: "gateway.internal" })).status).toBe(200);
  });
});

import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer, globalAgent as globalHttpsAgent } from "node:https";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { CallOptions, PeerAddress, PeerApi } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { routeLimits } from "../../src/peer-api/limits.js";
import { request } from "../../src/peer-api/node-request.js";
import { openPeerApi } from "../../src/peer-api/peer-api.js";
import { fetchPublicAddress } from "../../src/peer-api/public-address.js";
import { resolveName } from "../../src/peer-api/resolve-name.js";
import { NodeSockets } from "../../src/peer-api/sockets.js";
import { buildTableForm } from "../../src/peer-api/table-form.js";
import { soon } from "../support/gateway.js";
import { aRow } from "../support/peers.js";
import {
  type Answer,
  byPath,
  closedAddress,
  drips,
  floods,
  RawNode,
  sends,
  someInfo,
  writes,
} from "../support/raw-node.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function aNode(answer: Answer, host?: string): Promise<RawNode> {
  const node = await RawNode.open(answer, host);
  cleanups.push(() => node.close());
  return node;
}

function anApi(): PeerApi {
  const api = openPeerApi();
  cleanups.push(() => api.close());
  return api;
}

/** The failure of a call that must fail, and how long it took. */
async function failureOf(call: Promise<unknown>): Promise<PeerError & { afterMs: number }> {
  const startMs = performance.now();
  try {
    await call;
  } catch (error) {
    if (error instanceof PeerError) return Object.assign(error, { afterMs: performance.now() - startMs });
    throw error;
  }
  throw new Error("the call did not fail");
}

/** Its first part is longer than a name's may be: known without a server of names, which may be slow to answer. */
const noSuchName = `${"x".repeat(64)}.invalid`;
const form = buildTableForm([aRow()]);
const head = (lines = ""): string => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${lines}\r\n`;
const chunked = head("Transfer-Encoding: chunked\r\n");
const spaces = Buffer.alloc(64 * 1024, 0x20);
const chunkOfSpaces = Buffer.concat([Buffer.from("10000\r\n"), spaces, Buffer.from("\r\n")]);

interface Route {
  readonly name: string;
  readonly path: string;
  readonly limit: { readonly timeoutMs: number; readonly maxBodyBytes: number };
  /** A whole body that the route takes. */
  readonly body: string;
  readonly call: (api: PeerApi, address: PeerAddress, options?: CallOptions) => Promise<unknown>;
}

const routes: Route[] = [
  {
    name: "probe",
    path: "/server_info",
    limit: routeLimits.probe,
    body: someInfo,
    call: (api, address, options) => api.probe(address, options),
  },
  {
    name: "specs",
    path: "/server_info",
    limit: routeLimits.specs,
    body: someInfo,
    call: (api, address, options) => api.specs(address, options),
  },
  {
    name: "ipTable",
    path: "/IpTable",
    limit: routeLimits.ipTable,
    body: '{"ip_address":null}',
    call: (api, address, options) => api.exchangeTable(address, form, options),
  },
  {
    name: "images",
    path: "/ShowImages",
    limit: routeLimits.images,
    body: '{"DockerContainer":null}',
    call: (api, address, options) => api.images(address, options),
  },
  {
    name: "publicAddress",
    path: "/json/",
    limit: routeLimits.publicAddress,
    body: '{"query":"45.0.0.1"}',
    // Its time limit is fixed: what a shorter one does is asked of the request below it.
    call: async (_, { host, port }, options = {}) => {
      const url = `http://${host}:${port}/json/`;
      if (options.timeoutMs === undefined) return await fetchPublicAddress(url, options);
      const sockets = new NodeSockets();
      try {
        return await request(url, sockets, routeLimits.publicAddress, options);
      } finally {
        sockets.close();
      }
    },
  },
];

describe.each(routes)("the route $name", ({ path, limit, body, call, name }) => {
  it("answers on its path", async () => {
    const node = await aNode(byPath({ [path]: sends(body) }));
    await call(anApi(), node.address);
    expect(new Set(node.paths)).toEqual(new Set([path]));
  });

  it.each([
    ["a length told", floods(head("Content-Length: 99999999999\r\n"), spaces)],
    ["chunks", floods(chunked, chunkOfSpaces)],
    ["the end of the connection for its end", floods(head("Connection: close\r\n"), spaces)],
  ])("cuts an endless body with %s at its limit", async (_, answer) => {
    const node = await aNode(answer);
    const error = await failureOf(call(anApi(), node.address));
    expect(error).toMatchObject({ failure: "TOO_LARGE", httpStatus: 200 });
    await node.whenLeft();
    expect(node.requests).toHaveLength(1);
  });

  it("takes a body of exactly its limit, and not a byte more", async () => {
    const padded = body + " ".repeat(limit.maxBodyBytes - body.length);
    const fits = await aNode(sends(padded));
    await call(anApi(), fits.address);
    const tooLong = await aNode(sends(`${padded} `));
    expect((await failureOf(call(anApi(), tooLong.address))).failure).toBe("TOO_LARGE");
  });

  it.each([
    ["never answers", () => undefined],
    ["sends its head line by line for ever", drips("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", 10)],
    ["drips its body", drips(head("Content-Length: 4000\r\n"), " ", 10)],
    ["drips chunks", drips(chunked, "1\r\n \r\n", 10)],
    ["says 100 Continue for ever", drips("", "HTTP/1.1 100 Continue\r\n\r\n", 10)],
    ["sends half of its body", writes(head("Content-Length: 4000\r\n") + body)],
  ] as [string, Answer][])("ends at its time limit when a node %s", async (_, answer) => {
    const node = await aNode(answer);
    const error = await failureOf(call(anApi(), node.address, { timeoutMs: 200 }));
    expect(error.failure).toBe("TIMEOUT");
    expect(error.afterMs).toBeGreaterThan(150);
    expect(error.afterMs).toBeLessThan(limit.timeoutMs);
    await node.whenLeft();
  });

  it("refuses huge headers", async () => {
    const node = await aNode(sends(body, 200, { "X-Huge": "x".repeat(20_000) }));
    expect((await failureOf(call(anApi(), node.address))).failure).toBe("TOO_LARGE");
    await node.whenLeft();
  });

  it.each(["gzip", "br", "deflate", "x-anything"])(
    "refuses a body in %s without reading it",
    async (encoding) => {
      const bomb = gzipSync(Buffer.alloc(1024 * 1024));
      const node = await aNode(sends(bomb, 200, { "Content-Encoding": encoding }));
      expect((await failureOf(call(anApi(), node.address))).failure).toBe("BAD_BODY");
      expect(node.requests[0]!.head.toLowerCase()).toContain("accept-encoding: identity");
    },
  );

  it.each([301, 302, 303, 307, 308])("does not follow a %d", async (status) => {
    const canary = await aNode(sends(body));
    const Location = `http://127.0.0.1:${canary.port}${path}`;
    const node = await aNode(sends("", status, { Location }));
    expect(await failureOf(call(anApi(), node.address))).toMatchObject({
      failure: "HTTP_STATUS",
      httpStatus: status,
    });
    expect([canary.connectionCount, node.requests.length]).toEqual([0, 1]);
  });

  it.each([500, 503, 429, 408, 502])("asks once when the answer is %d", async (status) => {
    const node = await aNode(sends("error: xnull", status, { "Retry-After": "0" }));
    expect(await failureOf(call(anApi(), node.address))).toMatchObject({
      failure: "HTTP_STATUS",
      httpStatus: status,
    });
    expect(node.requests).toHaveLength(1);
  });

  it("sends no cookie that it was given", async () => {
    const node = await aNode(sends(body, 200, { "Set-Cookie": "a=b; Path=/" }));
    const api = anApi();
    await call(api, node.address);
    await call(api, node.address);
    expect(node.requests.length).toBeGreaterThan(1);
    expect(node.requests.filter((seen) => /cookie/i.test(seen.head))).toEqual([]);
  });

  it.each([
    ["resets", (socket) => void socket.resetAndDestroy(), "CONNECTION_RESET"],
    ["hangs up", (socket) => void socket.end(), "CONNECTION_RESET"],
    [
      "resets within its head",
      (socket) => void socket.write("HTTP/1.1 200", () => socket.resetAndDestroy()),
      "CONNECTION_RESET",
    ],
    [
      "hangs up within its body",
      (socket) => void socket.end(head("Content-Length: 4000\r\n") + body),
      "CONNECTION_RESET",
    ],
    ["hangs up within a chunk", (socket) => void socket.end(`${chunked}ff\r\n${body}`), "CONNECTION_RESET"],
    ["hangs up between chunks", (socket) => void socket.end(`${chunked}1\r\n \r\n`), "CONNECTION_RESET"],
    ["says what is no HTTP", (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"), "BAD_BODY"],
    [
      "gives a length that is none",
      (socket) => void socket.end(head("Content-Length: x\r\n") + body),
      "BAD_BODY",
    ],
    [
      "gives a length and chunks",
      (socket) => void socket.end(head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
      "BAD_BODY",
    ],
    ["gives a chunk size that is none", (socket) => void socket.end(`${chunked}zz\r\n`), "BAD_BODY"],
    [
      "switches protocols",
      writes("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
      "CONNECTION_RESET",
    ],
  ] as [string, Answer, string][])("fails at once when a node %s", async (_, answer, failure) => {
    const node = await aNode(answer);
    const error = await failureOf(call(anApi(), node.address));
    expect(error.failure).toBe(failure);
    expect(error.afterMs).toBeLessThan(limit.timeoutMs);
    expect(node.requests).toHaveLength(1);
  });

  it("fails without having sent anything when nobody listens", async () => {
    expect(await failureOf(call(anApi(), closedAddress))).toMatchObject({
      failure: "CONNECTION_REFUSED",
      wasSent: false,
    });
  });

  it("is ended by its caller's signal, and its sockets are gone", async () => {
    const caller = new AbortController();
    const node = await aNode(() => caller.abort(new Error("whatever reason")));
    expect((await failureOf(call(anApi(), node.address, { signal: caller.signal }))).failure).toBe(
      "CANCELED",
    );
    await node.whenLeft();
    expect(node.openCount).toBe(0);
  });

  it("is ended by its caller's signal within its body", async () => {
    const caller = new AbortController();
    const node = await aNode((socket) => {
      socket.write(head("Content-Length: 4000\r\n") + body);
      setTimeout(() => caller.abort(), 50);
    });
    expect((await failureOf(call(anApi(), node.address, { signal: caller.signal }))).failure).toBe(
      "CANCELED",
    );
    await node.whenLeft();
  });

  it("does not begin when its caller has left already", async () => {
    const node = await aNode(sends(body));
    const signal = AbortSignal.abort(new Error("whatever reason"));
    expect(await failureOf(call(anApi(), node.address, { signal }))).toMatchObject({
      failure: "CANCELED",
      wasSent: false,
    });
    expect(node.connectionCount).toBe(0);
  });

  if (name === "publicAddress") return;

  it("tells of everything that arrives", async () => {
    const node = await aNode((socket) => {
      socket.write(head(`Content-Length: ${body.length}\r\n`));
      setTimeout(() => socket.write(body), 20);
    });
    let signs = 0;
    await call(anApi(), node.address, { onActivity: () => void (signs += 1) });
    expect(signs).toBeGreaterThanOrEqual(2);
  });

  it("is not silent while a node drips", async () => {
    const node = await aNode(drips(head("Content-Length: 4000\r\n"), " ", 10));
    const leaving = new AbortController();
    let signs = 0;
    const onActivity = (): void => {
      signs += 1;
      if (signs === 6) leaving.abort();
    };
    const error = await failureOf(call(anApi(), node.address, { signal: leaving.signal, onActivity }));
    expect(error.failure).toBe("CANCELED");
  });

  it("sends nothing to an address that is forbidden", async () => {
    const node = await aNode(sends(body));
    const error = await failureOf(call(anApi(), node.address, { isAllowed: () => false }));
    expect(error).toMatchObject({ failure: "ADDRESS_BLOCKED", wasSent: false });
    expect(node.connectionCount).toBe(0);
  });

  it("sends not a byte to a name that leads to a forbidden address", async () => {
    const { address: host } = await lookup("localhost");
    const node = await aNode(sends(body), host);
    const judged: string[] = [];
    const isAllowed = (remote: string): boolean => {
      judged.push(remote);
      return false;
    };
    const error = await failureOf(call(anApi(), { host: "localhost", port: node.port }, { isAllowed }));
    expect(error).toMatchObject({ failure: "ADDRESS_BLOCKED", wasSent: false });
    await node.whenLeft();
    expect(node.receivedBytes).toBe(0);
    expect(judged).toEqual([host]);
  });

  it("reaches a name that leads to an allowed address", async () => {
    const { address: host } = await lookup("localhost");
    const node = await aNode(sends(body), host);
    await call(anApi(), { host: "localhost", port: node.port }, { isAllowed: (remote) => remote === host });
    expect(node.requests.length).toBeGreaterThan(0);
  });

  it("names a failed resolution", async () => {
    const error = await failureOf(call(anApi(), { host: noSuchName, port: 1 }));
    expect(error).toMatchObject({ failure: "DNS", wasSent: false });
  });

  it("fails by its own kind of error for a name that no URL takes", async () => {
    expect((await failureOf(call(anApi(), { host: "xn--a", port: 1 }))).wasSent).toBe(false);
  });

  it("reaches an IPv6 address", async () => {
    const node = await aNode(sends(body), "::1");
    await call(anApi(), { host: "::1", port: node.port }, { isAllowed: (remote) => remote === "::1" });
    expect(node.requests[0]!.head).toMatch(new RegExp(`^host: \\[::1\\]:${node.port}$`, "im"));
  });

  it("is canceled by close while it waits for an answer", async () => {
    const api = anApi();
    const node = await aNode(() => api.close());
    expect((await failureOf(call(api, node.address))).failure).toBe("CANCELED");
    await node.whenLeft();
    expect(node.connectionCount).toBe(1);
  });

  it("is canceled by close while it waits for one of the two sockets, and opens none", async () => {
    const api = anApi();
    const node = await aNode((_, { connection }) => {
      if (connection === 2) setImmediate(() => api.close());
    });
    const calls = Array.from({ length: 6 }, () => failureOf(call(api, node.address)));
    for (const error of await Promise.all(calls)) expect(error.failure).toBe("CANCELED");
    await node.whenLeft();
    expect(node.connectionCount).toBe(2);
  });

  it("fails after close without a connection", async () => {
    const node = await aNode(sends(body));
    const api = anApi();
    api.close();
    expect((await failureOf(call(api, node.address))).failure).toBe("CANCELED");
    expect(node.connectionCount).toBe(0);
  });
});

describe("the sockets to one node", () => {
  const asNode = byPath({ "/server_info": sends(someInfo), "/IpTable": sends('{"ip_address":null}') });

  it("are one for a probe and the exchange after it", async () => {
    const node = await aNode(asNode);
    const api = anApi();
    await api.probe(node.address);
    await api.exchangeTable(node.address, form);
    expect(node.paths).toEqual(["/server_info", "/server_info", "/server_info", "/IpTable"]);
    expect(node.connectionCount).toBe(1);
  });

  it("are never more than two, however many calls are made at once", async () => {
    const node = await aNode((socket, seen) => void setTimeout(() => asNode(socket, seen), 5));
    const api = anApi();
    const calls = Array.from({ length: 10 }, (_, n) =>
      n % 2 === 0 ? api.probe(node.address) : api.exchangeTable(node.address, form),
    );
    await Promise.all(calls);
    expect(node.highestOpenCount).toBe(2);
    expect(node.connectionCount).toBe(2);
  });

  it.each(["probe", "specs"] as const)(
    "leave a %s that waits for one of them its own time limit",
    async (method) => {
      let takeBoth: () => void;
      const bothTaken = new Promise<void>((resolve) => (takeBoth = resolve));
      const node = await aNode(() => node.requests.length === 2 && takeBoth());
      const api = anApi();
      const held = { timeoutMs: 60_000 };
      const holding = [api.specs(node.address, held), api.specs(node.address, held)].map(failureOf);
      await bothTaken;
      const error = await failureOf(api[method](node.address, { timeoutMs: 100 }));
      expect(error.failure).toBe("TIMEOUT");
      expect(error.afterMs).toBeLessThan(30_000);
      api.close();
      await Promise.all(holding);
      expect(node.requests).toHaveLength(2);
    },
  );

  it("are gone after release", async () => {
    const node = await aNode(asNode);
    const other = await aNode(asNode);
    const api = anApi();
    await api.probe(node.address);
    await api.probe(other.address);
    api.release(node.address);
    await node.whenLeft();
    expect(other.openCount).toBe(1);
    await api.probe(node.address);
    expect(node.connectionCount).toBe(2);
  });

  it("fail as canceled when they are released amid a call", async () => {
    const api = anApi();
    const node = await aNode(() => api.release(node.address));
    expect((await failureOf(api.specs(node.address))).failure).toBe("CANCELED");
  });

  it("are closed without an error when they are idle", async () => {
    const node = await aNode(asNode);
    const sockets = new NodeSockets();
    cleanups.push(() => sockets.close());
    const limit = routeLimits.specs;
    await request(`http://127.0.0.1:${node.port}/server_info`, sockets, limit, {});
    const [kept] = Object.values(sockets.agent.freeSockets).flatMap((list) => list ?? []);
    sockets.release(node.address);
    expect([kept!.destroyed, kept!.errored]).toEqual([true, null]);
  });

  it("are judged once, before there is one, when the address is an IP", async () => {
    const node = await aNode(asNode);
    const judged: string[] = [];
    await anApi().probe(node.address, { isAllowed: (remote) => judged.push(remote) > 0 });
    expect(judged).toEqual(["127.0.0.1"]);
  });

  it("are gone after close", async () => {
    const node = await aNode(asNode);
    const api = anApi();
    await api.probe(node.address);
    api.close();
    await node.whenLeft();
  });

  it("are judged anew when they are opened anew", async () => {
    const { address: host } = await lookup("localhost");
    const node = await aNode(asNode, host);
    const api = anApi();
    const address = { host: "localhost", port: node.port };
    await api.probe(address, { isAllowed: () => true });
    api.release(address);
    expect((await failureOf(api.probe(address, { isAllowed: () => false }))).failure).toBe("ADDRESS_BLOCKED");
  });

  it("are opened anew for a probe when the node has closed the kept one", async () => {
    let asked = 0;
    const node = await aNode((socket, seen) => {
      asked += 1;
      if (asked === 2) socket.resetAndDestroy();
      else asNode(socket, seen);
    });
    expect(await anApi().probe(node.address)).toMatchObject({ sampleCount: 3 });
    expect([node.connectionCount, asked]).toEqual([2, 4]);
  });

  it("are opened anew only once: a node that closes again has failed", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length === 1) asNode(socket, seen);
      else socket.resetAndDestroy();
    });
    expect((await failureOf(anApi().probe(node.address))).failure).toBe("CONNECTION_RESET");
    expect(node.requests).toHaveLength(3);
  });

  it("are not opened anew when an answer had begun", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length === 1) asNode(socket, seen);
      else socket.write(head("Content-Length: 50\r\n"), () => socket.resetAndDestroy());
    });
    expect((await failureOf(anApi().probe(node.address))).failure).toBe("CONNECTION_RESET");
    expect(node.requests).toHaveLength(2);
  });

  it.each([
    ["resets", (socket: Socket) => void socket.resetAndDestroy()],
    ["hangs up", (socket: Socket) => void socket.end()],
  ])("are new for an exchange with a node that %s each kept one at its next request", async (_, leave) => {
    const used = new WeakSet<Socket>();
    const node = await aNode((socket, seen) => {
      if (used.has(socket)) leave(socket);
      else asNode(socket, seen);
      used.add(socket);
    });
    const api = anApi();
    await api.probe(node.address);
    expect(await api.exchangeTable(node.address, form)).toMatchObject({ entryCount: 0 });
    expect(node.paths.filter((path) => path === "/IpTable")).toHaveLength(1);
  });

  it("are not opened anew for an exchange: it is made once", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length <= 3) asNode(socket, seen);
      else socket.resetAndDestroy();
    });
    const api = anApi();
    await api.probe(node.address);
    expect((await failureOf(api.exchangeTable(node.address, form))).failure).toBe("CONNECTION_RESET");
    expect(node.requests).toHaveLength(4);
  });

  it.each(["images", "specs"] as const)("are not opened anew for %s", async (method) => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length <= 3) asNode(socket, seen);
      else socket.resetAndDestroy();
    });
    const api = anApi();
    await api.probe(node.address);
    expect((await failureOf(api[method](node.address))).failure).toBe("CONNECTION_RESET");
    expect(node.requests).toHaveLength(4);
  });

  it("survive bytes after the end of an answer, or are dropped; nothing is taken for the next answer", async () => {
    const lie = JSON.stringify({ Hostname: "liar", Platform: "x" });
    const node = await aNode((socket) => {
      sends(someInfo)(socket, node.requests.at(-1)!);
      socket.write(`${head(`Content-Length: ${lie.length}\r\n`)}${lie}`);
    });
    const outcome = await anApi()
      .probe(node.address)
      .catch((error: unknown) => error);
    if (outcome instanceof PeerError) expect(["CONNECTION_RESET", "BAD_BODY"]).toContain(outcome.failure);
    else expect(outcome).toMatchObject({ specs: { hostname: "a" } });
  });
});

describe("a probe", () => {
  it("makes three round trips, one after the other, and takes the best", async () => {
    const delaysMs = [600, 20, 300];
    const node = await aNode((socket, seen) => {
      setTimeout(() => sends(someInfo)(socket, seen), delaysMs[node.requests.length - 1]);
    });
    const { latencyNs, jitterNs, sampleCount } = await anApi().probe(node.address);
    expect(sampleCount).toBe(3);
    expect(latencyNs).toBeGreaterThanOrEqual(9.5e6);
    // Half of what each of the others takes is more.
    expect(latencyNs).toBeLessThan(150e6);
    expect(jitterNs).toBeGreaterThan(150e6);
  });

  it("counts what was measured when its time is over, and says how much", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length <= 2) sends(someInfo)(socket, seen);
    });
    expect(await anApi().probe(node.address, { timeoutMs: 1_000 })).toMatchObject({
      sampleCount: 2,
      specs: { hostname: "a" },
    });
    await node.whenLeft();
  });

  it("of one round trip has no jitter", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length <= 1) sends(someInfo)(socket, seen);
    });
    const measured = await anApi().probe(node.address, { timeoutMs: 1_000 });
    expect(measured.sampleCount).toBe(1);
    expect(measured).not.toHaveProperty("jitterNs");
  });

  it("counts nothing when its caller leaves", async () => {
    const caller = new AbortController();
    const node = await aNode((socket, seen) => {
      if (node.requests.length <= 2) sends(someInfo)(socket, seen);
      else caller.abort();
    });
    expect((await failureOf(anApi().probe(node.address, { signal: caller.signal }))).failure).toBe(
      "CANCELED",
    );
  });

  it("asks /server_specs where there is no /server_info, as specs do", async () => {
    const node = await aNode(byPath({ "/server_specs": sends(someInfo) }));
    expect(await anApi().probe(node.address)).toMatchObject({ sampleCount: 3 });
    expect(node.paths).toEqual(["/server_info", "/server_specs", "/server_specs", "/server_specs"]);
    expect(await anApi().specs(node.address)).toMatchObject({ hostname: "a" });
    expect(node.paths.slice(4)).toEqual(["/server_info", "/server_specs"]);
  });

  it.each(["probe", "specs"] as const)(
    "or specs (%s) ends with status 404 where there is neither",
    async (method) => {
      const node = await aNode(byPath({}));
      expect(await failureOf(anApi()[method](node.address))).toMatchObject({
        failure: "HTTP_STATUS",
        httpStatus: 404,
      });
      expect(node.paths).toEqual(["/server_info", "/server_specs"]);
    },
  );

  it("does not ask /server_specs for any other status", async () => {
    const node = await aNode(byPath({ "/server_info": sends("", 500), "/server_specs": sends(someInfo) }));
    expect((await failureOf(anApi().probe(node.address))).httpStatus).toBe(500);
    expect(node.paths).toEqual(["/server_info"]);
  });

  it("refuses who answers with something else", async () => {
    const node = await aNode(sends("<html>"));
    expect((await failureOf(anApi().probe(node.address))).failure).toBe("BAD_BODY");
  });
});

describe("an exchange", () => {
  it("sends the form with its length, in one request", async () => {
    const node = await aNode(byPath({ "/IpTable": sends('{"ip_address":[{"IPV4":"45.0.0.1"}]}') }));
    const reply = await anApi().exchangeTable(node.address, form);
    expect(reply.rows).toHaveLength(1);
    const [seen] = node.requests;
    expect(seen!.method).toBe("POST");
    expect(seen!.body.equals(form.body)).toBe(true);
    expect(seen!.head).toContain(form.contentType);
    expect(seen!.head).toMatch(new RegExp(`^content-length: ${form.body.length}$`, "im"));
    expect(seen!.head).not.toMatch(/^(transfer-encoding|expect):/im);
  });

  it("does not take an error text with status 200 for a table", async () => {
    const node = await aNode(
      sends("http: no such file", 200, { "Content-Type": "text/plain; charset=utf-8" }),
    );
    expect((await failureOf(anApi().exchangeTable(node.address, form))).failure).toBe("BAD_BODY");
  });

  it("keeps what a node says out of the message of its failure", async () => {
    const node = await aNode(sends("secret words", 500));
    expect((await failureOf(anApi().exchangeTable(node.address, form))).message).not.toContain("secret");
  });
});

describe("the own public address", () => {
  const answered = async (answer: Answer): Promise<string> => {
    const node = await aNode(answer);
    return await fetchPublicAddress(`http://127.0.0.1:${node.port}/json/`);
  };

  it.each([
    ['{"query":"45.0.0.1"}', "45.0.0.1"],
    ['{"status":"success","QUERY":"2A00::0:1"}', "2a00::1"],
    ['{"query":"::ffff:45.0.0.1"}', "45.0.0.1"],
  ])("is read from %s", async (body, address) => {
    expect(await answered(sends(body))).toBe(address);
  });

  it.each([
    "{}",
    "[]",
    "null",
    '{"query":"example.org"}',
    '{"query":7}',
    '{"query":"1"}',
    "45.0.0.1",
    "<html>",
    "",
  ])("is not read from %j", async (body) => {
    expect((await failureOf(answered(sends(body)))).failure).toBe("BAD_BODY");
  });

  it("gives up after three seconds, on any node's route after its own limit", async () => {
    const node = await aNode(() => undefined);
    const error = await failureOf(fetchPublicAddress(`http://127.0.0.1:${node.port}/`));
    expect(error.failure).toBe("TIMEOUT");
    expect(error.afterMs).toBeGreaterThan(2_900);
    // On the routes of nodes it would be ten at least.
    expect(error.afterMs).toBeLessThan(9_000);
    await node.whenLeft();
  });

  it("closes its socket", async () => {
    const node = await aNode(sends('{"query":"45.0.0.1"}'));
    await fetchPublicAddress(`http://127.0.0.1:${node.port}/`);
    await node.whenLeft();
  });
});

describe("the own public address over https", () => {
  /** Of nobody: made for this test, names 127.0.0.1 only. */
  const certificate = `-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUdUTzbVKmx/ad4B5N0e2xPaLz3YEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjIwMjU0MloYDzIxMjYxMDI5
MjAyNTQyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARU958+YiY9Mqnti1BH++FJRMSZaFoXCLqU/apksha150uwYr5JRnWq
NHGb1euGpcFJFRrRxWkqwXxyfrz5bUbTo2QwYjAdBgNVHQ4EFgQUIHs/+L5dGI4G
M0xjOgTBjmgmVM8wHwYDVR0jBBgwFoAUIHs/+L5dGI4GM0xjOgTBjmgmVM8wDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IQCAxPT3xRRRtKMK/Sky5eafh0ElyW5WgWXEBATSMbKCkQIgVMybGmrUOglr+kAq
s03CiQ+krzsVHNDyWkN51n8jmro=
-----END CERTIFICATE-----`;
  const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8DAfdI/VBVfEk/Tr
J47M7gX80u6HAwKTAbIcx75570ShRANCAARU958+YiY9Mqnti1BH++FJRMSZaFoX
CLqU/apksha150uwYr5JRnWqNHGb1euGpcFJFRrRxWkqwXxyfrz5bUbT
-----END PRIVATE KEY-----`;

  async function aTlsService(): Promise<{ url: string; left: Promise<unknown> }> {
    const server = createHttpsServer({ cert: certificate, key, keepAliveTimeout: 60_000 }, (_, response) => {
      response.end('{"query":"45.0.0.1"}');
    });
    const left = new Promise((resolve) => {
      server.once("connection", (socket: Socket) => socket.once("close", resolve));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    cleanups.push(() => server.closeAllConnections());
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/json/`, left };
  }

  it("is read, and no socket outlives the call", async () => {
    const { url, left } = await aTlsService();
    expect(await fetchPublicAddress(url, { certificateAuthorities: certificate })).toBe("45.0.0.1");
    expect(Object.keys(globalHttpsAgent.freeSockets)).toEqual([]);
    await soon(left, "the end of the connection");
  });

  it("is not read from who cannot prove its name", async () => {
    const { url } = await aTlsService();
    expect((await failureOf(fetchPublicAddress(url))).failure).toBe("CONNECTION_RESET");
  });
});

describe("a name", () => {
  it("is resolved to an address, spelled the one way", async () => {
    expect(["127.0.0.1", "::1"]).toContain(await resolveName("localhost"));
  });

  it("that does not exist is a failure of DNS", async () => {
    expect((await failureOf(resolveName(noSuchName))).failure).toBe("DNS");
  });
});

describe("a real HTTP server", () => {
  it("is asked over kept connections, also when it closes them by itself", async () => {
    const server = createHttpServer({ keepAliveTimeout: 1 }, (_, response) => {
      response.setHeader("Content-Type", "application/json");
      response.end(someInfo);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => server.close());
    cleanups.push(() => server.closeAllConnections());
    const address = { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const api = anApi();
    for (let round = 0; round < 20; round += 1) {
      expect(await api.probe(address)).toMatchObject({ sampleCount: 3 });
      await new Promise((resolve) => setTimeout(resolve, round));
    }
  });
});

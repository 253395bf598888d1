/** Starting and removing containers and mapping ports over raw sockets: the calls to nodes that have effects. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { CallOptions, ContainerOrder, PeerAddress, PeerApi } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { routeLimits } from "../../src/peer-api/limits.js";
import { openPeerApi } from "../../src/peer-api/peer-api.js";
import { buildTableForm } from "../../src/peer-api/table-form.js";
import { aRow } from "../support/peers.js";
import {
  type Answer,
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

async function aNode(answer: Answer): Promise<RawNode> {
  const node = await RawNode.open(answer);
  cleanups.push(() => node.close());
  return node;
}

function anApi(): PeerApi {
  const api = openPeerApi();
  cleanups.push(() => api.close());
  return api;
}

async function failureOf(call: Promise<unknown>): Promise<PeerError> {
  const error = await call.catch((thrown: unknown) => thrown);
  if (error instanceof PeerError) return error;
  throw new Error("the call did not fail by its own kind of error");
}

const description = readFileSync(
  new URL("../fixtures/samples/docker-vm.2023-12.json", import.meta.url),
  "utf8",
);
const order: ContainerOrder = {
  portCount: 2,
  gpu: false,
  image: "docker ubuntu+sshd",
  baseImage: "ubuntu:20.04",
  sshPublicKey: "ssh-ed25519 >>>???~ somebody\nssh-rsa AAAA us\n",
};
const id = "eqLNDEiVeXBBXHRpcpCBtU";
/** A short limit, and longer than a busy machine takes to send a request. */
const shortMs = 500;
const head = (lines = ""): string => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${lines}\r\n`;

interface Route {
  readonly name: string;
  readonly requestLine: string;
  readonly limit: { readonly timeoutMs: number; readonly maxBodyBytes: number };
  readonly body: string;
  readonly kind: string;
  readonly call: (api: PeerApi, address: PeerAddress, options?: CallOptions) => Promise<{ kind: string }>;
}

const routes: Route[] = [
  {
    name: "startContainer",
    requestLine:
      "GET /startcontainer?ports=2&GPU=false&ContainerName=docker%20ubuntu%2Bsshd&BaseImage=ubuntu%3A20.04" +
      "&PublicKey=c3NoLWVkMjU1MTkgPj4%2BPz8%2FfiBzb21lYm9keQpzc2gtcnNhIEFBQUEgdXMK HTTP/1.1",
    limit: routeLimits.startContainer,
    body: description,
    kind: "created",
    call: (api, address, options) => api.startContainer(address, order, options),
  },
  {
    name: "removeContainer",
    requestLine: `GET /RemoveContainer?id=${id} HTTP/1.1`,
    limit: routeLimits.removeContainer,
    body: "success",
    kind: "removed",
    call: (api, address, options) => api.removeContainer(address, id, options),
  },
  {
    name: "mapPort",
    requestLine: "GET /MAPPort?port=22&domain_name=render.example.org&udp=false HTTP/1.1",
    limit: routeLimits.mapPort,
    body: "198.51.100.9:40733",
    kind: "mapped",
    call: (api, address, options) =>
      api.mapPort(address, { port: 22, domainName: "render.example.org", isUdp: false }, options),
  },
];

describe.each(routes)("$name", ({ requestLine, limit, body, kind, call }) => {
  it("is one request, as nodes read it, on a connection of its own", async () => {
    const node = await aNode(sends(body));
    expect(await call(anApi(), node.address)).toMatchObject({ kind });
    expect(node.requests).toHaveLength(1);
    const [firstLine] = node.requests[0]!.head.split("\r\n");
    expect(firstLine).toBe(requestLine);
    expect(node.requests[0]!.head).toMatch(/^connection: close$/im);
    await node.whenLeft();
  });

  it("takes no kept connection: the node may have closed it just now", async () => {
    const node = await aNode((socket, seen) => {
      if (seen.path === "/server_info") sends(someInfo)(socket, seen);
      else if (seen.connection === 1) socket.resetAndDestroy();
      else sends(body)(socket, seen);
    });
    const api = anApi();
    await api.probe(node.address);
    for (const connection of [2, 3]) {
      await call(api, node.address);
      expect(node.requests.at(-1)!.connection).toBe(connection);
    }
  });

  it("waits for no other call", async () => {
    let takeBoth: () => void;
    const bothTaken = new Promise<void>((resolve) => (takeBoth = resolve));
    const node = await aNode((socket, seen) => {
      if (seen.path !== "/server_info") sends(body)(socket, seen);
      else if (node.requests.length === 2) takeBoth();
    });
    const api = anApi();
    const held = { timeoutMs: 60_000 };
    const holding = [api.specs(node.address, held), api.specs(node.address, held)].map(failureOf);
    await bothTaken;
    const calls = Array.from({ length: 5 }, () => call(api, node.address, { timeoutMs: 20_000 }));
    const answers = await Promise.all(calls);
    expect(answers.map((answer) => answer.kind)).toEqual(Array.from({ length: 5 }, () => kind));
    api.close();
    await Promise.all(holding);
  });

  it("takes an answer that comes late and in crumbs", async () => {
    const whole = `${head(`Content-Length: ${body.length}\r\n`)}${body}`;
    const node = await aNode((socket) => {
      let at = 0;
      const timer = setInterval(() => {
        socket.write(whole.slice(at, at + 97));
        at += 97;
        if (at >= whole.length) clearInterval(timer);
      }, 10);
    });
    expect(await call(anApi(), node.address)).toMatchObject({ kind });
  });

  it("fails as possibly done when the answer is cut after any byte", async () => {
    const whole = Buffer.from(`${head(`Content-Length: ${body.length}\r\n`)}${body}`);
    let cut = 0;
    let resets = false;
    const node = await aNode((socket) => {
      const leave = (): unknown => (resets ? socket.resetAndDestroy() : socket.end());
      if (cut === 0) leave();
      else socket.write(whole.subarray(0, cut), leave);
    });
    const api = anApi();
    let calls = 0;
    const cuts = fc.constantFrom(...Array.from({ length: whole.length }, (_, n) => n));
    await fc.assert(
      fc.asyncProperty(cuts, fc.boolean(), async (at, byReset) => {
        [cut, resets, calls] = [at, byReset, calls + 1];
        const error = await failureOf(call(api, node.address));
        expect(error).toMatchObject({ failure: "CONNECTION_RESET", wasSent: true });
        expect(node.requests).toHaveLength(calls);
      }),
      {
        numRuns: 150,
        endOnFailure: true,
        examples: [
          [0, true],
          [whole.length - 1, false],
        ],
      },
    );
  });

  it.each([
    ["never answers", () => undefined],
    ["sends its head line by line for ever", drips("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", 10)],
    ["drips its body", drips(head("Content-Length: 4000\r\n"), " ", 10)],
    ["drips chunks", drips(head("Transfer-Encoding: chunked\r\n"), "1\r\n \r\n", 10)],
    ["says 100 Continue for ever", drips("", "HTTP/1.1 100 Continue\r\n\r\n", 10)],
  ] as [string, Answer][])("ends at its time limit when a node %s", async (_, answer) => {
    const node = await aNode(answer);
    const error = await failureOf(call(anApi(), node.address, { timeoutMs: shortMs }));
    expect(error).toMatchObject({ failure: "TIMEOUT", wasSent: true });
    await node.whenLeft();
    expect(node.requests).toHaveLength(1);
  });

  const spaces = Buffer.alloc(64 * 1024, 0x20);
  it.each([
    [
      "an endless body with a length told",
      floods(head("Content-Length: 99999999999\r\n"), spaces),
      "TOO_LARGE",
    ],
    ["an endless body", floods(head("Connection: close\r\n"), spaces), "TOO_LARGE"],
    ["one byte too many", sends(body + " ".repeat(limit.maxBodyBytes + 1 - body.length)), "TOO_LARGE"],
    ["huge headers", sends(body, 200, { "X-Huge": "x".repeat(20_000) }), "TOO_LARGE"],
    ["a compressed body", sends(gzipSync(body), 200, { "Content-Encoding": "gzip" }), "BAD_BODY"],
    ["what is no HTTP", (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"), "BAD_BODY"],
    [
      "another protocol",
      writes("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
      "CONNECTION_RESET",
    ],
  ] as [string, Answer, string][])(
    "fails as possibly done when a node sends %s",
    async (_, answer, failure) => {
      const node = await aNode(answer);
      expect(await failureOf(call(anApi(), node.address))).toMatchObject({ failure, wasSent: true });
      await node.whenLeft();
      expect(node.requests).toHaveLength(1);
    },
  );

  it("takes a body of exactly its limit", async () => {
    const node = await aNode(sends(body + " ".repeat(limit.maxBodyBytes - body.length)));
    expect(await call(anApi(), node.address)).toMatchObject({ kind });
  });

  it.each([301, 302, 307])("does not follow a %d", async (status) => {
    const canary = await aNode(sends(body));
    const Location = `http://127.0.0.1:${canary.port}/`;
    const node = await aNode(sends("", status, { Location }));
    expect(await failureOf(call(anApi(), node.address))).toMatchObject({
      failure: "HTTP_STATUS",
      httpStatus: status,
      wasSent: true,
    });
    expect([canary.connectionCount, node.requests.length]).toEqual([0, 1]);
  });

  it.each([404, 408, 429, 500, 502, 503, 504])("asks once when the answer is %d", async (status) => {
    const node = await aNode(sends("error: exit status 125null", status, { "Retry-After": "0" }));
    expect(await call(anApi(), node.address)).toMatchObject({
      kind: "refused",
      httpStatus: status,
      message: "exit status 125",
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(node.requests).toHaveLength(1);
  });

  it("sends nothing where nobody listens, or to an address that is forbidden", async () => {
    const node = await aNode(sends(body));
    const isAllowed = (): boolean => false;
    expect(await failureOf(call(anApi(), node.address, { isAllowed }))).toMatchObject({
      failure: "ADDRESS_BLOCKED",
      wasSent: false,
    });
    expect(node.connectionCount).toBe(0);
    expect(await failureOf(call(anApi(), closedAddress))).toMatchObject({
      failure: "CONNECTION_REFUSED",
      wasSent: false,
    });
  });

  it("sends not a byte to a name that leads to a forbidden address", async () => {
    const node = await aNode(sends(body));
    const localhost = { host: "localhost", port: node.port };
    const isAllowed = (): boolean => false;
    const error = await failureOf(call(anApi(), localhost, { isAllowed }));
    expect(error.wasSent).toBe(false);
    expect(node.receivedBytes).toBe(0);
  });

  it.each(["release", "close"] as const)("is canceled by %s, and its socket is gone", async (method) => {
    const api = anApi();
    const node = await aNode(() => api[method](node.address));
    expect(await failureOf(call(api, node.address))).toMatchObject({ failure: "CANCELED", wasSent: true });
    await node.whenLeft();
  });

  it("does not begin after close", async () => {
    const node = await aNode(sends(body));
    const api = anApi();
    api.close();
    expect(await failureOf(call(api, node.address))).toMatchObject({ failure: "CANCELED", wasSent: false });
    expect(node.connectionCount).toBe(0);
  });

  it("goes on while an exchange with the same node gets a new connection", async () => {
    const used = new Set<number>();
    const node = await aNode((socket, seen) => {
      if (seen.path === "/IpTable") sends('{"ip_address":null}')(socket, seen);
      else if (seen.path !== "/server_info") setTimeout(() => sends(body)(socket, seen), 300);
      else if (used.has(seen.connection)) socket.resetAndDestroy();
      else sends(someInfo)(socket, seen);
      used.add(seen.connection);
    });
    const api = anApi();
    const answer = call(api, node.address);
    // Makes the node known as one that closes what it keeps.
    await api.probe(node.address).catch(() => undefined);
    await api.exchangeTable(node.address, buildTableForm([aRow()]));
    expect(await answer).toMatchObject({ kind });
  });
});

describe("startContainer", () => {
  it("sends every parameter, also where nothing is wanted", async () => {
    const node = await aNode(sends(description));
    await anApi().startContainer(node.address, {
      portCount: 0,
      gpu: true,
      image: "",
      baseImage: "",
      sshPublicKey: "k",
    });
    expect(node.paths).toEqual([
      "/startcontainer?ports=0&GPU=true&ContainerName=&BaseImage=&PublicKey=aw%3D%3D",
    ]);
  });

  it("tells of a container that runs in spite of an error", async () => {
    const node = await aNode(sends(`error: Publickey not passed${description}`, 500));
    expect(await anApi().startContainer(node.address, order)).toMatchObject({
      kind: "createdWithError",
      httpStatus: 500,
      container: { id, sshPort: 44_269 },
    });
  });

  it("leaves open what happened when the answer with status 200 describes no container", async () => {
    const node = await aNode(sends("<html>"));
    expect(await failureOf(anApi().startContainer(node.address, order))).toMatchObject({
      failure: "BAD_BODY",
      wasSent: true,
    });
  });

  it("keeps what a node says out of the message of its failure", async () => {
    const node = await aNode(sends("secret words"));
    expect((await failureOf(anApi().startContainer(node.address, order))).message).not.toContain("secret");
  });
});

describe("mapPort", () => {
  it("says in any case whether the port is one of UDP, and names no domain where none is wanted", async () => {
    const node = await aNode(sends("198.51.100.9:40733"));
    await anApi().mapPort(node.address, { port: 65_535, domainName: "", isUdp: true });
    expect(node.paths).toEqual(["/MAPPort?port=65535&udp=true"]);
  });

  it("leaves open what happened when the answer with status 200 tells no address", async () => {
    const node = await aNode(sends("<html> secret words"));
    const asked = anApi().mapPort(node.address, { port: 22, domainName: "", isUdp: false });
    const error = await failureOf(asked);
    expect(error).toMatchObject({ failure: "BAD_BODY", wasSent: true });
    expect(error.message).not.toContain("secret");
  });
});

describe("removeContainer", () => {
  it.each(["", "ab", "a;reboot", "$(reboot)", "a b c", "x".repeat(129)])(
    "sends nothing for %j, which is no id: nodes put it into a shell command",
    async (text) => {
      const node = await aNode(sends("success"));
      await expect(anApi().removeContainer(node.address, text)).rejects.toThrow(RangeError);
      expect(node.connectionCount).toBe(0);
    },
  );
});

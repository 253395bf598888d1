/** `PeerError.wasSent` decides whether a container may run that nobody knows of: false only if not a byte can have left. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { CallOptions, PeerAddress, PeerApi } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { openPeerApi } from "../../src/peer-api/peer-api.js";
import { buildTableForm } from "../../src/peer-api/table-form.js";
import { FullListener } from "../support/full-listener.js";
import { aRow } from "../support/peers.js";
import { type Answer, RawNode, sends, someInfo } from "../support/raw-node.js";

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

const order = { portCount: 0, gpu: false, image: "", baseImage: "", sshPublicKey: "k" };
const form = buildTableForm([aRow()]);
const maxBytes = 1024 * 1024;
/** A short limit, and longer than a busy machine takes to send a request. */
const shortMs = 500;

type Call = (api: PeerApi, address: PeerAddress, options: CallOptions) => Promise<unknown>;
const calls: [string, Call][] = [
  ["probe", (api, address, options) => api.probe(address, options)],
  ["exchangeTable", (api, address, options) => api.exchangeTable(address, form, options)],
  ["specs", (api, address, options) => api.specs(address, options)],
  ["images", (api, address, options) => api.images(address, options)],
  ["download", (api, address, options) => api.download(address, { ...options, maxBytes })],
  ["upload", (api, address, options) => api.upload(address, { ...options, maxBytes })],
  ["startContainer", (api, address, options) => api.startContainer(address, order, options)],
  ["removeContainer", (api, address, options) => api.removeContainer(address, "abc", options)],
];

let listener: FullListener;
beforeAll(async () => {
  listener = await FullListener.open();
});
afterAll(() => listener.close());

describe.each(calls)("a failed %s", (_, call) => {
  it("has sent nothing when its time was over before a connection stood", async () => {
    const error = await failureOf(call(anApi(), listener.address, { timeoutMs: 200 }));
    expect(error).toMatchObject({ failure: "TIMEOUT", wasSent: false });
  });

  it("has sent nothing when its caller left before a connection stood", async () => {
    const signal = AbortSignal.timeout(100);
    const error = await failureOf(call(anApi(), listener.address, { signal }));
    expect(error).toMatchObject({ failure: "CANCELED", wasSent: false });
  });

  it("has sent nothing when the room was closed before a connection stood", async () => {
    const api = anApi();
    const failure = failureOf(call(api, listener.address, {}));
    setTimeout(() => api.close(), 100);
    expect(await failure).toMatchObject({ failure: "CANCELED", wasSent: false });
  });

  it("may have been heard when its time is over after that", async () => {
    let take: () => void;
    const taken = new Promise<void>((resolve) => (take = resolve));
    const node = await aNode(() => take());
    const error = await failureOf(call(anApi(), node.address, { timeoutMs: shortMs }));
    expect(error).toMatchObject({ failure: "TIMEOUT", wasSent: true });
    await taken;
  });

  it("may have been heard when its caller leaves after that", async () => {
    const leaving = new AbortController();
    const node = await aNode(() => leaving.abort());
    expect(await failureOf(call(anApi(), node.address, { signal: leaving.signal }))).toMatchObject({
      failure: "CANCELED",
      wasSent: true,
    });
  });

  it("may have been heard by a node that reset the connection", async () => {
    const node = await aNode((socket) => void socket.resetAndDestroy());
    expect(await failureOf(call(anApi(), node.address, {}))).toMatchObject({
      failure: "CONNECTION_RESET",
      wasSent: true,
    });
  });
});

describe("a call that waits for one of the two sockets", () => {
  it.each(["specs", "images", "probe"] as const)("has sent nothing: %s", async (method) => {
    let takeBoth: () => void;
    const bothTaken = new Promise<void>((resolve) => (takeBoth = resolve));
    const node = await aNode(() => node.requests.length === 2 && takeBoth());
    const api = anApi();
    const holding = [api.specs(node.address), api.specs(node.address)].map(failureOf);
    await bothTaken;
    const late = await failureOf(api[method](node.address, { timeoutMs: 100 }));
    expect(late).toMatchObject({ failure: "TIMEOUT", wasSent: false });
    const waiting = failureOf(api[method](node.address));
    setTimeout(() => api.close(), 50);
    expect(await waiting).toMatchObject({ failure: "CANCELED", wasSent: false });
    for (const error of await Promise.all(holding)) expect(error.wasSent).toBe(true);
  });
});

describe("a kept connection", () => {
  it("takes a request at once", async () => {
    const node = await aNode((socket, seen) => {
      if (node.requests.length === 1) sends(someInfo)(socket, seen);
    });
    const api = anApi();
    await api.specs(node.address);
    expect(await failureOf(api.specs(node.address, { timeoutMs: shortMs }))).toMatchObject({
      failure: "TIMEOUT",
      wasSent: true,
    });
    expect(node.connectionCount).toBe(1);
  });
});

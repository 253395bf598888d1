/** Download and upload on real sockets: the devnet's nodes, healthy and faulty, and raw ones that lie. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import type { DevnetOptions } from "../../src/devnet/contract.js";
import type { bandwidthFaults } from "../../src/devnet/faults.js";
import type { PeerAddress, Transfer } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { openPeerApi } from "../../src/peer-api/peer-api.js";
import { RawNode, writes } from "../support/raw-node.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const mebibyte = 2 ** 20;

async function aDevnet(options: Partial<DevnetOptions> = {}): Promise<Devnet> {
  const devnet = await openDevnet({ nodes: 2, dialects: ["2025-04"], ...options });
  cleanups.push(() => devnet.close());
  return devnet;
}

function anApi(): ReturnType<typeof openPeerApi> {
  const api = openPeerApi();
  cleanups.push(() => api.close());
  return api;
}

function addressOf(text: string | undefined): PeerAddress {
  const [host = "", port] = (text ?? "").split(":");
  return { host, port: Number(port) };
}

async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    return error instanceof PeerError ? error.failure : error;
  }
}

/** What is measured on a machine that is busy with something else is slower than the line: again, then. */
async function closeTo(megabitsPerSecond: number, measure: () => Promise<Transfer>): Promise<void> {
  let deviation = 1;
  for (let tries = 0; tries < 8 && deviation >= 0.2; tries += 1) {
    const measured = await measure();
    expect(measured.bytes).toBe(8 * mebibyte);
    deviation = Math.abs(measured.megabitsPerSecond! / megabitsPerSecond - 1);
  }
  expect(deviation).toBeLessThan(0.2);
}

describe("a healthy node", () => {
  it("is measured in both directions at the rate of its line", async () => {
    const devnet = await aDevnet({ bandwidthMbps: 80, uploadMbps: 40 });
    const address = addressOf(devnet.entryAddresses[0]);
    const limits = { maxBytes: 8 * mebibyte, maxDurationMs: 20_000 };
    await closeTo(80, () => anApi().download(address, limits));
    await closeTo(40, () => anApi().upload(address, limits));
    const [call] = devnet.ledger.matching({ path: "/upload" });
    expect(call).toMatchObject({ method: "GET", status: 200, partBytes: 8 * mebibyte });
  });

  it("sends and takes no more than was asked for, and not for longer", async () => {
    const devnet = await aDevnet({ bandwidthMbps: 8, uploadMbps: 400 });
    const address = addressOf(devnet.entryAddresses[0]);
    const slow = await anApi().download(address, { maxBytes: 64 * mebibyte, maxDurationMs: 1_100 });
    // All that was asked for would take a minute.
    expect(slow.elapsedMs).toBeLessThan(20_000);
    expect(slow.megabitsPerSecond).toBeGreaterThan(0);
    const up = await anApi().upload(address, { maxBytes: 64 * mebibyte, maxDurationMs: 500 });
    expect(up.bytes).toBeLessThan(64 * mebibyte);
    const [call] = devnet.ledger.matching({ path: "/upload" });
    expect(call!.partBytes).toBe(up.bytes);
  });

  it("is sent an upload that memory never holds", async () => {
    const address = addressOf((await aDevnet({ uploadMbps: 200 })).entryAddresses[0]);
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }, 5);
    await anApi().upload(address, { maxBytes: 48 * mebibyte, maxDurationMs: 1_500 });
    clearInterval(watch);
    expect(most - before).toBeLessThan(24 * mebibyte);
  });

  it("is left at once by a caller who leaves", async () => {
    const address = addressOf((await aDevnet({ bandwidthMbps: 1, uploadMbps: 1 })).entryAddresses[0]);
    for (const direction of ["download", "upload"] as const) {
      const signal = AbortSignal.timeout(100);
      const limits = { maxBytes: mebibyte * 8, maxDurationMs: 30_000, timeoutMs: 60_000 };
      const startMs = performance.now();
      expect(await outcomeOf(anApi()[direction](address, { ...limits, signal }))).toBe("CANCELED");
      expect(performance.now() - startMs).toBeLessThan(20_000);
    }
  });
});

const outcomes: Record<keyof typeof bandwidthFaults, unknown> = {
  "hang-download": "TIMEOUT",
  "drip-download": expect.not.objectContaining({ megabitsPerSecond: expect.anything() }),
  "short-download": { bytes: 1, elapsedMs: expect.any(Number) },
  "missing-download": "HTTP_STATUS",
  "reset-download": "CONNECTION_RESET",
  "hang-upload": "TIMEOUT",
  "stall-upload": "TIMEOUT",
  "reset-upload": "CONNECTION_RESET",
  "status500-upload": "HTTP_STATUS",
  "early-answer-upload": "BAD_BODY",
};

describe("a node with a fault", () => {
  it.each(Object.entries(outcomes))("%s is over within the limits", async (fault, outcome) => {
    const devnet = await aDevnet({ faults: { [fault]: 1 } });
    const address = addressOf(devnet.nodes.find((node) => node.fault === fault)?.address);
    const direction = fault.endsWith("-upload") ? "upload" : "download";
    const startMs = performance.now();
    expect(
      await outcomeOf(anApi()[direction](address, { maxBytes: 8 * mebibyte, maxDurationMs: 500 })),
    ).toEqual(outcome);
    // Half a second for bytes to flow, 5 s for the answer, and what a busy machine takes.
    expect(performance.now() - startMs).toBeLessThan(30_000);
  });

  it.each([
    [
      "a redirect",
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
      "HTTP_STATUS",
    ],
    ["compression", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx", "BAD_BODY"],
  ])("is refused %s", async (_, answer, failure) => {
    const node = await RawNode.open(writes(answer));
    cleanups.push(() => node.close());
    expect(await outcomeOf(anApi().download(node.address, { maxBytes: mebibyte }))).toBe(failure);
  });
});

import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import { bandwidthFaults, tableFaults } from "../../src/devnet/faults.js";
import { download, type Heard, upload } from "../support/speed-calls.js";

type BandwidthFault = keyof typeof bandwidthFaults;

const fileBytes = 52_428_800;
const mebibyte = 2 ** 20;
const uploadBytes = 16 * mebibyte;

let opened: Devnet[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aNodeWith(
  fault: BandwidthFault | keyof typeof tableFaults,
): Promise<{ devnet: Devnet; address: string }> {
  const devnet = await openDevnet({ nodes: 2, faults: { [fault]: 1 }, dialects: ["2025-04"] });
  opened.push(devnet);
  return { devnet, address: devnet.nodes.find((node) => node.fault === fault)!.address };
}

/** A healthy answer to the other call of the speed test. */
const isWholeFile = { status: 200, bytes: fileBytes, end: "complete" };
const isUploaded = { status: 200, text: "'50.bin' uploaded!", end: "complete" };

/** What gives a fault away, and what the ledger has of it. */
const signs: Record<
  BandwidthFault,
  { heard: (heard: Heard) => boolean; call: object; silenceMs?: number; leaveAfterBytes?: number }
> = {
  "hang-download": {
    heard: ({ status, end }) => status === undefined && end === "left",
    call: { status: null, sentBytes: 0 },
    silenceMs: 200,
  },
  "drip-download": {
    heard: ({ headers, bytes }) => headers["content-length"] === String(fileBytes) && bytes === 2,
    call: { status: 200, sentBytes: 2 },
    leaveAfterBytes: 2,
  },
  "short-download": {
    heard: ({ status, headers, bytes, end }) =>
      status === 200 &&
      headers["content-type"] === "application/octet-stream" &&
      headers["content-length"] === "1" &&
      bytes === 1 &&
      end === "complete",
    call: { status: 200, sentBytes: 1 },
  },
  "missing-download": {
    heard: ({ status, text }) => status === 404 && text === "404 page not found\n",
    call: { status: 404 },
  },
  "reset-download": {
    heard: ({ status, headers, bytes, end }) =>
      status === 200 &&
      headers["content-length"] === String(fileBytes) &&
      bytes <= mebibyte &&
      end === "ECONNRESET",
    call: { status: 200, sentBytes: mebibyte },
  },
  "hang-upload": {
    heard: ({ status, end }) => status === undefined && end === "left",
    call: { status: null, partBytes: uploadBytes },
    silenceMs: 1_000,
  },
  "stall-upload": {
    heard: ({ status, end }) => status === undefined && end === "left",
    call: { status: null },
    silenceMs: 300,
  },
  "reset-upload": {
    heard: ({ status, end }) => status === undefined && /^(ECONNRESET|EPIPE)$/.test(end),
    call: { status: null },
  },
  "status500-upload": {
    heard: ({ status, bytes, end }) => status === 500 && bytes === 0 && end === "complete",
    call: { status: 500, partBytes: uploadBytes },
  },
  "early-answer-upload": {
    heard: ({ status, text }) => status === 200 && text === "'50' uploaded!",
    call: { status: 200, requestBytes: 0 },
  },
};

const faults = Object.keys(bandwidthFaults) as BandwidthFault[];

describe("a node whose speed test is faulty", () => {
  it.each(faults)("with %s shows it, and the ledger has the call", async (fault) => {
    const { devnet, address } = await aNodeWith(fault);
    const { heard: isSign, call, ...options } = signs[fault];
    const isDownload = fault.endsWith("-download");
    const heard = await (isDownload
      ? download(address, options)
      : upload(address, { bytes: uploadBytes }, options));
    expect([heard, isSign(heard)]).toEqual([heard, true]);
    while (devnet.ledger.count({ node: address }) === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(devnet.ledger.matching({ node: address })).toMatchObject([call]);
  });

  it.each(faults)("with %s is healthy in all else", async (fault) => {
    const { address } = await aNodeWith(fault);
    const body = new FormData();
    body.set("json", new Blob(["{}"]), "t");
    const [probe, exchange, other] = await Promise.all([
      fetch(`http://${address}/server_info`),
      fetch(`http://${address}/IpTable`, { method: "POST", body }),
      fault.endsWith("-download") ? upload(address, { bytes: 10 }) : download(address),
    ]);
    expect(await probe.json()).toHaveProperty("Hostname");
    expect(await exchange.json()).toHaveProperty("ip_address");
    expect(other).toMatchObject(fault.endsWith("-download") ? isUploaded : isWholeFile);
  });
});

/** Writes an upload's body without end, until nothing has been taken for a while. @returns bytes taken, and what was heard */
async function uploadUntilStuck(address: string): Promise<{ takenBytes: number; heard: string }> {
  const [host, port] = address.split(":");
  const socket = connect({ host: host!, port: Number(port) }).on("error", () => undefined);
  let heard = "";
  socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
  socket.write(
    "GET /upload HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=line\r\n" +
      'Content-Length: 1000000000\r\n\r\n--line\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n',
  );
  const chunk = Buffer.alloc(mebibyte);
  let takenBytes = 0;
  for (;;) {
    const isTaken = await Promise.race([
      new Promise<boolean>((resolve) => socket.write(chunk, (error) => resolve(!error))),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 2_000)),
    ]);
    if (!isTaken) break;
    takenBytes += chunk.length;
  }
  const isOpen = !socket.destroyed;
  socket.destroy();
  return { takenBytes, heard: `${isOpen ? "open" : "closed"} ${heard}` };
}

describe("a node that stops reading an upload", () => {
  it.each([
    ["stall-upload", /^open $/],
    ["early-answer-upload", /^open HTTP\/1.1 200 OK\r\n/],
  ] as const)("with %s leaves the rest where it is: the caller's writes get stuck", async (fault, answer) => {
    const { devnet, address } = await aNodeWith(fault);
    const { takenBytes, heard } = await uploadUntilStuck(address);
    expect(heard).toMatch(answer);
    // What the system buffers on the way is some megabytes.
    expect(takenBytes).toBeLessThan(64 * mebibyte);
    expect(devnet.ledger.matching({ node: address })).toHaveLength(1);
    expect(devnet.ledger.calls[0]!.requestBytes).toBeLessThan(mebibyte);
  });
});

describe("a node whose table is poison", () => {
  it.each(Object.keys(tableFaults) as (keyof typeof tableFaults)[])(
    "with %s is healthy when probed, and its table is JSON of at most 4 MiB",
    async (fault) => {
      const { address } = await aNodeWith(fault);
      expect(await (await fetch(`http://${address}/server_info`)).json()).toHaveProperty("Hostname");
      const body = new FormData();
      body.set("json", new Blob(["{}"]), "t");
      const response = await fetch(`http://${address}/IpTable`, { method: "POST", body });
      expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
      const text = await response.text();
      expect(text.length).toBeLessThan(4 * mebibyte);
      expect((JSON.parse(text) as { ip_address: unknown[] }).ip_address.length).toBeGreaterThan(2);
    },
  );
});

import { createGunzip } from "node:zlib";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";
import { answerFaults, everyFault, type FaultName, faultNames } from "../../src/devnet/faults.js";
import { createTalker, type Heard } from "../support/talker.js";

const { talk, hangUpAll } = createTalker();

/** How late slow nodes answer: longer than others take on a busy machine. */
const slowDelayMs = 2_000;

let opened: Devnet[] = [];
afterEach(async () => {
  hangUpAll();
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

/** An entry node, and one node with the fault. */
async function aNodeWith(
  fault: FaultName,
  options: Partial<DevnetOptions> = {},
): Promise<{ devnet: Devnet; address: string }> {
  const devnet = await openDevnet({
    nodes: 2,
    faults: { [fault]: 1 },
    dialects: ["2025-04"],
    slowDelayMs,
    ...options,
  });
  opened.push(devnet);
  return { devnet, address: devnet.nodes.find((node) => node.fault === fault)!.address };
}

const probe = "GET /server_info HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
const form = '--x\r\nContent-Disposition: form-data; name="json"; filename="t"\r\n\r\n{}\r\n--x--\r\n';
const exchange =
  "POST /IpTable HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n" +
  `Content-Length: ${form.length}\r\n\r\n${form}`;

const isJson = ({ body }: Heard): boolean => {
  try {
    return typeof JSON.parse(body.toString()) === "object";
  } catch {
    return false;
  }
};
const isHealthy = (heard: Heard): boolean => heard.head.startsWith("HTTP/1.1 200 OK\r\n") && isJson(heard);

/** What gives a fault away, on a probe and on an exchange alike. */
const signs: Record<keyof typeof answerFaults, (heard: Heard) => boolean> = {
  reset: ({ end, head }) => end === "ECONNRESET" && head === "",
  hang: ({ end, head }) => end === "open" && head === "",
  drip: ({ end, body }) => end === "open" && body.toString().split("\r\n1\r\n").length > 3,
  endless: ({ end, body }) => end === "open" && body.length > 7_000_000,
  garbage: ({ head, body }) => head.includes("application/json") && new Set(body).size > 200,
  html: ({ head, body }) => head.includes("text/html") && body.toString().startsWith("<!DOCTYPE html>"),
  truncated: (heard) =>
    heard.head.includes(`Content-Length: ${heard.body.length}\r\n`) &&
    heard.body.length > 0 &&
    !isJson(heard),
  "error-text": ({ head, body }) =>
    /^HTTP\/1.1 200 OK\r\nContent-Type: text\/plain; charset=utf-8\r\n/.test(head) &&
    /^Get "http.*null$/.test(body.toString()),
  deep: ({ body }) => body.includes("[".repeat(10_000)),
  gzip: ({ head, body }) => head.includes("Content-Encoding: gzip") && body.length < 1_000_000,
  redirect: ({ head }) => head.startsWith("HTTP/1.1 302 Found\r\n"),
  status500: ({ head, body }) =>
    head.startsWith("HTTP/1.1 500 ") && !head.includes("Content-Type") && body.length === 0,
  slow: (heard) => isHealthy(heard) && heard.elapsedMs >= slowDelayMs - 1,
};

/** Faults whose answer has no end of its own: when to stop listening. */
const patience: Partial<Record<keyof typeof answerFaults, { enoughBytes?: number; silenceMs?: number }>> = {
  hang: { silenceMs: 200 },
  // Status line and headers are some 150 bytes, each dripped byte six.
  drip: { enoughBytes: 220 },
  endless: { enoughBytes: 8_000_000 },
};

function provoke(address: string, request: string, fault: keyof typeof answerFaults): Promise<Heard> {
  return talk(address, request, patience[fault]?.enoughBytes, patience[fault]?.silenceMs);
}

const spoiling = Object.keys(answerFaults) as (keyof typeof answerFaults)[];

describe("a faulty node", () => {
  it.each(spoiling)("with %s shows it when probed and at the exchange", async (fault) => {
    const { address } = await aNodeWith(fault);
    for (const request of [probe, exchange])
      expect(signs[fault](await provoke(address, request, fault))).toBe(true);
  });

  it.each(spoiling)("with %s-exchange is healthy when probed and shows it at the exchange", async (fault) => {
    const { address } = await aNodeWith(`${fault}-exchange`);
    const probed = await talk(address, probe);
    expect(isHealthy(probed)).toBe(true);
    expect(probed.elapsedMs).toBeLessThan(slowDelayMs - 1);
    expect(signs[fault](await provoke(address, exchange, fault))).toBe(true);
  });

  it("with refuse does not listen", async () => {
    const { address } = await aNodeWith("refuse");
    expect(await talk(address, probe)).toMatchObject({ end: "ECONNREFUSED" });
  });

  it("with reset drops the connection before it has read a byte, so that no call is recorded", async () => {
    const { address, devnet } = await aNodeWith("reset");
    expect(await talk(address, "")).toMatchObject({ end: "ECONNRESET" });
    expect(devnet.ledger.count({ node: address })).toBe(0);
  });

  it("with reset-exchange has read the request: the call is recorded, without a status", async () => {
    const { address, devnet } = await aNodeWith("reset-exchange");
    await talk(address, exchange);
    expect(devnet.ledger.matching({ node: address })).toMatchObject([
      { path: "/IpTable", status: null, rows: null },
    ]);
  });

  it("with hang has its calls recorded, without a status", async () => {
    const { address, devnet } = await aNodeWith("hang");
    await talk(address, probe, Infinity, 200);
    expect(devnet.ledger.matching({ node: address })).toMatchObject([{ path: "/server_info", status: null }]);
  });

  it("with gzip sends a few hundred kB that inflate to 256 MiB", async () => {
    const { body } = await talk((await aNodeWith("gzip")).address, probe);
    const chunkHead = body.indexOf("\r\n");
    const packedBytes = parseInt(body.toString("latin1", 0, chunkHead), 16);
    let inflatedBytes = 0;
    const inflating = createGunzip().end(body.subarray(chunkHead + 2, chunkHead + 2 + packedBytes));
    for await (const chunk of inflating) inflatedBytes += (chunk as Buffer).length;
    expect(inflatedBytes).toBeGreaterThan(256 * 2 ** 20);
  });

  it("with redirect sends its callers to the same path on another node", async () => {
    const { address, devnet } = await aNodeWith("redirect");
    const { head } = await talk(address, probe);
    expect(head).toContain(`Location: http://${devnet.entryAddresses[0]!}/server_info\r\n`);
  });

  it("with lie has a healthy probe and a table of forbidden, absurd and slanderous rows", async () => {
    const { address, devnet } = await aNodeWith("lie");
    expect(isHealthy(await talk(address, probe))).toBe(true);
    const body = new FormData();
    body.set("json", new Blob(["{}"]), "t");
    const response = await fetch(`http://${address}/IpTable`, { method: "POST", body });
    const { ip_address: rows } = (await response.json()) as {
      ip_address: (Record<string, unknown> | null)[];
    };
    const [victim] = devnet.entryAddresses[0]!.split(":");
    expect(rows.length).toBeGreaterThan(5_000);
    expect(rows.slice(0, 1_000)).toContain(null);
    for (const IPV4 of ["127.0.0.1", "169.254.169.254", "0x7f000001"]) {
      expect(rows).toContainEqual(expect.objectContaining({ IPV4 }));
    }
    for (const ServerPort of ["0", "70000", "abc"])
      expect(rows).toContainEqual(expect.objectContaining({ ServerPort }));
    expect(rows).toContainEqual(expect.objectContaining({ IPV6: "::ffff:a9fe:a9fe" }));
    expect(
      rows.filter((row) => row?.["IPV4"] === victim && row?.["Name"] === "impostor").length,
    ).toBeGreaterThan(1);
    expect(Math.max(...rows.map((row) => String(row?.["Name"]).length))).toBe(10_240);
  });
});

describe("a network with every fault at once", () => {
  it("has one node of each, and closes at once with callers waiting on them", async () => {
    const devnet = await openDevnet({ nodes: 120, faults: everyFault });
    expect(new Set(devnet.nodes.flatMap((node) => node.fault ?? []))).toEqual(new Set(faultNames));
    const calls = devnet.nodes.map(({ address, fault }) => ({ fault, heard: talk(address, exchange, 1) }));
    await Promise.all(calls.filter(({ fault }) => fault === undefined).map(({ heard }) => heard));
    await devnet.close();
    const ends = await Promise.all(calls.map(({ heard }) => heard));
    // Who hears nothing leaves after 10 s.
    expect(ends.filter(({ elapsedMs }) => elapsedMs > 9_000)).toEqual([]);
  });
});

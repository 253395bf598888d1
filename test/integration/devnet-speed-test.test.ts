import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";
import { startDevnetProcess } from "../../src/devnet/devnet-process.js";
import type { FaultName } from "../../src/devnet/faults.js";
import { download, upload } from "../support/speed-calls.js";

const fileBytes = 52_428_800;
const mebibyte = 2 ** 20;

let opened: Pick<Devnet, "close">[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aDevnet(options: Partial<DevnetOptions> = {}): Promise<{ devnet: Devnet; address: string }> {
  const devnet = await openDevnet({ nodes: 1, dialects: ["2026-01"], ...options });
  opened.push(devnet);
  return { devnet, address: devnet.nodes[0]!.address };
}

const errorBodies = JSON.parse(
  readFileSync(new URL("../fixtures/samples/error-bodies.json", import.meta.url), "utf8"),
) as { route: string; case: string; status: number; contentType: string | null; body: string }[];
const sampleOf = (route: string) => errorBodies.find((sample) => sample.route === route)!;

/** The call is recorded when it is over for the node, which may be a moment after its caller left. */
async function recorded(devnet: Devnet, path: string, count = 1): Promise<Devnet["ledger"]["calls"]> {
  while (devnet.ledger.count({ path }) < count) await new Promise((resolve) => setTimeout(resolve, 5));
  return devnet.ledger.matching({ path });
}

describe("the download of a node", () => {
  it("is 52,428,800 bytes with their length stated, and is recorded once it is over", async () => {
    const { devnet, address } = await aDevnet();
    const heard = await download(address);
    expect(heard).toMatchObject({ status: 200, bytes: fileBytes, end: "complete" });
    expect(heard.headers["content-type"]).toBe("application/octet-stream");
    expect(heard.headers["content-length"]).toBe(String(fileBytes));
    expect(heard.headers["transfer-encoding"]).toBeUndefined();
    expect(devnet.ledger.calls).toMatchObject([
      { node: address, method: "GET", path: "/50", status: 200, requestBytes: 0, sentBytes: fileBytes },
    ]);
  });

  it("is recorded with the bytes that were written until the caller left", async () => {
    const { devnet, address } = await aDevnet();
    await download(address, { leaveAfterBytes: 3 * mebibyte });
    const [call] = await recorded(devnet, "/50");
    expect(call).toMatchObject({ status: 200 });
    expect(call!.sentBytes).toBeGreaterThanOrEqual(3 * mebibyte);
    expect(call!.sentBytes).toBeLessThan(fileBytes);
  });

  it("is recorded without a status when the caller left before the answer", async () => {
    const { devnet, address } = await aDevnet({ delayMs: 5_000 });
    await download(address, { silenceMs: 50 });
    expect(await recorded(devnet, "/50")).toMatchObject([{ status: null, sentBytes: 0 }]);
  });

  it("is recorded, too, when the devnet closes under it", async () => {
    const { devnet, address } = await aDevnet({ bandwidthMbps: 1 });
    let downloading: ReturnType<typeof download> | undefined;
    await new Promise<void>((onHead) => {
      downloading = download(address, { onHead });
    });
    await devnet.close();
    expect(devnet.ledger.matching({ path: "/50" })).toHaveLength(1);
    expect((await downloading)?.end).toBe("ECONNRESET");
  });

  it("is 404 as Go's file server says it where the file is missing", async () => {
    const { devnet, address } = await aDevnet({ speedTestFile: "missing" });
    const heard = await download(address);
    const { status, contentType, body } = sampleOf("GET /50");
    expect(heard).toMatchObject({ status, text: body, end: "complete" });
    expect(heard.headers["content-type"]).toBe(contentType);
    expect(devnet.ledger.calls).toMatchObject([{ path: "/50", status: 404, sentBytes: body.length }]);
  });

  it("is an unknown route on the first day of the speed test, which had only the upload", async () => {
    const { address } = await aDevnet({ dialects: ["2021-03-20"], port: 8088, firstAddress: "127.0.30.1" });
    const heard = await download(address);
    expect(heard).toMatchObject({ status: 404, text: "404 page not found" });
    expect(heard.headers["content-type"]).toBe("text/plain");
    expect(await upload(address, { bytes: 1 })).toMatchObject({ status: 200 });
  });

  it("is not known by another method", async () => {
    const { address } = await aDevnet();
    expect((await fetch(`http://${address}/50`, { method: "HEAD" })).status).toBe(404);
    expect((await fetch(`http://${address}/upload`, { method: "POST", body: "x" })).status).toBe(404);
  });

  it("takes no longer than its rate allows, and no shorter: rates are dealt by position", async () => {
    // Slow enough that the caller leaves long before anything is buffered away; how exact the rate is, is a matter of
    // the token bucket, which is tested with a clock of its own.
    const { devnet } = await aDevnet({ nodes: 2, entryNodes: 2, bandwidthMbps: [1, 1_000] });
    const [slow, fast] = devnet.nodes.map(({ address }) => address);
    const begun = performance.now();
    await download(slow!, { leaveAfterBytes: 25_000 });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(190);
    const [call] = await recorded(devnet, "/50");
    expect(call!.sentBytes).toBeLessThan(mebibyte);
    expect(await download(fast!)).toMatchObject({ bytes: fileBytes, end: "complete" });
  });

  it("leaves the other nodes of the process answering", async () => {
    const { devnet } = await aDevnet({ nodes: 2, entryNodes: 2 });
    const [busy, idle] = devnet.nodes.map(({ address }) => address);
    const downloading = download(busy!);
    expect((await fetch(`http://${idle!}/server_info`)).status).toBe(200);
    expect(devnet.ledger.count({ path: "/50" })).toBe(0);
    await downloading;
  });

  it.each<[FaultName, object]>([
    ["truncated", { status: 200, bytes: fileBytes / 2, end: "complete" }],
    ["slow", { status: 200, bytes: fileBytes, end: "complete" }],
    ["status500", { status: 500, bytes: 0 }],
    ["redirect", { status: 302 }],
    ["lie", { status: 200, bytes: fileBytes }],
    ["hang-exchange", { status: 200, bytes: fileBytes }],
  ])("meets the fault %s as every request does", async (fault, expected) => {
    const { devnet } = await aDevnet({ nodes: 2, faults: { [fault]: 1 }, slowDelayMs: 20 });
    const { address } = devnet.nodes.find((node) => node.fault === fault)!;
    expect(await download(address)).toMatchObject(expected);
  });
});

describe("an upload to a node", () => {
  it("is a GET with a form, answered with the file's base name once all of it was read", async () => {
    const { devnet, address } = await aDevnet();
    const heard = await upload(address, { bytes: 5 * mebibyte });
    expect(heard).toMatchObject({ status: 200, text: "'50.bin' uploaded!", end: "complete" });
    expect(heard.headers["content-type"]).toBe("text/plain; charset=utf-8");
    const [call] = devnet.ledger.calls;
    expect(call).toMatchObject({ method: "GET", path: "/upload", status: 200, partBytes: 5 * mebibyte });
    expect(call!.requestBytes).toBeGreaterThan(5 * mebibyte);
  });

  it("may hold an empty file of an odd name", async () => {
    const { address } = await aDevnet();
    const heard = await upload(address, { bytes: 0, fileName: String.raw`a \"quoted\" <name>` });
    expect(heard).toMatchObject({ status: 200, text: `'a "quoted" <name>' uploaded!` });
  });

  it("is refused with 500 and no body when the part is missing or there is no form", async () => {
    const { devnet, address } = await aDevnet();
    const { status, body } = sampleOf("GET /upload");
    const heard = await upload(address, { bytes: 1_000, partName: "json" });
    expect(heard).toMatchObject({ status, text: body });
    expect(heard.headers["content-type"]).toBeUndefined();
    expect((await fetch(`http://${address}/upload?x=1`)).status).toBe(500);
    expect(devnet.ledger.calls).toMatchObject([
      { path: "/upload", status: 500 },
      { path: "/upload?x=1", status: 500, requestBytes: 0 },
    ]);
    expect(devnet.ledger.calls[0]).not.toHaveProperty("partBytes");
  });

  it("is recorded without a status, with what had come, when it breaks off", async () => {
    const { devnet, address } = await aDevnet({ uploadMbps: 100 });
    await upload(address, { bytes: 64 * mebibyte }, { leaveAfterMs: 200 });
    // What the system had taken from the caller still comes.
    const [call] = await recorded(devnet, "/upload");
    expect(call).toMatchObject({ status: null });
    expect(call!.partBytes).toBeGreaterThan(0);
    expect(call!.partBytes).toBeLessThan(64 * mebibyte);
  });

  it("takes no shorter than its rate allows", async () => {
    const { address } = await aDevnet({ uploadMbps: 8 });
    const begun = performance.now();
    expect(await upload(address, { bytes: 300_000 })).toMatchObject({ status: 200 });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(290);
  });
});

describe("twenty speed tests at once", () => {
  const residentBytes = (pid: number): number =>
    Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;

  async function mostResidentBytes(pid: number, work: Promise<unknown>): Promise<number> {
    let most = residentBytes(pid);
    const timer = setInterval(() => (most = Math.max(most, residentBytes(pid))), 10);
    await work;
    clearInterval(timer);
    return most;
  }

  const onLinux = process.platform === "linux" ? it : it.skip;
  onLinux("leave the memory of the nodes' process flat", async () => {
    const devnet = await startDevnetProcess({ nodes: 20, dialects: ["2026-01"], bandwidthMbps: 400 });
    opened.push(devnet);
    const [first] = devnet.nodes;
    await download(first!.address, { leaveAfterBytes: mebibyte });
    const before = residentBytes(devnet.pid);
    const downloads = Promise.all(devnet.nodes.map(({ address }) => download(address)));
    const most = await mostResidentBytes(devnet.pid, downloads);
    expect((await downloads).map(({ bytes }) => bytes)).toEqual(Array.from({ length: 20 }, () => fileBytes));
    expect(most - before).toBeLessThan(32 * mebibyte);
  });
});

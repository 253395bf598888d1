/** The service that tells our public address, when it fails or lies: a crawl goes on, with a warning where one is due. */
import type { RequestListener } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { OwnAddressFound, UpdateIpTableResponse } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import type { GatewayOnDevnet, GatewayOnDevnetOptions } from "../support/gateway-on-devnet.js";
import {
  crawl,
  eventsOf,
  eventually,
  remote,
  summaryOf,
  tableRows,
  WireBench,
  writeTable,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

const says =
  (body: string, status = 200): RequestListener =>
  (_, response) => {
    response.writeHead(status).end(body);
  };

const saysAddress = (query: unknown): RequestListener => says(JSON.stringify({ status: "success", query }));

async function open(
  listener: RequestListener,
  options: GatewayOnDevnetOptions = {},
): Promise<GatewayOnDevnet> {
  const publicIp = await bench.serve(listener);
  return await bench.open({
    ...options,
    devnet: { nodes: 6, shape: "mesh", ...options.devnet },
    flags: { ...options.flags, publicIp },
  });
}

/** What a whole crawl was told of our address. */
async function foundBy(gateway: GatewayOnDevnet): Promise<OwnAddressFound> {
  const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
  expect(summaryOf(events)).toMatchObject({ activeCount: 6, unreachable: [] });
  const [found, ...more] = eventsOf(events, "ownAddressFound");
  expect(more).toEqual([]);
  return found!;
}

describe("a service for the own address that", () => {
  it.each<[string, RequestListener, RegExp]>([
    ["cuts the connection", ({ socket }) => void socket.destroy(), /connection/],
    ["answers 429", says("slow down", 429), /429/],
    ["answers HTML", says("<html><b>203.0.113.9</b></html>"), /JSON|address/],
    ["redirects", (_, response) => void response.writeHead(302, { location: "/other" }).end(), /302/],
    ["tells a name", saysAddress("node.example"), /IP address/],
    ["tells a number", saysAddress(3_405_803_785), /IP address/],
    ["tells a disguised address", saysAddress("0x7f.1"), /IP address/],
    ["tells too much", says(" ".repeat(5_000)), /large/],
    ["tells a private address", saysAddress("10.1.2.3"), /public/],
    ["tells that of a metadata service", saysAddress("169.254.169.254"), /public/],
    ["tells no machine's address", saysAddress("0.0.0.0"), /public/],
    ["tells a multicast address", saysAddress("224.0.0.1"), /public/],
  ])("%s leaves it unknown: the crawl goes on and says why", async (_, listener, why) => {
    const found = await foundBy(await open(listener, { devnet: { nodes: 6, shape: "mesh" } }));
    expect(found).toMatchObject({ publicIpAddress: "", selfNode: "" });
    expect(found.warning).toMatch(why);
    expect(found.warning).not.toContain("203.0.113.9");
  });

  it("is down leaves it unknown", async () => {
    const gateway = await bench.open({
      devnet: { nodes: 6, shape: "mesh" },
      flags: { publicIp: "http://127.0.0.1:1/json/" },
    });
    expect(await foundBy(gateway)).toMatchObject({
      publicIpAddress: "",
      warning: expect.stringContaining("nothing listens there"),
    });
  });

  it("never answers holds up no probe, and nothing else for longer than 3 s", async () => {
    const gateway = await open(() => undefined);
    const startMs = performance.now();
    const request = { seedAddresses: gateway.devnet.nodes.map(({ address }) => address) };
    const events = await crawl(remote(gateway), request);
    expect(eventsOf(events, "ownAddressFound")).toMatchObject([
      { warning: expect.stringContaining("in time") },
    ]);
    const cases = events.map(({ event }) => event.case);
    expect(cases.filter((each) => each === "nodeProbed")).toHaveLength(6);
    expect(cases.lastIndexOf("nodeProbed")).toBeLessThan(cases.indexOf("ownAddressFound"));
    // What a busy machine takes comes on top.
    expect(performance.now() - startMs).toBeLessThan(3_000 + 27_000);
    expect(gateway.devnet.ledger.count({ path: "/IpTable" })).toBe(6);
  });

  it("names a victim costs one row at most: the victim is not contacted, nor are others told of it", async () => {
    const victim = "127.0.1.3";
    const gateway = await open(saysAddress(victim), {
      prepare: async (baseDir, devnet) => {
        await writeFile(join(baseDir, "config.json"), JSON.stringify({ ServerPort: String(devnet.port) }));
        await writeTable(baseDir, devnet.entryAddresses);
      },
    });
    const events = await crawl(remote(gateway), {});
    expect(eventsOf(events, "ownAddressFound")).toMatchObject([{ publicIpAddress: victim, warning: "" }]);
    expect(summaryOf(events).activeCount).toBe(5);
    const { ledger, port } = gateway.devnet;
    expect(ledger.count({ node: `${victim}:${port}` })).toBe(0);
    // No P2PRC server runs beside us: nobody is told that we are there.
    expect(JSON.stringify(ledger.matching({ path: "/IpTable" }).map(({ rows }) => rows))).not.toContain(
      victim,
    );
    expect(await tableRows(gateway)).toHaveLength(5);
  });
});

describe("a caller who leaves while the own address is looked up", () => {
  it("leaves no connection to the service behind, and finds the look-up made anew when it comes back", async () => {
    let [askedCount, openCount] = [0, 0];
    const gateway = await open((request, response) => {
      askedCount += 1;
      openCount += 1;
      request.socket.once("close", () => (openCount -= 1));
      if (askedCount === 2) response.end(JSON.stringify({ query: "127.0.1.4" }));
    });
    const leaving = new AbortController();
    const events: UpdateIpTableResponse[] = [];
    const reading = (async () => {
      const request = { seedAddresses: [...gateway.devnet.entryAddresses] };
      for await (const event of remote(gateway).updateIpTable(request, { signal: leaving.signal }))
        events.push(event);
    })();
    await eventually(() => openCount === 1 && events.length > 0, "the service is asked");
    leaving.abort();
    await expect(reading).rejects.toThrow(/cancel/);
    // Before the 3 s are over after which it is left anyway.
    await eventually(() => openCount === 0, "the service is left", 2_500);
    events.push(...(await crawl(remote(gateway), { resumeToken: events.at(-1)?.resumeToken ?? "" })));
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(eventsOf(events, "ownAddressFound")).toMatchObject([{ publicIpAddress: "127.0.1.4" }]);
    expect(summaryOf(events).activeCount).toBe(6);
    expect(askedCount).toBe(2);
  });
});

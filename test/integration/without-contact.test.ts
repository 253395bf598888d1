/** What a real gateway answers without contacting anybody: the ledger of a devnet says who was asked. */
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import {
  Bandwidth_Mode,
  CrawlCompleted_EndReason,
  type UpdateIpTableResponse,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { tableLimits } from "../../src/p2p/limits.js";
import {
  type GatewayOnDevnet,
  type GatewayOnDevnetOptions,
  openGatewayOnDevnet,
} from "../support/gateway-on-devnet.js";

const openGateways: GatewayOnDevnet[] = [];

afterEach(async () => {
  await Promise.all(openGateways.splice(0).map((gateway) => gateway.close()));
});

async function open(options: GatewayOnDevnetOptions): Promise<GatewayOnDevnet> {
  const gateway = await openGatewayOnDevnet(options);
  openGateways.push(gateway);
  return gateway;
}

const remote = ({ url }: GatewayOnDevnet): Client<typeof ClientService> =>
  createClient(ClientService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));

const seconds = (count: number, nanos = 0): Pick<Duration, "seconds" | "nanos"> => ({
  seconds: BigInt(count),
  nanos,
});

describe("a crawl that is only checked", () => {
  async function check(
    client: Client<typeof ClientService>,
    seedAddresses: string[],
  ): Promise<UpdateIpTableResponse[]> {
    const events: UpdateIpTableResponse[] = [];
    const request = { seedAddresses, validateOnly: true, bandwidth: { mode: Bandwidth_Mode.MEASURE } };
    for await (const event of client.updateIpTable(request)) events.push(event);
    return events;
  }

  it("lists the table and the seeds, asks no node and no service, and leaves the table file as it is", async () => {
    const asked: string[] = [];
    const service = createServer((request) => asked.push(request.url ?? ""));
    await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
    const publicIp = `http://127.0.0.1:${(service.address() as AddressInfo).port}/json/`;
    try {
      const gateway = await open({ devnet: { nodes: 5, shape: "mesh" }, flags: { publicIp } });
      const [first = "", second = ""] = gateway.devnet.nodes.map(({ address }) => address);
      const client = remote(gateway);
      await client.addNode({ address: first });
      const path = join(gateway.baseDir, "p2p/iptable/ip_table.json");
      const before = [await readFile(path, "utf8"), (await stat(path)).mtimeMs];
      const events = await check(client, [second]);
      const names = events.flatMap(({ event }) =>
        event.case === "nodeDiscovered" ? [event.value.node?.name, event.value.viaNode] : [],
      );
      expect(names).toEqual([`nodes/${first}`, "", `nodes/${second}`, ""]);
      expect(events.every(({ progress }) => progress?.knownCount === 2)).toBe(true);
      const last = events.at(-1)?.event;
      expect(last?.case === "completed" ? last.value.endReason : undefined).toBe(
        CrawlCompleted_EndReason.VALIDATED,
      );
      expect([asked, gateway.devnet.ledger.calls]).toEqual([[], []]);
      expect([await readFile(path, "utf8"), (await stat(path)).mtimeMs]).toEqual(before);
      expect((await client.listNodes({})).nodes).toHaveLength(1);
    } finally {
      await new Promise((resolve) => service.close(resolve));
    }
  });

  it("is refused what a crawl is refused", async () => {
    const gateway = await open({ devnet: { nodes: 1 } });
    await expect(check(remote(gateway), ["192.168.0.1"])).rejects.toThrow(/permission_denied/);
    await expect(check(remote(gateway), ["0x7f.1"])).rejects.toThrow(/invalid_argument.*seed_addresses\[0\]/);
  });
});

describe("GetSpecs with an age", () => {
  it("takes what a probe brought, and asks when that is too old", async () => {
    const gateway = await open({ devnet: { nodes: 3 } });
    const [node = ""] = gateway.devnet.entryAddresses;
    const client = remote(gateway);
    for await (const _ of client.updateIpTable({ maxHops: 0, seedAddresses: [node] }));
    const probeCount = gateway.devnet.ledger.count({ node });
    expect(probeCount).toBeGreaterThan(0);
    const young = await client.getSpecs({ node, maxAge: seconds(3_600) });
    const again = await client.getSpecs({ node, maxAge: seconds(3_600) });
    expect(gateway.devnet.ledger.count({ node })).toBe(probeCount);
    expect(again.specs?.observeTime).toEqual(young.specs?.observeTime);
    const fresh = await client.getSpecs({ node, maxAge: seconds(0, 1) });
    expect(gateway.devnet.ledger.count({ node })).toBe(probeCount + 1);
    expect(fresh.specs).toMatchObject({ hostname: young.specs?.hostname });
    expect(fresh.specs?.observeTime).not.toEqual(young.specs?.observeTime);
    await client.getSpecs({ node });
    expect(gateway.devnet.ledger.count({ node })).toBe(probeCount + 2);
  });

  it("takes an age of 30 days, and refuses more, and less than nothing", async () => {
    const gateway = await open({ devnet: { nodes: 1 } });
    const [node = ""] = gateway.devnet.entryAddresses;
    const client = remote(gateway);
    await client.addNode({ address: node });
    const most = tableLimits.maxSpecsAgeMs / 1_000;
    await client.getSpecs({ node, maxAge: seconds(most) });
    for (const maxAge of [seconds(most, 1), seconds(-1)])
      await expect(client.getSpecs({ node, maxAge })).rejects.toThrow(/invalid_argument.*max_age/);
    expect(gateway.devnet.ledger.count({ node })).toBe(1);
  });
});

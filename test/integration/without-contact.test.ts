/** What a real gateway answers without contacting anybody: the ledger of a devnet says who was asked. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
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

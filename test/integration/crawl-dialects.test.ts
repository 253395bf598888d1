/** Every version of the protocol, and servers that are none, in every operation on real sockets. */
import type { RequestListener } from "node:http";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import { type DialectName, dialectNames, dialects, tellsPort } from "../../src/devnet/dialects.js";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import { FailureReason, NodeFailed_Step } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { Node_State } from "../../src/gen/p2prc/client/v1/node_pb.js";
import { writes } from "../support/raw-node.js";
import {
  activeIn,
  addressOfRow,
  crawl,
  eventsOf,
  remote,
  summaryOf,
  tableRows,
  WireBench,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

/** How an operation ended: its reason, or nothing. */
async function reasonOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "";
  } catch (error) {
    return ConnectError.from(error).findDetails(ErrorInfoSchema)[0]?.reason ?? "no reason";
  }
}

/** Rows of the versions without ports lead to port 8088, so their nodes must listen there, on hosts of our own. */
const placeOf = (dialect: DialectName): { port?: number; firstAddress?: string } =>
  tellsPort(dialect) ? {} : { port: 8_088, firstAddress: "127.88.4.1" };

describe("a network of nodes that speak", () => {
  it.each(dialectNames)("%s is added, crawled, listed and asked", async (dialect) => {
    const gateway = await bench.open({
      devnet: { nodes: 5, seed: 9, shape: "chain", dialects: [dialect], ...placeOf(dialect) },
    });
    const client = remote(gateway);
    const { nodes, entryAddresses } = gateway.devnet;
    const addresses = nodes.map(({ address }) => address).sort();
    const { node: added } = await client.addNode({ address: entryAddresses[0]! });
    expect(added).toMatchObject({ name: `nodes/${entryAddresses[0]!}`, state: Node_State.UNPROBED });

    const events = await crawl(client, { maxHops: 10 });
    expect(eventsOf(events, "nodeFailed")).toEqual([]);
    expect([...activeIn(events)].sort()).toEqual(addresses);
    expect(eventsOf(events, "tableFetched")).toHaveLength(5);
    expect((await tableRows(gateway)).map(addressOfRow).sort()).toEqual(addresses);

    const listed = (await client.listNodes({})).nodes;
    expect(listed.map(({ name }) => name).sort()).toEqual(addresses.map((address) => `nodes/${address}`));
    const defaults = { tellsGpu: true, showsImages: true, isTestMode: false };
    const { tellsGpu, showsImages, isTestMode, columns } = { ...defaults, ...dialects[dialect] };
    const tellsName = columns.some(([key]) => key === "Name");
    for (const { name, state, specs, measurement, machineName } of listed) {
      const devnetNode = nodes.find(({ address }) => name === `nodes/${address}`)!;
      expect(state).toBe(Node_State.ACTIVE);
      expect(measurement?.sampleCount).toBe(3);
      expect(specs?.hostname).toBe(devnetNode.name);
      if (!tellsGpu) expect(specs?.gpus).toEqual([]);
      // Before 2023 no row had a name. A node in Test mode lists itself as 0.0.0.0, so others must name it.
      const isNamed = tellsName && !(isTestMode && devnetNode.depth === 0);
      expect(machineName).toBe(isNamed ? devnetNode.name : "");
      const { specs: asked } = await client.getSpecs({ node: name });
      expect(asked?.hostname).toBe(devnetNode.name);
      const images = client.listImages({ node: name });
      expect(await reasonOf(images)).toBe(showsImages ? "" : "NODE_REFUSED_REQUEST");
    }
    await client.removeNode({ node: `nodes/${addresses[0]!}` });
    expect((await client.listNodes({})).nodes).toHaveLength(4);
  });

  it("all of them at once, those with ports, is crawled whole, with every field that its owner told", async () => {
    const gateway = await bench.open({ devnet: { nodes: 48, seed: 3 } });
    const events = await crawl(remote(gateway), {
      maxHops: 10,
      seedAddresses: [...gateway.devnet.entryAddresses],
    });
    expect(summaryOf(events).activeCount).toBe(48);
    expect(new Set(gateway.devnet.nodes.map(({ dialect }) => dialect)).size).toBe(
      dialectNames.filter(tellsPort).length,
    );
    const { nodes } = await remote(gateway).listNodes({ pageSize: 1_000 });
    // NAT was a text until 2025, and is a boolean since: both are told.
    for (const dialect of ["2023-09", "2026-01"] as const) {
      const own = new Set(
        gateway.devnet.nodes
          .filter((node) => node.dialect === dialect)
          .map(({ address }) => `nodes/${address}`),
      );
      expect(nodes.filter(({ name, machineName }) => own.has(name) && machineName !== "")).toHaveLength(
        own.size,
      );
    }
  });
});

describe("nodes that share an address", () => {
  (hasIpv6 ? it : it.skip)(
    "on ::1, without an IPv4 address, are nodes like any other (needs ::1)",
    async () => {
      const gateway = await bench.open({
        devnet: { nodes: 3, ipv6: 2, shape: "mesh", dialects: ["2026-01"] },
        flags: { allowCidr: ["127.0.0.0/8", "::1/128"] },
      });
      const addresses = gateway.devnet.nodes.map(({ address }) => address).sort();
      const six = addresses.filter((address) => address.startsWith("[::1]:"));
      expect(six).toHaveLength(2);
      const client = remote(gateway);
      await client.addNode({ address: six[0]! });
      const events = await crawl(client);
      expect([...activeIn(events)].sort()).toEqual(addresses);
      const rows = await tableRows(gateway);
      expect(rows.map(addressOfRow).sort()).toEqual(addresses);
      expect(rows.filter(({ IPV6 }) => IPV6 === "::1").every(({ IPV4 }) => IPV4 === "")).toBe(true);
      for (const address of six) {
        expect((await client.getSpecs({ node: address })).specs?.hostname).not.toBe("");
        expect(await reasonOf(client.listImages({ node: `nodes/${address}` }))).toBe("");
      }
      const again = await crawl(client);
      expect(summaryOf(again)).toMatchObject({ activeCount: addresses.length, addedCount: 0 });
    },
  );

  it("of one proxy are told apart by their ports, and a name without a port lists them", async () => {
    const gateway = await bench.open({ devnet: { nodes: 8, sharedAddress: 5, shape: "mesh" } });
    const client = remote(gateway);
    const events = await crawl(client, { seedAddresses: [...gateway.devnet.entryAddresses] });
    expect(summaryOf(events).activeCount).toBe(8);
    const byHost = new Map<unknown, number>();
    for (const { IPV4 } of await tableRows(gateway)) byHost.set(IPV4, (byHost.get(IPV4) ?? 0) + 1);
    expect([...byHost.values()].sort()).toEqual([1, 1, 1, 5]);
    const [shared] = [...byHost].find(([, count]) => count === 5)!;
    const proxied = gateway.devnet.nodes.filter(({ address }) => address.startsWith(`${String(shared)}:`));
    for (const { address, name } of proxied)
      expect((await client.getSpecs({ node: address })).specs?.hostname).toBe(name);
    const unclear = ConnectError.from(
      await client.getSpecs({ node: String(shared) }).catch((error: unknown) => error),
    );
    expect(unclear.code).toBe(Code.InvalidArgument);
    for (const { address } of proxied) expect(unclear.rawMessage).toContain(address);
  });
});

const html = "<!doctype html><title>router</title>";
const withListener = (listener: RequestListener) => async (): Promise<string> =>
  new URL(await bench.serve(listener)).host;
const withRaw = (bytes: string) => async (): Promise<string> =>
  `127.0.0.1:${(await bench.rawNode(writes(bytes))).port}`;

const foreigners: [what: string, open: () => Promise<string>, reason: FailureReason, asked: string][] = [
  [
    "answers everything with HTML",
    withListener((_, response) => void response.setHeader("content-type", "text/html").end(html)),
    FailureReason.BAD_BODY,
    "NODE_BAD_BODY",
  ],
  [
    "knows no path",
    withListener((_, response) => void response.writeHead(404).end("404 page not found")),
    FailureReason.HTTP_STATUS,
    "NODE_REFUSED_REQUEST",
  ],
  [
    "wants a login",
    withListener((_, response) => void response.writeHead(401, { "www-authenticate": "Basic" }).end()),
    FailureReason.HTTP_STATUS,
    "NODE_REFUSED_REQUEST",
  ],
  [
    "sends JSON of something else",
    withListener((_, response) => void response.end('["a", {"b": 1}]')),
    FailureReason.BAD_BODY,
    "NODE_BAD_BODY",
  ],
  ["speaks no HTTP", withRaw("SSH-2.0-OpenSSH_9.2\r\n"), FailureReason.BAD_BODY, "NODE_BAD_BODY"],
  [
    "sends garbage bytes",
    withRaw("\u0000\u0001\xff\xfe".repeat(64)),
    FailureReason.BAD_BODY,
    "NODE_BAD_BODY",
  ],
];

describe("a server that is no node and", () => {
  it.each(foreigners)("%s fails by its own kind, and the crawl goes on", async (_, open, reason, asked) => {
    const foreign = await open();
    const gateway = await bench.open({ devnet: { nodes: 3, shape: "mesh" } });
    const client = remote(gateway);
    await client.addNode({ address: foreign });
    expect(await reasonOf(client.getSpecs({ node: foreign }))).toBe(asked);
    expect(await reasonOf(client.listImages({ node: foreign }))).toBe(asked);
    const events = await crawl(client, { seedAddresses: [...gateway.devnet.entryAddresses] });
    expect(eventsOf(events, "nodeFailed")).toMatchObject([
      { node: `nodes/${foreign}`, step: NodeFailed_Step.PROBE, reason },
    ]);
    expect(summaryOf(events)).toMatchObject({ activeCount: 3, unreachable: [`nodes/${foreign}`] });
    const { nodes } = await client.listNodes({});
    expect(nodes.find(({ name }) => name === `nodes/${foreign}`)?.state).toBe(Node_State.UNREACHABLE);
    expect(JSON.stringify(eventsOf(events, "nodeFailed").map(({ message }) => message))).not.toContain(
      "router",
    );
  });

  it("was written from the documentation, with /server_specs only, is a node all the same", async () => {
    const gateway = await bench.open({ devnet: { nodes: 3, shape: "mesh", dialects: ["foreign"] } });
    const events = await crawl(remote(gateway), { seedAddresses: [...gateway.devnet.entryAddresses] });
    expect(summaryOf(events)).toMatchObject({ activeCount: 3, unreachable: [] });
    expect(gateway.devnet.ledger.count({ path: "/server_specs", status: 200 })).toBe(9);
  });
});

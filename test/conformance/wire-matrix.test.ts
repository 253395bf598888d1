/** Every RPC in every form that a call can take on the wire, against a real gateway and a devnet on loopback. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import {
  Bandwidth_Mode,
  CrawlCompleted_EndReason,
  type UpdateIpTableResponse,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import type { RunPluginRequestSchema } from "../../src/gen/p2prc/client/v1/plugin_pb.js";
import { WaitContainerRequest_Condition } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { Change_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { Node_State } from "../../src/gen/p2prc/client/v1/node_pb.js";
import type { DevnetNode } from "../../src/devnet/contract.js";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { openTransport, wireForms } from "../support/transports.js";

let gateway: GatewayOnDevnet;

beforeAll(async () => {
  gateway = await openGatewayOnDevnet({
    devnet: { nodes: 8, delayMs: 1, faults: { refuse: 1 } },
    prepare: async (baseDir) => {
      const plugins = join(baseDir, "plugin/deploy");
      await mkdir(join(plugins, "broken"), { recursive: true });
      await mkdir(join(plugins, "hello"));
      await writeFile(join(plugins, "hello/description.txt"), "Says hello");
      await writeFile(join(plugins, "hello/ports.json"), '{"NumOfPorts": 1}');
      await writeFile(join(plugins, "hello/site.yml"), "- hosts: all\n");
    },
  });
});

afterAll(async () => {
  await gateway.close();
});

describe.each(wireForms)("over $protocol, $format, $http", (form) => {
  let client: Client<typeof ClientService>;
  let closeTransport: () => void;

  beforeEach(async () => {
    const { transport, close } = openTransport(form, gateway.url);
    client = createClient(ClientService, transport);
    closeTransport = close;
  });

  afterEach(() => closeTransport());

  const entry = (): string => gateway.devnet.entryAddresses[0] ?? "";

  it("AddNode puts a node into the table", async () => {
    const { node } = await client.addNode({ address: entry(), replaceAll: true });
    expect(node?.name).toBe(`nodes/${entry()}`);
  });

  it("UpdateIpTable streams a crawl from its first event to its last", async () => {
    await client.addNode({ address: entry(), replaceAll: true });
    const events: UpdateIpTableResponse[] = [];
    for await (const event of client.updateIpTable({ maxHops: 3 })) events.push(event);
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(events[0]?.event.case).toBe("started");
    const last = events.at(-1)?.event;
    expect(last?.case === "completed" ? last.value.activeCount : undefined).toBe(7);
    expect(last?.case === "completed" ? last.value.unreachable : undefined).toHaveLength(1);
  });

  it("UpdateIpTable only checks, and says whom it would ask first", async () => {
    await client.addNode({ address: entry(), replaceAll: true });
    const askedCount = gateway.devnet.ledger.calls.length;
    const events: UpdateIpTableResponse[] = [];
    for await (const event of client.updateIpTable({ validateOnly: true })) events.push(event);
    expect(events.map(({ event }) => event.case)).toEqual(["started", "nodeDiscovered", "completed"]);
    const last = events.at(-1)?.event;
    expect(last?.case === "completed" ? last.value.endReason : undefined).toBe(
      CrawlCompleted_EndReason.VALIDATED,
    );
    expect(gateway.devnet.ledger.calls).toHaveLength(askedCount);
  });

  it("UpdateIpTable measures bandwidth, with the same events as in every other form", async () => {
    await client.addNode({ address: entry(), replaceAll: true });
    const seen: string[] = [];
    const bandwidth = { mode: Bandwidth_Mode.MEASURE, maxBytesPerNode: 1_048_576n, maxAge: {} };
    for await (const { event } of client.updateIpTable({ maxHops: 3, bandwidth })) {
      if (event.case !== "nodeProbed") continue;
      const { name = "", measurement } = event.value.node ?? {};
      // The second time a node is told of, it is for its bandwidth.
      if (!seen.includes(`${name} answers`)) seen.push(`${name} answers`);
      else {
        expect(measurement?.downloadMegabitsPerSecond).toBeGreaterThan(0);
        expect(measurement?.uploadMegabitsPerSecond).toBeGreaterThan(0);
        seen.push(`${name} is measured`);
      }
    }
    const active = gateway.devnet.nodes.filter(({ fault }) => fault === undefined);
    const names = active.map(({ address }) => `nodes/${address}`);
    expect([...seen].sort()).toEqual(
      names.flatMap((name) => [`${name} answers`, `${name} is measured`]).sort(),
    );
  });

  it("UpdateIpTable refuses what the rules of the contract refuse, naming the field", async () => {
    const crawl = async (): Promise<void> => {
      for await (const _ of client.updateIpTable({ maxHops: 11 }));
    };
    await expectRefusal(crawl(), Code.InvalidArgument, "INVALID_REQUEST", "max_hops");
  });

  it("ListNodes pages through the whole table", async () => {
    await client.addNode({ address: entry(), replaceAll: true });
    for await (const _ of client.updateIpTable({ maxHops: 3 }));
    const names: string[] = [];
    let pageToken = "";
    do {
      const page = await client.listNodes({ pageSize: 3, pageToken });
      names.push(...page.nodes.map(({ name }) => name));
      expect(page.nodes.every(({ state }) => state === Node_State.ACTIVE)).toBe(true);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(new Set(names).size).toBe(7);
  });

  it("RemoveNode takes a node out, and a second time it is not found", async () => {
    const { node } = await client.addNode({ address: "127.9.9.9:4000" });
    await client.removeNode({ node: node?.name ?? "", etag: node?.etag ?? "" });
    const again = client.removeNode({ node: "nodes/127.9.9.9:4000" });
    await expectRefusal(again, Code.NotFound, "NODE_NOT_FOUND");
  });

  it("GetSpecs tells what the node tells", async () => {
    await client.addNode({ address: entry() });
    const { specs } = await client.getSpecs({ node: entry() });
    expect(specs?.hostname).toBe(gateway.devnet.nodes[0]?.name);
  });

  it("GetSpecs names a node that cannot be reached", async () => {
    await client.addNode({ address: "127.9.9.9:4000" });
    const call = client.getSpecs({ node: "127.9.9.9:4000" });
    await expectRefusal(call, Code.Unavailable, "NODE_UNREACHABLE");
  });

  it("containers are created, shown, grouped, watched and removed", async () => {
    await client.addNode({ address: entry(), replaceAll: true });
    const asked = { placement: { case: "node", value: entry() } as const, spec: { portCount: 1 } };
    const { container, access } = await client.createContainer(asked);
    const name = container?.name ?? "";
    expect((await client.getContainer({ container: name })).container).toEqual(container);
    expect((await client.getContainerAccess({ container: name })).access).toEqual(access);
    const { containers, revision } = await client.listContainers({ filter: `name = "${name}"` });
    expect(containers).toEqual([container]);
    const { group } = await client.createGroup({});
    const members = { group: group?.name ?? "", containers: [name] };
    expect((await client.addContainersToGroup(members)).group?.containers).toEqual([name]);
    expect((await client.getGroup({ group: members.group })).containers.map((one) => one.name)).toEqual([
      name,
    ]);
    const { groups } = await client.listGroups({ filter: `name = "${members.group}"` });
    expect(groups.map(({ containerCount }) => containerCount)).toEqual([1]);
    expect((await client.removeContainersFromGroup(members)).group?.containers).toEqual([]);
    const waiting = client.waitContainer({
      container: name,
      condition: WaitContainerRequest_Condition.REMOVED,
    });
    expect((await client.removeContainer({ container: name })).nodeMessage).toBe("success");
    expect((await waiting).met).toBe(true);
    expect((await client.removeGroup({ group: members.group })).removed).toBe(true);
    const told: string[] = [];
    for await (const { changes } of client.watch({ startRevision: revision })) {
      for (const { type, item } of changes) told.push(`${Change_Type[type]} ${item.case ?? ""}`);
      if (told.at(-1) === "REMOVED group") break;
    }
    expect(told[0]).toBe("ADDED group");
    expect(told).toContain("REMOVED container");
    await expectRefusal(client.removeContainer({ container: name }), Code.NotFound, "CONTAINER_NOT_TRACKED");
    const nameless = client.removeContainer({ container: "nodes/a b/containers/c" });
    await expectRefusal(nameless, Code.InvalidArgument, "INVALID_CONTAINER_NAME", "container");
  });

  it("ListImages lists what the node builds", async () => {
    await client.addNode({ address: entry() });
    const { images } = await client.listImages({ node: entry() });
    expect(images.every(({ name }) => name !== "")).toBe(true);
  });

  it("ListPlugins tells why a plugin cannot run", async () => {
    const { plugins } = await client.listPlugins({});
    expect(plugins).toMatchObject([
      { name: "plugins/broken", brokenReason: "description.txt is missing" },
      { name: "plugins/hello", description: "Says hello", portCount: 1, brokenReason: "" },
    ]);
  });

  it("InstallPlugin and RemovePlugin are for the local socket only", async () => {
    const installing = client.installPlugin({ url: "https://example.org/plugin" });
    await expectRefusal(installing, Code.PermissionDenied, "PERMISSION");
    await expectRefusal(client.removePlugin({ plugin: "hello" }), Code.PermissionDenied, "PERMISSION");
  });

  it("RunPlugin refuses what it does not find, and what a playbook cannot do", async () => {
    const run = async (request: MessageInitShape<typeof RunPluginRequestSchema>): Promise<void> => {
      for await (const _ of client.runPlugin({
        target: { case: "filter", value: "spec.gpu = true" },
        ...request,
      }));
    };
    await expectRefusal(run({ plugin: "nothing" }), Code.NotFound, "PLUGIN_NOT_FOUND");
    await expectRefusal(run({ plugin: "../x" }), Code.InvalidArgument, "INVALID_PLUGIN_NAME", "plugin");
    const undo = run({ plugin: "hello", failurePolicy: { undoOnFailure: true } });
    const field = "failure_policy.undo_on_failure";
    await expectRefusal(undo, Code.InvalidArgument, "INVALID_FAILURE_POLICY", field);
    const many = run({ plugin: "hello", failurePolicy: { maxConcurrency: 65 } });
    await expectRefusal(many, Code.InvalidArgument, "INVALID_REQUEST", "failure_policy.max_concurrency");
  });

  it("MapPort tells where a port of a node is reached", async () => {
    const { address } = mappingNode();
    await client.addNode({ address });
    const answer = await client.mapPort({ target: { case: "node", value: address }, port: 8088 });
    const { mappedPort } = gateway.devnet.ledger.matching({ node: address, path: "/MAPPort" }).at(-1) ?? {};
    const [host] = address.split(":");
    expect(answer).toMatchObject({
      host,
      port: mappedPort,
      address: `${host}:${mappedPort}`,
      node: `nodes/${address}`,
      nodePort: 8088,
    });
  });

  it("MapPort refuses what the rules of the contract refuse, naming the field", async () => {
    const target = { case: "node" as const, value: mappingNode().address };
    const tooHigh = client.mapPort({ target, port: 65_536 });
    await expectRefusal(tooHigh, Code.InvalidArgument, "INVALID_REQUEST", "port");
    const noDomain = client.mapPort({ target, port: 22, domainName: "a b;c" });
    await expectRefusal(noDomain, Code.InvalidArgument, "INVALID_REQUEST", "domain_name");
    const nobody = client.mapPort({ port: 22 });
    await expectRefusal(nobody, Code.InvalidArgument, "INVALID_REQUEST", "target");
  });
});

/** Nodes have mapped ports since the end of 2023. */
const mappingNode = (): DevnetNode =>
  gateway.devnet.nodes.find(
    ({ dialect, fault }) => fault === undefined && dialect !== "foreign" && dialect >= "2023-12",
  ) ?? raise("no node of the devnet maps ports");

function raise(message: string): never {
  throw new Error(message);
}

async function expectRefusal(
  call: Promise<unknown>,
  code: Code,
  reason: string,
  field?: string,
): Promise<void> {
  const error = ConnectError.from(
    await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    ),
  );
  expect(error.code).toBe(code);
  expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: "client.p2prc" }]);
  if (field !== undefined) {
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field).toBe(field);
  }
}

/** grpcurl knows nothing of us but what reflection tells it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { requireTool } from "./foreign-tools.js";

const run = promisify(execFile);
let gateway: GatewayOnDevnet;

beforeAll(async () => {
  gateway = await openGatewayOnDevnet({ devnet: { nodes: 6 } });
});

afterAll(async () => {
  await gateway.close();
});

async function grpcurl(...args: string[]): Promise<string> {
  const { stdout } = await run(requireTool("grpcurl"), ["-plaintext", ...args]);
  return stdout;
}

const target = (): string => new URL(gateway.url).host;

const call = (method: string, request: object): Promise<string> =>
  grpcurl("-d", JSON.stringify(request), target(), `p2prc.client.v1.ClientService/${method}`);

describe("grpcurl", () => {
  it("lists the services", async () => {
    const services = (await grpcurl(target(), "list")).trim().split("\n");
    expect(services).toEqual(
      expect.arrayContaining([
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "p2prc.client.v1.ClientService",
      ]),
    );
  });

  it("describes every message of the contract", async () => {
    for (const symbol of ["ClientService", "UpdateIpTableRequest", "Node", "ListNodesResponse"]) {
      expect(await grpcurl(target(), "describe", `p2prc.client.v1.${symbol}`)).toContain(symbol);
    }
  });

  it("crawls, lists and asks for specs", async () => {
    const [entry = ""] = gateway.devnet.entryAddresses;
    await call("AddNode", { address: entry });
    expect(await call("UpdateIpTable", { maxHops: 3 })).toContain("END_REASON_FINISHED");
    expect(JSON.parse(await call("ListNodes", { pageSize: 100 }))).toMatchObject({
      nodes: gateway.devnet.nodes.map(() => expect.objectContaining({ state: "STATE_ACTIVE" })),
    });
    expect(JSON.parse(await call("GetSpecs", { node: entry }))).toHaveProperty("specs.platform");
  });

  it("creates a container, groups it, logs in and removes it", async () => {
    const node = gateway.devnet.nodes[1]?.address ?? "";
    await call("AddNode", { address: node });
    const made = JSON.parse(await call("CreateContainer", { node, spec: { portCount: 2 } })) as {
      container: { name: string };
      access: object;
    };
    const { name } = made.container;
    const { group } = JSON.parse(await call("CreateGroup", { containers: [name] })) as {
      group: { name: string };
    };
    expect(JSON.parse(await call("GetContainerAccess", { container: name }))).toEqual({
      access: made.access,
    });
    expect(JSON.parse(await call("RemoveContainer", { container: name }))).toMatchObject({
      nodeMessage: "success",
      container: { state: "STATE_REMOVED" },
    });
    expect(JSON.parse(await call("GetGroup", { group: group.name }))).not.toHaveProperty("containers");
  });

  it("shows the reason and the field of a refusal", async () => {
    const refused = grpcurl("-d", '{"maxHops":11}', target(), "p2prc.client.v1.ClientService/UpdateIpTable");
    await expect(refused).rejects.toMatchObject({
      stderr: expect.stringMatching(/INVALID_REQUEST[^]*max_hops/),
    });
  });

  it("sees the gateway healthy", async () => {
    expect(await grpcurl(target(), "grpc.health.v1.Health/Check")).toContain("SERVING");
  });
});

/** Mapping ports over the wire: a real gateway, and nodes that do it well, badly or not at all. */
import { connect } from "node:net";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "@jest/globals";
import { containerLimits } from "../../src/containers/limits.js";
import { MapPortRequest_Protocol as Protocol } from "../../src/gen/p2prc/client/v1/port_pb.js";
import type { Devnet } from "../../src/devnet/contract.js";
import type { FaultName } from "../../src/devnet/faults.js";
import { at, ContainerBench, eventually, refusal } from "../support/container-bench.js";

const benches = new ContainerBench();
afterEach(() => benches.release());

const ofNode = (value: string): { target: { case: "node"; value: string } } => ({
  target: { case: "node", value },
});
const ofContainer = (value: string): { target: { case: "container"; value: string } } => ({
  target: { case: "container", value },
});

async function firstLineOf(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  try {
    const [line] = (await once(socket, "data")) as [Buffer];
    return line.toString();
  } finally {
    socket.destroy();
  }
}

describe("MapPort", () => {
  it("maps a container's SSH port by its internal number, and what is told leads there", async () => {
    const { api, nodes } = await benches.open();
    const { container, access } = await api.createContainer({ ...at(nodes[0]!), spec: { portCount: 1 } });
    const mapped = await api.mapPort({ ...ofContainer(container!.name), port: 22 });
    expect(mapped).toMatchObject({ node: nodes[0], nodePort: access?.sshPort, host: access?.host });
    expect(mapped.address).toBe(`${mapped.host}:${mapped.port}`);
    expect(mapped.port).not.toBe(access?.sshPort);
    expect(await firstLineOf(mapped.host, mapped.port)).toMatch(/^SSH-2\.0-/);
  });

  it("maps a port that was asked for by the number it has inside, also where nodes tell the proxy's", async () => {
    const { api, nodes, devnet } = await benches.open({ devnet: { nodes: 3, sharedAddress: 1 } });
    const proxied = nodes.at(-1)!;
    const { container } = await api.createContainer({ ...at(proxied), spec: { portCount: 1 } });
    const asked = container!.ports.find(({ name }) => name === "AutoGen Port")!;
    expect(asked.internalPort).not.toBe(asked.externalPort);
    const { nodePort } = await api.mapPort({ ...ofContainer(container!.name), port: asked.internalPort });
    expect(nodePort).toBe(asked.internalPort);
    expect(devnet.ledger.matching({ path: "/MAPPort" })[0]?.path).toContain(`port=${nodePort}&`);
  });

  it("sends the port, the protocol and the domain name as they were asked for", async () => {
    const { api, nodes, devnet } = await benches.open();
    await api.mapPort({ ...ofNode(nodes[0]!), port: 8088 });
    await api.mapPort({
      ...ofNode(nodes[0]!),
      port: 53,
      protocol: Protocol.UDP,
      domainName: "Render.example.org",
    });
    expect(devnet.ledger.matching({ path: "/MAPPort" }).map(({ path }) => path)).toEqual([
      "/MAPPort?port=8088&udp=false",
      "/MAPPort?port=53&domain_name=render.example.org&udp=true",
    ]);
  });

  it("refuses without a call what is not tracked, has no such port, or stands in no table", async () => {
    const { api, nodes, devnet } = await benches.open();
    const { container } = await api.createContainer(at(nodes[0]!));
    const { name } = container!;
    expect(
      await refusal(api.mapPort({ ...ofContainer(`${nodes[0]!}/containers/nobody`), port: 22 })),
    ).toEqual({
      reason: "CONTAINER_NOT_TRACKED",
      metadata: expect.anything(),
    });
    expect(await refusal(api.mapPort({ ...ofContainer(name), port: 23 }))).toMatchObject({
      reason: "PORT_NOT_FOUND",
      metadata: { container: name },
    });
    expect((await refusal(api.mapPort({ ...ofNode("127.9.9.9:4000"), port: 22 }))).reason).toBe(
      "NODE_NOT_FOUND",
    );
    expect(devnet.ledger.count({ path: "/MAPPort" })).toBe(0);
  });

  it.each<[FaultName, string]>([
    ["reset-map", "MAP_OUTCOME_UNKNOWN"],
    ["cut-map", "MAP_OUTCOME_UNKNOWN"],
    ["html-map", "MAP_OUTCOME_UNKNOWN"],
    ["high-port-map", "MAP_OUTCOME_UNKNOWN"],
    ["shell-map", "MAP_OUTCOME_UNKNOWN"],
    ["endless-map", "MAP_OUTCOME_UNKNOWN"],
    ["status500-map", "NODE_REFUSED_REQUEST"],
  ])("asks a node with %s once, and says %s", async (fault, reason) => {
    const { api, nodes, devnet } = await benches.open();
    devnet.node(0).setFault(fault);
    const { metadata, ...rest } = await refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }));
    expect(rest).toEqual({ reason });
    expect(metadata).toMatchObject({ node: nodes[0], node_port: "22" });
    expect(devnet.ledger.count({ path: "/MAPPort" })).toBe(1);
  });

  it.each<FaultName>(["digits-map", "json-map", "slow-map"])(
    "takes the node's own address where a node with %s tells none",
    async (fault) => {
      const { api, nodes, devnet } = await benches.open({ devnet: { slowDelayMs: 50 } });
      devnet.node(0).setFault(fault);
      const mapped = await api.mapPort({ ...ofNode(nodes[0]!), port: 22 });
      const [call] = devnet.ledger.matching({ path: "/MAPPort" });
      expect(mapped.address).toBe(`${nodes[0]!.replace(/^nodes\/|:[0-9]+$/g, "")}:${call!.mappedPort!}`);
    },
  );

  it("says that a node of before 2023-12 maps no ports", async () => {
    const { api, nodes } = await benches.open({ devnet: { dialects: ["2023-09"] } });
    expect(await refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }))).toEqual({
      reason: "NODE_REFUSED_REQUEST",
      metadata: { node: nodes[0], node_port: "22", http_status: "404" },
    });
  });

  it("says that nothing was sent where the node is gone", async () => {
    const { api, nodes, devnet } = await benches.open();
    await devnet.node(0).stop();
    expect((await refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }))).reason).toBe("NODE_UNREACHABLE");
  });

  it("lets go of the node when its caller leaves", async () => {
    const { api, nodes, devnet } = await benches.open();
    devnet.node(0).setFault("hang-map");
    const leaving = new AbortController();
    const asked = refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }, { signal: leaving.signal }));
    await whenAsked(devnet, 1);
    leaving.abort();
    await asked;
    // The place is free again: as many as may are taken anew, and not one is refused.
    devnet.node(0).setFault(undefined);
    const all = Array.from({ length: containerLimits.maxPortMaps }, () =>
      api.mapPort({ ...ofNode(nodes[0]!), port: 22 }),
    );
    expect(await Promise.all(all)).toHaveLength(containerLimits.maxPortMaps);
  });

  it("takes so many at once, and refuses the next one without a call", async () => {
    const { api, nodes, devnet } = await benches.open();
    devnet.node(0).setFault("hang-map");
    const leaving = new AbortController();
    const { signal } = leaving;
    const held = Array.from({ length: containerLimits.maxPortMaps }, () =>
      refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }, { signal })),
    );
    await whenAsked(devnet, containerLimits.maxPortMaps);
    expect((await refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }))).reason).toBe(
      "TOO_MANY_PORT_MAPS",
    );
    leaving.abort();
    await Promise.all(held);
    expect(devnet.ledger.count({ path: "/MAPPort" })).toBe(containerLimits.maxPortMaps);
  });

  it("waits for a node's answer when the gateway stops, and begins nothing new", async () => {
    const { api, nodes, devnet, app } = await benches.open({ devnet: { slowDelayMs: 3_000 } });
    devnet.node(0).setFault("slow-map");
    const underWay = api.mapPort({ ...ofNode(nodes[0]!), port: 22 });
    await whenAsked(devnet, 1);
    const closing = app.close();
    expect((await refusal(api.mapPort({ ...ofNode(nodes[0]!), port: 22 }))).reason).toBe("DRAINING");
    expect((await underWay).port).toBeGreaterThan(0);
    await closing;
    expect(devnet.ledger.count({ path: "/MAPPort" })).toBe(1);
  });
});

const whenAsked = (devnet: Devnet, count: number): Promise<void> =>
  eventually(() => {
    expect(devnet.ledger.count({ path: "/MAPPort" })).toBe(count);
    return Promise.resolve();
  });

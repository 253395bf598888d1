/** Secrets of containers: only where they belong. And errors: whole, small, and silent about what nodes say. */
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { WatchResponse_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import type { Logger } from "../../src/observability/logger.js";
import { at, ContainerBench, failureOf } from "../support/container-bench.js";
import { RawNode, sends } from "../support/raw-node.js";

const benches = new ContainerBench();
const nodes: RawNode[] = [];
afterEach(async () => {
  await benches.release();
  for (const node of nodes.splice(0)) await node.close();
});

const password = "canary-ssh-51f0";
const vncPassword = "canary-vnc-a97c";
const words = "canary-words-3e1d";
const canaries = /canary-/;

/** A node of 2021 with passwords, which says too much when it fails. */
async function aTalkativeNode(): Promise<string> {
  const vm = {
    SSHPort: 4022,
    SSHUsername: "master",
    SSHPassword: password,
    VNCPort: 4059,
    VNCPassword: vncPassword,
    ID: "abcdef0123",
    TagName: "p2p-ubuntu",
    OpenPorts: [4_100],
  };
  let starts = 0;
  const refuse = sends(`error: ${words} ${password}null`, 500);
  const node = await RawNode.open((socket, request) => {
    if (request.path.startsWith("/RemoveContainer")) {
      sends(`error: ${words} ${password}success`, 500)(socket, request);
      return;
    }
    starts += 1;
    (starts === 1 ? sends(JSON.stringify(vm)) : refuse)(socket, request);
  });
  nodes.push(node);
  return `127.0.0.1:${String(node.port)}`;
}

describe("passwords and words of a node", () => {
  it("are told to those who ask for access, and are in no list, watch, error or log", async () => {
    const logged: string[] = [];
    const keep = (fields: object, message: string): void =>
      void logged.push(inspect([fields, message], { depth: 12, showHidden: true }));
    const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep };
    const { api } = await benches.open({ devnet: { nodes: 1 }, logger });
    const address = await aTalkativeNode();
    await api.addNode({ address });
    const leaving = new AbortController();
    const told: string[] = [];
    const watching = (async () => {
      for await (const message of api.watch({ sendInitialState: true }, { signal: leaving.signal }))
        told.push(inspect(message, { depth: 12 }), WatchResponse_Type[message.type]);
    })().catch(() => undefined);
    const { access, container } = await api.createContainer(at(address));
    expect(access).toMatchObject({ sshUsername: "master", sshPassword: password, vncPassword });
    const name = container?.name ?? "";
    const group = (await api.createGroup({ containers: [name] })).group?.name ?? "";
    expect((await api.getContainerAccess({ container: name })).access).toEqual(access);
    const failures = [
      await failureOf(api.createContainer(at(address))),
      await failureOf(api.removeContainer({ container: name })),
    ];
    expect(failures.map(({ reason }) => reason)).toEqual(["NODE_REFUSED_REQUEST", "REMOVE_FAILED"]);
    const removal = await api.removeGroup({ group, removeContainers: true });
    expect([removal.removed, removal.results[0]?.error?.reason]).toEqual([false, "REMOVE_FAILED"]);
    const read = [
      container,
      await api.listContainers({ showRemoved: true }),
      await api.getContainer({ container: name }),
      await api.getGroup({ group }),
      await api.listGroups({}),
      removal,
      failures,
    ];
    expect(inspect(read, { depth: 12 })).not.toMatch(canaries);
    // No filter finds them either: that would be a way to guess them.
    const { reason } = await failureOf(api.listContainers({ filter: `ssh_password = "${password}"` }));
    expect(reason).toBe("INVALID_FILTER");
    leaving.abort();
    await watching;
    expect(told).toContain("CHANGES");
    expect(told.join("\n")).not.toMatch(canaries);
    expect(logged.join("\n")).not.toMatch(canaries);
    expect(logged.length).toBeGreaterThan(0);
  });
});

describe("an error", () => {
  it("has its code, domain, fields and retry time, and never more than 4 KiB of details", async () => {
    const { url, devnet, nodes: names } = await benches.open({ devnet: { nodes: 1 } });
    const sessionManager = new Http2SessionManager(url);
    const api = createClient(ClientService, createGrpcTransport({ baseUrl: url, sessionManager }));
    const long = "ü".repeat(500);
    const [node = ""] = names;
    await devnet.node(0).stop();
    const failures = await Promise.all(
      [
        api.createContainer(at(node)),
        api.getContainer({ container: long }),
        api.getContainer({ container: `nodes/45.0.0.1:1/containers/${"a".repeat(128)}` }),
        api.createGroup({ containers: Array.from({ length: 1_000 }, () => "") }),
        api.createGroup({ containers: Array.from({ length: 900 }, () => long) }),
        api.listContainers({ filter: `${long} = 1` }),
        api.createContainer({ ...at(node), spec: { labels: { [long]: long } } }),
        api.getGroup({ group: "grp-none" }),
      ].map(failureOf),
    );
    sessionManager.abort();
    for (const failure of failures) {
      const { code, domain, fields, isRetryable, detailBytes, text } = failure;
      expect(domain).toBe("client.p2prc");
      expect(detailBytes).toBeGreaterThan(0);
      expect(detailBytes).toBeLessThanOrEqual(4_096);
      expect(text.length).toBeLessThan(16_384);
      expect(fields.length > 0).toBe(code === Code.InvalidArgument);
      expect(isRetryable).toBe(code === Code.Unavailable || code === Code.ResourceExhausted);
    }
    expect(failures.map(({ reason }) => reason)).toEqual([
      "NODE_UNREACHABLE",
      "INVALID_CONTAINER_NAME",
      "CONTAINER_NOT_TRACKED",
      "INVALID_REQUEST",
      "INVALID_CONTAINER_NAME",
      "INVALID_FILTER",
      "INVALID_SPEC",
      "GROUP_NOT_FOUND",
    ]);
  });
});

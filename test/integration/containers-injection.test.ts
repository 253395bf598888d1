/** Texts of callers on their way to nodes: 500 of the worst through every field, and no node hears of any. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { makeKeyPair } from "../../src/containers/keys/openssh-key.js";
import { BadRequestSchema, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import { WaitContainerRequest_Condition } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { type Api, at, ContainerBench, type OpenBench } from "../support/container-bench.js";
import { injections } from "../support/injections.js";

const benches = new ContainerBench();
let bench: OpenBench;
/** All calls of a remote caller on one connection. */
let api: Api;
let sessionManager: Http2SessionManager;

beforeAll(async () => {
  bench = await benches.open({ devnet: { nodes: 1 } });
  sessionManager = new Http2SessionManager(bench.url);
  api = createClient(ClientService, createGrpcTransport({ baseUrl: bench.url, sessionManager }));
});
afterAll(async () => {
  sessionManager.abort();
  await benches.release();
});

/** Texts that a message can hold: protobuf has no lone surrogates, and larger messages are not read at all. */
function textsAround(valid: string): readonly string[] {
  const texts = [...injections(valid)].map(([, text]) => text);
  return [...new Set(texts)].filter((text) => text !== "" && text.length < 20_000 && !/\p{Cs}/u.test(text));
}

/** Calls with every text, a few at once. @returns those that were not refused as they should be */
async function notRefused(
  texts: readonly string[],
  field: string,
  call: (text: string, index: number) => Promise<unknown>,
): Promise<readonly string[]> {
  const passed: string[] = [];
  const entries = texts.entries();
  const work = async (): Promise<void> => {
    for (const [index, text] of entries) {
      const failure: unknown = await call(text, index).then(
        () => undefined,
        (error: unknown) => error,
      );
      const error = ConnectError.from(failure);
      const [violation] = error.findDetails(BadRequestSchema)[0]?.fieldViolations ?? [];
      const isRefused =
        error.code === Code.InvalidArgument &&
        violation?.field === field &&
        error.findDetails(ErrorInfoSchema)[0]?.domain === "client.p2prc";
      if (!isRefused)
        passed.push(
          `${JSON.stringify(text.slice(0, 200))}: ${error.message} at ${violation?.field ?? "nothing"}`,
        );
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return passed;
}

describe("500 texts that a shell, a URL or a terminal could misread", () => {
  const key = makeKeyPair("me@host").publicLine;
  const id = "eqLNDEiVeXBBXHRpcpCBtU";
  const group = "grp3f2b1c9e-2b3c-4d5e-8f90-123456789abc";
  const nameOf = (text: string): string => `${bench.nodes[0] ?? ""}/containers/${text}`;
  const create = (fields: object): Promise<unknown> =>
    api.createContainer({ ...at(bench.nodes[0] ?? ""), ...fields });
  // `~` begins the name of what has no id yet, which is a grammar of its own, and sent to no node.
  const isNoIntent = (text: string): boolean => !text.startsWith("~");
  const onContainers = [
    (container: string) => api.getContainer({ container }),
    (container: string) => api.getContainerAccess({ container }),
    (container: string) =>
      api.waitContainer({ container, condition: WaitContainerRequest_Condition.PORT_OPEN }),
    (container: string) => api.removeContainer({ container, forgetOnly: true }),
  ];
  const onGroups = [
    (name: string) => api.getGroup({ group: name }),
    (name: string) => api.removeGroup({ group: name, removeContainers: true }),
    (name: string) => api.addContainersToGroup({ group: name, containers: [nameOf(id)] }),
    (name: string) => api.removeContainersFromGroup({ group: name, containers: [nameOf(id)] }),
  ];

  it.each<[string, () => readonly string[], string, (text: string, index: number) => Promise<unknown>]>([
    ["an image", () => textsAround("p2p-ubuntu"), "spec.image", (image) => create({ spec: { image } })],
    [
      "a base image",
      () => textsAround("ubuntu:22.04"),
      "spec.base_image",
      (baseImage) => create({ spec: { baseImage } }),
    ],
    [
      "a key",
      () => textsAround(key),
      "spec.ssh_public_key",
      (sshPublicKey) => create({ spec: { sshPublicKey } }),
    ],
    [
      "an address",
      () => textsAround((bench.nodes[0] ?? "").slice("nodes/".length)),
      "node",
      (node) => api.createContainer(at(node)),
    ],
    ["a group to join", () => textsAround(group), "group", (name) => create({ group: name })],
    [
      "the id of a container to remove",
      () => textsAround(id).filter(isNoIntent),
      "container",
      (text) => api.removeContainer({ container: nameOf(text) }),
    ],
    [
      // An operator's removal reaches the node also for what is not tracked.
      "the id of a container that an operator removes",
      () => textsAround(id).filter(isNoIntent),
      "container",
      (text) => bench.operator.removeContainer({ container: nameOf(text) }),
    ],
    [
      "the address of a container that an operator removes",
      () => textsAround((bench.nodes[0] ?? "").slice("nodes/".length)),
      "container",
      (text) => bench.operator.removeContainer({ container: `nodes/${text}/containers/${id}` }),
    ],
    [
      "the name of a container elsewhere",
      () => textsAround(id).filter(isNoIntent),
      "container",
      (text, index) => onContainers[index % onContainers.length]!(nameOf(text)),
    ],
    [
      "the name of a group",
      () => textsAround(group),
      "group",
      (text, index) => onGroups[index % onGroups.length]!(text),
    ],
  ])("are refused as %s, and none reaches a node", async (_, textsOf, field, call) => {
    const texts = textsOf();
    expect(texts.length).toBeGreaterThanOrEqual(485);
    expect(await notRefused(texts, field, call)).toEqual([]);
    expect(bench.devnet.ledger.calls).toEqual([]);
    expect(bench.devnet.ledger.creates.length + bench.devnet.ledger.removals.length).toBe(0);
  });

  it("are refused as members of a group, and none reaches a node", async () => {
    const { group: made } = await api.createGroup({});
    const texts = textsAround(id).filter(isNoIntent);
    const call = (text: string, index: number): Promise<unknown> => {
      const request = { group: made?.name ?? "", containers: [nameOf(text)] };
      const calls = [
        () => api.createGroup({ containers: request.containers }),
        () => api.addContainersToGroup(request),
        () => api.removeContainersFromGroup(request),
      ];
      return calls[index % calls.length]!();
    };
    expect(await notRefused(texts, "containers[0]", call)).toEqual([]);
    expect(bench.devnet.ledger.calls).toEqual([]);
  });
});

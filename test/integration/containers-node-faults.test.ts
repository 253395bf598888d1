/** Nodes that fail, through a real gateway: what the caller hears, what stays tracked, and what the node's ledger says. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ContainerCreate } from "../../src/devnet/contract.js";
import type { FaultName } from "../../src/devnet/faults.js";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { at, ContainerBench, eventually, type OpenBench, refusal } from "../support/container-bench.js";
import { type Answer, RawNode, sends } from "../support/raw-node.js";

const benches = new ContainerBench();
let bench: OpenBench;
/** Unlike that of any other test: nobody takes the port of a node that is down. */
const firstAddress = "127.0.93.1";
const rawNodes: RawNode[] = [];

beforeAll(async () => {
  bench = await benches.open({ devnet: { slowDelayMs: 300, firstAddress } });
});
afterEach(async () => {
  bench.devnet.nodes.forEach((_, index) => bench.devnet.node(index).setFault(undefined));
  await forgetAll();
  for (const node of rawNodes.splice(0)) await node.close();
});
afterAll(() => benches.release());

const node = (index: number): string => bench.nodes[index] ?? "";

/** Tests share a gateway: each leaves it empty. */
async function forgetAll(): Promise<void> {
  for (const { name } of (await bench.api.listContainers({})).containers)
    await bench.api.removeContainer({ container: name, forgetOnly: true });
}

async function shown(): Promise<string[]> {
  const { containers } = await bench.api.listContainers({});
  return containers.map(({ state, stateReason }) => `${Container_State[state]} ${stateReason}`);
}

/** What the ledger has of a creation that names its base image. */
const createsOf = (baseImage: string, { devnet } = bench): readonly ContainerCreate[] =>
  devnet.ledger.creates.filter(({ query }) => query["BaseImage"] === baseImage);

async function rawNode(answer: Answer): Promise<string> {
  const opened = await RawNode.open(answer);
  rawNodes.push(opened);
  const address = `127.0.0.1:${String(opened.port)}`;
  await bench.api.addNode({ address });
  return `nodes/${address}`;
}

describe("a creation", () => {
  const lost: readonly FaultName[] = [
    "cut-create",
    "reset-create",
    "drop-create",
    "shell-id-create",
    "huge-id-create",
    "empty-id-create",
    "html-create",
    "broken-json-create",
    "huge-body-create",
    "endless-create",
  ];

  it.each(lost)("is unknown, listed and never repeated when the node has the fault %s", async (fault) => {
    const baseImage = `lost:${fault}`;
    bench.devnet.node(0).setFault(fault);
    const asked = { ...at(node(0)), spec: { baseImage }, requestId: fault };
    const { reason, metadata } = await refusal(bench.api.createContainer(asked));
    expect([reason, metadata["node"]]).toEqual(["CREATE_OUTCOME_UNKNOWN", node(0)]);
    bench.devnet.node(0).setFault(undefined);
    // The same call has the same answer, also once the entry is closed.
    expect(await refusal(bench.api.createContainer(asked))).toEqual({ reason, metadata });
    expect(await shown()).toEqual(["UNKNOWN CREATE_OUTCOME_UNKNOWN"]);
    const { container } = await bench.api.removeContainer({
      container: metadata["intent"] ?? "",
      forgetOnly: true,
    });
    expect([container?.id, container?.state]).toEqual(["", Container_State.REMOVED]);
    expect(await refusal(bench.api.createContainer(asked))).toEqual({ reason, metadata });
    expect(createsOf(baseImage)).toHaveLength(1);
    expect(
      bench.devnet.ledger.calls.filter(({ path }) => path.includes(encodeURIComponent(baseImage))),
    ).toHaveLength(1);
  });

  it.each([
    ["has no such image", { image: "nope" }, "IMAGE_NOT_OFFERED"],
    ["cannot build the base image", { baseImage: "does-not-build" }, "NODE_REFUSED_REQUEST"],
  ])("leaves nothing behind when the node %s", async (_, spec, reason) => {
    const refused = await refusal(bench.api.createContainer({ ...at(node(0)), spec }));
    expect([refused.reason, refused.metadata["intent"]]).toEqual([reason, undefined]);
    expect(await shown()).toEqual([]);
  });

  it.each(["status500-untold-create", "atoi-create"] as const)(
    "stays listed where %s may have made a container",
    async (fault) => {
      bench.devnet.node(0).setFault(fault);
      const { reason, metadata } = await refusal(bench.api.createContainer(at(node(0))));
      expect([reason, metadata["http_status"]]).toEqual(["NODE_REFUSED_REQUEST", "500"]);
      const { container } = await bench.api.getContainer({ container: metadata["intent"] ?? "" });
      expect([container?.state, container?.stateReason]).toEqual([
        Container_State.UNKNOWN,
        "NODE_REFUSED_REQUEST",
      ]);
    },
  );

  it("stays listed where a GPU was wanted and Docker could not start the container it had made", async () => {
    const { reason, metadata } = await refusal(
      bench.api.createContainer({ ...at(node(0)), spec: { gpu: true, baseImage: "gpu:1" } }),
    );
    expect([reason, await shown()]).toEqual(["NODE_REFUSED_REQUEST", ["UNKNOWN NODE_REFUSED_REQUEST"]]);
    expect(metadata["intent"]).toContain("/containers/~");
    expect(createsOf("gpu:1").map(({ id, isTold }) => [id !== undefined, isTold])).toEqual([[true, false]]);
  });

  it("is removed again when the node answers 500 with a container, and kept by those who ask for it", async () => {
    bench.devnet.node(0).setFault("status500-told-create");
    const asked = { ...at(node(0)), spec: { baseImage: "told:1" } };
    const { reason, metadata } = await refusal(bench.api.createContainer(asked));
    const [made] = createsOf("told:1");
    const name = `${node(0)}/containers/${made?.id ?? ""}`;
    expect([reason, metadata]).toEqual(["CREATE_ROLLED_BACK", { container: name, http_status: "500" }]);
    expect(made?.removedAt).toBeDefined();
    expect((await bench.api.getContainer({ container: name })).container).toMatchObject({
      state: Container_State.REMOVED,
      stateReason: "ROLLED_BACK",
    });
    const kept = await bench.api.createContainer({ ...asked, keepOnNodeError: true });
    expect(kept.container).toMatchObject({
      state: Container_State.ACTIVE,
      stateReason: "CREATED_WITH_ERROR",
    });
    expect(createsOf("told:1").map(({ removedAt }) => removedAt === undefined)).toEqual([false, true]);
  });

  it("that cannot be removed again stays tracked, and the same call has the same answer", async () => {
    const vm = { ID: "abcdef123", SSHUsername: "root", Ports: { Port: null } };
    const place = await rawNode((socket, request) =>
      (request.path.startsWith("/startcontainer")
        ? sends(`error: Publickey not passed${JSON.stringify(vm)}`, 500)
        : sends("error: exit status 1success", 500))(socket, request),
    );
    const asked = { ...at(place), requestId: "not-rolled-back" };
    const refused = await refusal(bench.api.createContainer(asked));
    const metadata = { container: `${place}/containers/abcdef123`, http_status: "500" };
    expect(refused).toEqual({ reason: "NODE_REFUSED_REQUEST", metadata });
    expect(await shown()).toEqual(["REMOVE_FAILED NODE_REFUSED_REMOVAL"]);
    expect(await refusal(bench.api.createContainer(asked))).toEqual(refused);
  });

  it.each([
    ["404", sends("404 page not found", 404), "NODE_REFUSED_REQUEST", []],
    ["500 without a word", sends("", 500), "NODE_REFUSED_REQUEST", ["UNKNOWN NODE_REFUSED_REQUEST"]],
    [
      "500 with an error nobody has measured",
      sends("error: no space left on devicenull", 500),
      "NODE_REFUSED_REQUEST",
      ["UNKNOWN NODE_REFUSED_REQUEST"],
    ],
    [
      "a redirect",
      sends("", 302, { Location: "http://127.0.0.1:1/" }),
      "CREATE_OUTCOME_UNKNOWN",
      ["UNKNOWN CREATE_OUTCOME_UNKNOWN"],
    ],
    ["200 and nothing", sends(""), "CREATE_OUTCOME_UNKNOWN", ["UNKNOWN CREATE_OUTCOME_UNKNOWN"]],
    ["200 and null", sends("null"), "CREATE_OUTCOME_UNKNOWN", ["UNKNOWN CREATE_OUTCOME_UNKNOWN"]],
  ])("answered with %s is judged by what that can mean", async (_, answer, reason, listed) => {
    const place = await rawNode(answer);
    expect((await refusal(bench.api.createContainer(at(place)))).reason).toBe(reason);
    expect(await shown()).toEqual(listed);
    expect(rawNodes[0]?.paths.filter((path) => path.startsWith("/startcontainer"))).toHaveLength(1);
  });

  it("of which nothing was sent is free to be tried again with the same request id", async () => {
    await bench.devnet.node(0).stop();
    const asked = { ...at(node(0)), requestId: "again" };
    expect((await refusal(bench.api.createContainer(asked))).reason).toBe("NODE_UNREACHABLE");
    expect(await shown()).toEqual([]);
    await bench.devnet.node(0).start();
    expect((await bench.api.createContainer(asked)).replayed).toBe(false);
  });

  it("answered long after the container exists is a container", async () => {
    bench.devnet.node(0).setFault("slow-create");
    const { container } = await bench.api.createContainer({ ...at(node(0)), spec: { baseImage: "slow:1" } });
    expect(container?.id).toBe(createsOf("slow:1")[0]?.id);
  });
});

describe("an id", () => {
  it("that a node gives twice stays the first container's; the second one is unknown", async () => {
    bench.devnet.node(0).setFault("fixed-id-create");
    const first = await bench.api.createContainer({ ...at(node(0)), spec: { baseImage: "twice:1" } });
    const { reason, metadata } = await refusal(
      bench.api.createContainer({ ...at(node(0)), spec: { baseImage: "twice:1" } }),
    );
    expect(reason).toBe("CREATE_OUTCOME_UNKNOWN");
    expect((await bench.api.getContainer({ container: metadata["intent"] ?? "" })).container).toMatchObject({
      state: Container_State.UNKNOWN,
      stateReason: "DUPLICATE_ID",
    });
    expect((await bench.api.getContainer({ container: first.container?.name ?? "" })).container).toEqual(
      first.container,
    );
    expect(createsOf("twice:1").map(({ id }) => id)).toEqual([first.container?.id, first.container?.id]);
  });

  it("that two nodes give is two containers: to remove one leaves the other, and its groups", async () => {
    const names: string[] = [];
    for (const index of [0, 1]) {
      bench.devnet.node(index).setFault("fixed-id-create");
      names.push((await bench.api.createContainer(at(node(index)))).container?.name ?? "");
      bench.devnet.node(index).setFault(undefined);
    }
    const { group } = await bench.api.createGroup({ containers: names });
    const removedBefore = bench.devnet.ledger.removals.length;
    await bench.api.removeContainer({ container: names[0] ?? "" });
    expect((await bench.api.getGroup({ group: group?.name ?? "" })).group?.containers).toEqual(
      names.slice(1),
    );
    expect((await bench.api.getContainer({ container: names[1] ?? "" })).container?.state).toBe(
      Container_State.ACTIVE,
    );
    expect(
      bench.devnet.ledger.removals.slice(removedBefore).map((removal) => `nodes/${removal.node}`),
    ).toEqual([node(0)]);
    expect(bench.devnet.node(1).containers.map(({ vm }) => vm.id)).toContain(names[1]?.split("/").at(-1));
  });

  it("that a shell would run never comes back to a node, nor to a caller", async () => {
    bench.devnet.node(2).setFault("shell-id-create");
    const { metadata } = await refusal(bench.api.createContainer(at(node(2))));
    const evil = bench.devnet.node(2).containers.at(-1)?.vm.id ?? "";
    expect(evil).toContain("$(touch owned)");
    const calls = bench.devnet.ledger.calls.length;
    for (const container of [
      `${node(2)}/containers/${evil}`,
      `${node(2)}/containers/${encodeURIComponent(evil)}`,
    ]) {
      const { reason } = await refusal(bench.api.removeContainer({ container }));
      expect(["INVALID_CONTAINER_NAME", "INVALID_REQUEST"]).toContain(reason);
      expect((await refusal(bench.operator.removeContainer({ container }))).reason).toBe(reason);
    }
    await bench.api.removeContainer({ container: metadata["intent"] ?? "", forgetOnly: true });
    expect(bench.devnet.ledger.calls).toHaveLength(calls);
    expect(
      JSON.stringify((await bench.api.listContainers({ showRemoved: true })).containers, bigints),
    ).not.toContain("touch owned");
  });
});

const bigints = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

describe("a removal", () => {
  it.each([
    ["cut-remove", "REMOVE_OUTCOME_UNKNOWN", true],
    ["reset-remove", "REMOVE_OUTCOME_UNKNOWN", true],
    ["status500-remove", "REMOVE_FAILED", true],
    ["stuck-remove", "REMOVE_FAILED", false],
  ] as const)("with the fault %s fails as %s, and can be asked for again", async (fault, reason, isGone) => {
    const { container } = await bench.api.createContainer(at(node(0)));
    const name = container?.name ?? "";
    bench.devnet.node(0).setFault(fault);
    expect((await refusal(bench.api.removeContainer({ container: name }))).reason).toBe(reason);
    const why = reason === "REMOVE_FAILED" ? "NODE_REFUSED_REMOVAL" : reason;
    expect(await shown()).toEqual([`REMOVE_FAILED ${why}`]);
    bench.devnet.node(0).setFault(undefined);
    const again = bench.api.removeContainer({ container: name });
    // Nodes do not tell "already gone" from "failed".
    if (isGone) expect((await refusal(again)).reason).toBe("REMOVE_FAILED");
    else expect((await again).nodeMessage).toBe("success");
    const asked = bench.devnet.ledger.removals.filter(({ id }) => id === container?.id);
    expect(asked).toHaveLength(2);
  });

  it.each([
    ["an empty body", sends("")],
    ["a web page", sends("<html>Log in</html>", 200, { "Content-Type": "text/html" })],
    ["JSON", sends("{}")],
    ["an error with status 200", sends("error: exit status 1success")],
    ["half a word", sends("succ")],
  ])("confirmed with %s and status 200 is not taken for done", async (_, answer) => {
    const vm = { ID: "abcdef123", SSHUsername: "root", Ports: { Port: null } };
    const place = await rawNode((socket, request) =>
      (request.path.startsWith("/startcontainer") ? sends(JSON.stringify(vm)) : answer)(socket, request),
    );
    const { container } = await bench.api.createContainer(at(place));
    const { reason } = await refusal(bench.api.removeContainer({ container: container?.name ?? "" }));
    expect(["REMOVE_OUTCOME_UNKNOWN", "REMOVE_FAILED"]).toContain(reason);
    expect((await shown())[0]).toMatch(/^REMOVE_FAILED /);
  });

  it("for a node that is not there leaves the container as it was", async () => {
    const { container } = await bench.api.createContainer(at(node(1)));
    await bench.devnet.node(1).stop();
    const name = container?.name ?? "";
    expect((await refusal(bench.api.removeContainer({ container: name }))).reason).toBe("NODE_UNREACHABLE");
    expect((await bench.api.getContainer({ container: name })).container?.state).toBe(Container_State.ACTIVE);
    await bench.devnet.node(1).start();
    expect((await bench.api.removeContainer({ container: name })).nodeMessage).toBe("success");
  });
});

describe("a node that dies within its answer", () => {
  const whole = 1_000_000;

  it.each([0, 1, 12, 60, 150, 400, whole])(
    "after %d bytes leaves a container that is tracked or listed",
    async (bytes) => {
      const own = await benches.open({
        devnet: { nodes: 1, firstAddress: "127.0.94.1", containers: { replyCutAfterBytes: bytes } },
      });
      own.devnet.node(0).setFault("crash-create");
      const asked = { ...at(own.nodes[0] ?? ""), requestId: "once" };
      const answer = await own.api.createContainer(asked).then(
        ({ container }) => container?.id,
        (error: unknown) => ConnectError.from(error).code,
      );
      const made = own.devnet.ledger.creates;
      expect(made).toHaveLength(1);
      expect(answer).toBe(bytes === whole ? made[0]?.id : Code.Unknown);
      await eventually(async () => expect(own.devnet.node(0).isListening).toBe(false));
      const { containers } = await own.api.listContainers({});
      expect(containers.map(({ id, state }) => [id, state])).toEqual([
        bytes === whole ? [made[0]?.id, Container_State.ACTIVE] : ["", Container_State.UNKNOWN],
      ]);
      await own.devnet.node(0).start();
      await own.api.createContainer(asked).catch(() => undefined);
      expect(own.devnet.ledger.creates).toHaveLength(1);
    },
  );
});

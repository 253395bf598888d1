/** The rules that hold for calls about containers and groups, over the wire: etags, request ids, dry runs, limits. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { makeKeyPair } from "../../src/containers/keys/openssh-key.js";
import { Container_State, type ContainerSpecSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { at, ContainerBench, failureOf, type OpenBench } from "../support/container-bench.js";
import { importedName, writeTrackingFiles } from "../support/tracked-files.js";

interface CreateRequest {
  readonly placement?: ReturnType<typeof at>["placement"];
  readonly spec?: MessageInitShape<typeof ContainerSpecSchema>;
  readonly group?: string;
  readonly keepOnNodeError?: boolean;
}

const benches = new ContainerBench();
let bench: OpenBench;
const node = (index = 0): string => bench.nodes[index] ?? "";

beforeAll(async () => {
  bench = await benches.open({ devnet: { slowDelayMs: 1_500, containers: { listens: false } } });
});
afterAll(() => benches.release());

const create = async (request: CreateRequest = {}): Promise<string> =>
  (await bench.api.createContainer({ ...at(node()), ...request })).container?.name ?? "";
const makeGroup = async (...containers: string[]): Promise<string> =>
  (await bench.api.createGroup({ containers })).group?.name ?? "";
const revision = async (): Promise<string> => (await bench.api.listGroups({ pageSize: 1 })).revision;

describe("an etag", () => {
  it("that is stale aborts every change of a container, and changes nothing", async () => {
    const name = await create();
    const { container } = await bench.api.getContainer({ container: name });
    await makeGroup(name);
    const before = await revision();
    const asked = bench.devnet.ledger.removals.length;
    for (const forgetOnly of [false, true]) {
      const call = bench.api.removeContainer({ container: name, etag: container?.etag ?? "", forgetOnly });
      expect(await failureOf(call)).toMatchObject({
        code: Code.Aborted,
        reason: "ETAG_MISMATCH",
        metadata: { container: name },
      });
    }
    expect([await revision(), bench.devnet.ledger.removals.length]).toEqual([before, asked]);
    const { container: now } = await bench.api.getContainer({ container: name });
    await bench.api.removeContainer({ container: name, etag: now?.etag ?? "" });
  });

  it("that is stale aborts every change of a group, and changes nothing", async () => {
    const [first, second] = [await create(), await create()];
    const group = await makeGroup(first);
    const { group: made } = await bench.api.getGroup({ group });
    const { group: grown } = await bench.api.addContainersToGroup({
      group,
      containers: [second],
      etag: made?.etag ?? "",
    });
    expect(grown?.etag).not.toBe(made?.etag);
    const before = await revision();
    const etag = made?.etag ?? "";
    for (const call of [
      bench.api.addContainersToGroup({ group, containers: [second], etag }),
      bench.api.removeContainersFromGroup({ group, containers: [second], etag }),
      bench.api.removeGroup({ group, etag }),
      bench.api.removeGroup({ group, etag, removeContainers: true }),
    ]) {
      expect(await failureOf(call)).toMatchObject({
        code: Code.Aborted,
        reason: "ETAG_MISMATCH",
        metadata: { group },
      });
    }
    expect(await revision()).toBe(before);
    const { group: shrunk } = await bench.api.removeContainersFromGroup({
      group,
      containers: [first],
      etag: grown?.etag ?? "",
    });
    expect((await bench.api.removeGroup({ group, etag: shrunk?.etag ?? "" })).removed).toBe(true);
  });

  it("stays the same while nothing changes, and in every answer", async () => {
    const { container } = await bench.api.createContainer(at(node()));
    const name = container?.name ?? "";
    const group = await makeGroup();
    const listed = await bench.api.listContainers({ filter: `name = "${name}"` });
    expect(listed.containers[0]?.etag).toBe(container?.etag);
    expect((await bench.api.getContainer({ container: name })).container?.etag).toBe(container?.etag);
    const { group: same } = await bench.api.removeContainersFromGroup({ group, containers: [name] });
    expect(same?.etag).toBe((await bench.api.getGroup({ group })).group?.etag);
  });

  it("guards the closing of an intent", async () => {
    bench.devnet.node(1).setFault("cut-create");
    const { metadata } = await failureOf(bench.api.createContainer(at(node(1))));
    bench.devnet.node(1).setFault(undefined);
    const container = metadata["intent"] ?? "";
    const call = bench.api.removeContainer({ container, forgetOnly: true, etag: '"other"' });
    expect((await failureOf(call)).reason).toBe("ETAG_MISMATCH");
    const { container: shown } = await bench.api.getContainer({ container });
    await bench.api.removeContainer({ container, forgetOnly: true, etag: shown?.etag ?? "" });
  });
});

describe("a request id", () => {
  it("with any other argument is refused, and reaches no node", async () => {
    const group = await makeGroup();
    const first = { ...at(node()), requestId: "args", spec: { portCount: 1, labels: { a: "1" } } };
    await bench.api.createContainer(first);
    const count = bench.devnet.ledger.creates.length;
    const others: CreateRequest[] = [
      at(node(1)),
      { spec: { portCount: 2, labels: { a: "1" } } },
      { spec: { portCount: 1, labels: { a: "2" } } },
      { spec: { portCount: 1, labels: { a: "1" }, image: "docker-ubuntu-sshd" } },
      { spec: { portCount: 1, labels: { a: "1" }, baseImage: "ubuntu:22.04" } },
      { spec: { portCount: 1, labels: { a: "1" }, sshPublicKey: makeKeyPair("a").publicLine } },
      { spec: { portCount: 1, labels: { a: "1" }, gpu: true } },
      { group },
      { keepOnNodeError: true },
    ];
    for (const other of others) {
      expect(await failureOf(bench.api.createContainer({ ...first, ...other }))).toMatchObject({
        code: Code.InvalidArgument,
        reason: "REQUEST_ID_REUSED",
        fields: ["request_id"],
      });
    }
    const again = await bench.api.createContainer({ ...first, ...at(node().slice("nodes/".length)) });
    expect(again.replayed).toBe(true);
    expect(bench.devnet.ledger.creates).toHaveLength(count);
  });

  it("of a container that has left since is answered with it as it is now", async () => {
    const asked = { ...at(node()), requestId: "left" };
    const { container } = await bench.api.createContainer(asked);
    await bench.api.removeContainer({ container: container?.name ?? "" });
    const again = await bench.api.createContainer(asked);
    expect([again.replayed, again.container?.name, again.access]).toEqual([true, container?.name, undefined]);
  });

  it("makes one group, whoever repeats it, and refuses other members", async () => {
    const [one, two] = [await create(), await create()];
    const asked = { containers: [one], requestId: "group-1" };
    const answers = await Promise.all(Array.from({ length: 8 }, () => bench.api.createGroup(asked)));
    expect(new Set(answers.map(({ group }) => group?.name)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    for (const call of [
      bench.api.createGroup({ ...asked, containers: [two] }),
      bench.api.createGroup({ ...asked, containers: [one, two] }),
      bench.api.createContainer({ ...at(node()), requestId: "group-1" }),
    ]) {
      expect(await failureOf(call)).toMatchObject({ reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
    }
    await bench.api.createContainer({ ...at(node()), requestId: "container-1" });
    expect((await failureOf(bench.api.createGroup({ requestId: "container-1" }))).reason).toBe(
      "REQUEST_ID_REUSED",
    );
  });

  it.each(["with space", "x".repeat(129), "ü", "a/b", "\n"])(
    "that is none (%j) is refused",
    async (requestId) => {
      for (const call of [
        bench.api.createContainer({ ...at(node()), requestId }),
        bench.api.createGroup({ requestId }),
      ])
        expect(await failureOf(call)).toMatchObject({ reason: "INVALID_REQUEST", fields: ["request_id"] });
    },
  );
});

describe("a creation that is only checked", () => {
  it("writes nothing, asks nobody, and shows what would be asked for", async () => {
    const group = await makeGroup();
    const before = await revision();
    const calls = bench.devnet.ledger.calls.length;
    const spec = { portCount: 3, labels: { role: "render" }, baseImage: "ubuntu:22.04" };
    const answer = await bench.api.createContainer({
      ...at(node()),
      spec,
      group,
      requestId: "dry",
      validateOnly: true,
    });
    expect(answer.container).toMatchObject({
      name: "",
      id: "",
      etag: "",
      node: node(),
      groups: [group],
      spec,
    });
    expect([answer.access, answer.replayed]).toEqual([undefined, false]);
    expect([await revision(), bench.devnet.ledger.calls.length]).toEqual([before, calls]);
    // The request id is still free.
    expect((await bench.api.createContainer({ ...at(node()), requestId: "dry" })).replayed).toBe(false);
  });

  it("tells what an earlier call with its request id was answered, and refuses other arguments", async () => {
    const asked = { ...at(node()), requestId: "checked" };
    const first = await bench.api.createContainer(asked);
    const checked = await bench.api.createContainer({ ...asked, validateOnly: true });
    expect([checked.container, checked.access, checked.replayed]).toEqual([first.container, undefined, true]);
    const other = bench.api.createContainer({ ...asked, spec: { gpu: true }, validateOnly: true });
    expect(await failureOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED", fields: ["request_id"] });
    bench.devnet.node(1).setFault("cut-create");
    const lost = { ...at(node(1)), requestId: "checked-lost" };
    const { metadata } = await failureOf(bench.api.createContainer(lost));
    bench.devnet.node(1).setFault(undefined);
    expect(await failureOf(bench.api.createContainer({ ...lost, validateOnly: true }))).toMatchObject({
      reason: "CREATE_OUTCOME_UNKNOWN",
      metadata,
    });
  });

  it("shows a creation of its request id that is under way, and does not wait for it", async () => {
    bench.devnet.node(1).setFault("slow-create");
    const asked = { ...at(node(1)), requestId: "under-way" };
    const creating = bench.api.createContainer(asked);
    let checked = await bench.api.createContainer({ ...asked, validateOnly: true });
    while (!checked.replayed) checked = await bench.api.createContainer({ ...asked, validateOnly: true });
    expect(checked.container).toMatchObject({ id: "", state: Container_State.PENDING, node: node(1) });
    expect(checked.container?.name).toContain("/containers/~");
    bench.devnet.node(1).setFault(undefined);
    expect((await creating).container?.id).not.toBe("");
  });

  it.each<[string, CreateRequest]>([
    ["INVALID_SPEC", { spec: { image: "../x" } }],
    ["GROUP_NOT_FOUND", { group: "groups/grp-none" }],
    ["NODE_NOT_FOUND", at("127.9.9.9:9")],
    ["INVALID_ADDRESS", at("not an address")],
    ["INVALID_REQUEST", { spec: { portCount: 65 } }],
  ])("is refused with %s as the real one is", async (reason, request) => {
    for (const validateOnly of [true, false]) {
      const call = bench.api.createContainer({ ...at(node()), ...request, validateOnly });
      expect((await failureOf(call)).reason).toBe(reason);
    }
  });
});

describe("limits", () => {
  it("are 1,000 members of a group", async () => {
    const own = await benches.open({
      devnet: { nodes: 1 },
      prepare: (base) => writeTrackingFiles(base, 1_001),
    });
    const names = Array.from({ length: 1_001 }, (_, n) => importedName(n));
    expect(await failureOf(own.api.createGroup({ containers: names }))).toMatchObject({
      code: Code.InvalidArgument,
      fields: ["containers"],
    });
    const { group } = await own.api.createGroup({ containers: names.slice(1).reverse() });
    expect(group?.containers).toEqual(names.slice(1).reverse());
    const full = { group: group?.name ?? "", containers: names.slice(0, 1) };
    expect(await failureOf(own.api.addContainersToGroup(full))).toMatchObject({
      code: Code.InvalidArgument,
      fields: ["containers"],
      reason: "GROUP_FULL",
      metadata: { group: group?.name },
    });
    const { group: less } = await own.api.removeContainersFromGroup({
      ...full,
      containers: names.slice(1, 2),
    });
    expect(less?.containerCount).toBe(999);
    const { group: again } = await own.api.addContainersToGroup(full);
    expect(again?.containers.at(-1)).toBe(names[0]);
    expect((await own.api.removeGroup({ group: full.group })).removed).toBe(true);
  });

  it("are 16 groups of a container, which it leaves together", async () => {
    const name = await create();
    const groups: string[] = [];
    for (let n = 0; n < 16; n += 1) groups.push(await makeGroup(name));
    const other = await makeGroup();
    for (const call of [
      bench.api.addContainersToGroup({ group: other, containers: [name] }),
      bench.api.createGroup({ containers: [name] }),
    ]) {
      expect(await failureOf(call)).toMatchObject({
        code: Code.InvalidArgument,
        fields: ["containers"],
        reason: "TOO_MANY_GROUPS",
        metadata: { container: name },
      });
    }
    const before = await revision();
    await bench.api.removeContainer({ container: name });
    const messages = [];
    for await (const message of bench.api.watch({ startRevision: before })) {
      messages.push(message.changes.length);
      if (messages.length === 2) break;
    }
    // First it is being removed; then it goes, from everywhere at once.
    expect(messages).toEqual([1, 17]);
    const { groups: left } = await bench.api.listGroups({ pageSize: 1_000 });
    const emptied = left.filter((group) => groups.includes(group.name));
    expect(emptied.map(({ containerCount }) => containerCount)).toEqual(groups.map(() => 0));
  });

  it("are 2 KiB and 64 of labels, 64 ports and one line of a key", async () => {
    const call = (spec: CreateRequest["spec"]): Promise<unknown> =>
      bench.api.createContainer({ ...at(node()), spec: spec ?? {}, validateOnly: true });
    const labels = (bytes: number): Record<string, string> => ({ key: "ü".repeat((bytes - 4) / 2), k: "" });
    await call({ labels: labels(2_048) });
    expect(await failureOf(call({ labels: labels(2_050) }))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "INVALID_SPEC",
      fields: ["spec.labels"],
    });
    const many = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${String(n)}`, ""]));
    await call({ labels: many(64), portCount: 64 });
    expect((await failureOf(call({ labels: many(65) }))).fields).toEqual(["spec.labels"]);
    expect((await failureOf(call({ portCount: 65 }))).fields).toEqual(["spec.port_count"]);
    expect((await failureOf(call({ portCount: -1 }))).fields).toEqual(["spec.port_count"]);
    const { publicLine } = makeKeyPair("a");
    expect((await failureOf(call({ sshPublicKey: `${publicLine}\n${publicLine}` }))).fields).toEqual([
      "spec.ssh_public_key",
    ]);
  });
});

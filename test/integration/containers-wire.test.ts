/** Containers and groups over the wire: a real gateway, nodes on loopback. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { Change_Type, WatchResponse_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { at, ContainerBench, refusal } from "../support/container-bench.js";

const benches = new ContainerBench();
afterEach(() => benches.release());

describe("a container", () => {
  it("is created, tracked, listed and removed again", async () => {
    const { api, devnet, nodes } = await benches.open();
    const [node = ""] = nodes;
    const { container, access } = await api.createContainer({
      ...at(node),
      spec: { portCount: 2, labels: { role: "render" } },
    });
    expect(container).toMatchObject({ node, state: Container_State.ACTIVE, groups: [] });
    expect(container?.ports.length).toBe(3);
    expect(access).toMatchObject({ sshUsername: "root", sshPassword: "" });
    expect(access?.sshPort).toBeGreaterThan(0);
    const name = container?.name ?? "";
    const listed = await api.listContainers({ filter: "spec.labels.role = render" });
    expect(listed.containers.map((one) => one.name)).toEqual([name]);
    expect((await api.getContainer({ container: name })).container).toEqual(container);

    const removed = await api.removeContainer({ container: name });
    expect(removed.nodeMessage).toBe("success");
    expect((await api.listContainers({})).containers).toEqual([]);
    expect((await api.getContainer({ container: name })).container?.state).toBe(Container_State.REMOVED);
    expect(devnet.node(0).containers).toEqual([]);
  });

  it("leaves every group as it is removed, in one commit", async () => {
    const { api, nodes } = await benches.open();
    const made = await Promise.all(nodes.map((node) => api.createContainer(at(node))));
    const names = made.map(({ container }) => container?.name ?? "");
    const { group } = await api.createGroup({ containers: names });
    const { group: other } = await api.createGroup({ containers: names.slice(0, 1) });
    expect(group?.containers).toEqual(names);
    const { revision } = await api.listGroups({});
    await api.removeContainer({ container: names[0] ?? "" });
    expect((await api.getGroup({ group: group?.id ?? "" })).group?.containers).toEqual(names.slice(1));
    expect((await api.getGroup({ group: other?.name ?? "" })).group?.containers).toEqual([]);
    const messages = [];
    for await (const message of api.watch({ startRevision: revision })) {
      messages.push(message);
      if (messages.length === 2) break;
    }
    const gone = messages[1]?.changes ?? [];
    expect(gone.map(({ type, item }) => [item.case, type])).toEqual([
      ["container", Change_Type.REMOVED],
      ["group", Change_Type.MODIFIED],
      ["group", Change_Type.MODIFIED],
    ]);
  });

  it("is watched from its beginning to its end", async () => {
    const { api, nodes } = await benches.open();
    const types: WatchResponse_Type[] = [];
    const seen: string[] = [];
    let name = "";
    for await (const message of api.watch({ sendInitialState: true })) {
      types.push(message.type);
      if (message.type === WatchResponse_Type.INITIAL_DONE) {
        name = (await api.createContainer(at(nodes[0] ?? ""))).container?.name ?? "";
        await api.removeContainer({ container: name });
      }
      for (const { type, item } of message.changes) {
        if (item.case === "container")
          seen.push(
            `${Change_Type[type]} ${Container_State[item.value.state]} ${String(item.value.name === name)}`,
          );
      }
      if (seen.at(-1)?.startsWith("REMOVED REMOVED") === true) break;
    }
    expect(seen).toEqual([
      "ADDED PENDING false",
      "REMOVED PENDING false",
      "ADDED ACTIVE true",
      "MODIFIED REMOVING true",
      "REMOVED REMOVED true",
    ]);
  });

  it("is created once for a request id, whoever repeats it", async () => {
    const { api, devnet, nodes } = await benches.open();
    const asked = { ...at(nodes[1] ?? ""), requestId: "one-and-only" };
    const answers = await Promise.all(Array.from({ length: 16 }, () => api.createContainer(asked)));
    expect(new Set(answers.map(({ container }) => container?.name)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect((await api.createContainer(asked)).replayed).toBe(true);
    expect(devnet.ledger.creates).toHaveLength(1);
    expect(await refusal(api.createContainer({ ...asked, spec: { portCount: 1 } }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
  });

  it("whose answer is lost stays listed as unresolved, and is never asked for again", async () => {
    const { api, devnet, nodes } = await benches.open();
    devnet.node(0).setFault("cut-create");
    const { reason, metadata } = await refusal(
      api.createContainer({ ...at(nodes[0] ?? ""), requestId: "lost" }),
    );
    expect(reason).toBe("CREATE_OUTCOME_UNKNOWN");
    const { containers } = await api.listContainers({});
    expect(containers.map(({ name, state }) => [name, state])).toEqual([
      [metadata["intent"], Container_State.UNKNOWN],
    ]);
    expect(await refusal(api.createContainer({ ...at(nodes[0] ?? ""), requestId: "lost" }))).toMatchObject({
      reason: "CREATE_OUTCOME_UNKNOWN",
    });
    expect(devnet.ledger.creates).toHaveLength(1);
    await api.removeContainer({ container: metadata["intent"] ?? "", forgetOnly: true });
    expect((await api.listContainers({})).containers).toEqual([]);
  });
});

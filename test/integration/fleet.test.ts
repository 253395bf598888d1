/** Several gateways on one Redis work as one. */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, it } from "@jest/globals";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { type Container, Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type WatchResponse, WatchResponse_Type } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { at, eventually } from "../support/container-bench.js";
import { Fleet, type Member } from "../support/fleet.js";
import { requireOneState } from "../support/one-state.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const opened: Fleet[] = [];
afterEach(async () => {
  for (const fleet of opened.splice(0)) await fleet[Symbol.asyncDispose]();
});

async function aPair(options: Parameters<typeof Fleet.open>[0] = {}): Promise<[Member, Member, Fleet]> {
  const fleet = await Fleet.open(options);
  opened.push(fleet);
  return [await fleet.join(), await fleet.join(), fleet];
}

describe("two gateways on one Redis", () => {
  it("show what the other one confirmed, to readers and to watchers", async () => {
    const [a, b, fleet] = await aPair();
    const leaving = new AbortController();
    const messages = b.api
      .watch({ sendInitialState: true }, { signal: leaving.signal })
      [Symbol.asyncIterator]();
    const next = async (): Promise<WatchResponse> => (await messages.next()).value as WatchResponse;
    expect((await next()).type).toBe(WatchResponse_Type.INITIAL_DONE);
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    const names: string[] = [];
    while (!names.includes(container!.name)) {
      const { changes } = await next();
      names.push(...changes.map(({ item }) => (item.value as Container).name));
    }
    leaving.abort();
    expect((await b.api.getContainer({ container: container!.name })).container).toEqual(container);
    const { group } = await b.api.createGroup({ containers: [container!.name] });
    await b.api.removeContainer({ container: container!.name });
    expect(fleet.devnet.ledger.removals.map(({ node }) => `nodes/${node}`)).toEqual([fleet.nodes[0]]);
    await eventually(async () => {
      const seen = await a.api.listContainers({ showRemoved: true });
      expect(seen.containers.map(({ state }) => state)).toEqual([Container_State.REMOVED]);
    });
    expect((await a.api.getGroup({ group: group!.name })).containers).toEqual([]);
  });

  it("act on what the other one has just made, however late they hear of it", async () => {
    const fleet = await Fleet.open();
    opened.push(fleet);
    const proxy = await TcpProxy.start(fleet.redis.port);
    fleet.defer(() => proxy[Symbol.asyncDispose]());
    const [a, b] = [await fleet.join(), await fleet.join({ redisUrl: proxy.url })];
    const { socketPath } = b.app;
    const operator = createClient(
      ClientService,
      createConnectTransport({ baseUrl: "http://b", httpVersion: "1.1", nodeOptions: { socketPath } }),
    );
    proxy.latencyMs = 300;
    const removed = await a.api.createContainer(at(fleet.nodes[0]!));
    // A container that nobody tracks the operator may remove past the state: this one is tracked.
    await operator.removeContainer({ container: removed.container!.name });
    const kept = await a.api.createContainer(at(fleet.nodes[0]!));
    const { group } = await b.api.createGroup({ containers: [kept.container!.name] });
    expect(group!.containers).toEqual([kept.container!.name]);
    const made = await a.api.createGroup({});
    await b.api.addContainersToGroup({ group: made.group!.name, containers: [kept.container!.name] });
    proxy.latencyMs = 0;
    await requireOneState([a, b], fleet.devnet);
    expect((await a.api.listContainers({})).containers.map(({ id }) => id)).toEqual([kept.container!.id]);
  });

  it("are both let in by a new container, so that either runs plugins on it", async () => {
    const [a, b, fleet] = await aPair();
    const keysOf = async (member: Member): Promise<readonly string[]> => {
      const before = fleet.devnet.ledger.creates.length;
      await member.api.createContainer(at(fleet.nodes[0]!));
      const { query } = fleet.devnet.ledger.creates[before]!;
      return Buffer.from(query["PublicKey"] ?? "", "base64")
        .toString()
        .trimEnd()
        .split("\n");
    };
    // Each makes itself known as it starts, off everybody's path.
    await eventually(async () => {
      const [ofA, ofB] = [await keysOf(a), await keysOf(b)];
      expect(ofA).toHaveLength(2);
      expect(ofB).toEqual(ofA.toReversed());
    });
  });

  it("take a request_id for one, whichever of them it comes to, at once or later", async () => {
    const [a, b, fleet] = await aPair({ devnet: { containers: { createDelayMs: 300 } } });
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const answers = await Promise.all(
      Array.from({ length: 16 }, (_, n) => (n % 2 === 0 ? a : b).api.createContainer(request)),
    );
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
    expect(new Set(answers.map(({ container }) => container!.name)).size).toBe(1);
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
    expect(answers.filter(({ access }) => access?.sshPort === 0)).toEqual([]);
    const later = await b.api.createContainer(request);
    expect([later.container!.name, later.replayed]).toEqual([answers[0]!.container!.name, true]);
    const other = b.api.createContainer({ ...request, spec: { portCount: 2 } });
    await expect(other).rejects.toMatchObject({ code: Code.InvalidArgument });
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
  });

  it("let a request_id try again on the other one when the first call never reached its node", async () => {
    const [a, b, fleet] = await aPair();
    const [node] = fleet.devnet.nodes;
    await fleet.devnet.node(node!.address).stop();
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const failures = await Promise.all(
      [a, b, a, b].map(({ api }) =>
        api.createContainer(request).catch((error: unknown) => ConnectError.from(error).code),
      ),
    );
    expect(failures).toEqual([Code.Unavailable, Code.Unavailable, Code.Unavailable, Code.Unavailable]);
    await fleet.devnet.node(node!.address).start();
    const { replayed } = await b.api.createContainer(request);
    expect([replayed, fleet.devnet.ledger.creates.length]).toEqual([false, 1]);
  });

  it("ask a node once for a removal that both are asked for", async () => {
    const [a, b, fleet] = await aPair({ devnet: { containers: { removeDelayMs: 2_000 } } });
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    await eventually(async () => expect((await b.api.listContainers({})).containers).toHaveLength(1));
    const name = { container: container!.name };
    const answers = await Promise.all([a, b, a, b].map(({ api }) => api.removeContainer(name)));
    expect(answers.map(({ nodeMessage }) => nodeMessage.trim())).toEqual(Array(4).fill("success"));
    expect(answers.map((answer) => answer.container!.state)).toEqual(Array(4).fill(Container_State.REMOVED));
    expect(fleet.devnet.ledger.removals).toHaveLength(1);
  });

  it("keep one state through races of creations, groups and removals, in their files too", async () => {
    const [a, b, fleet] = await aPair();
    const sides = [a, b];
    const groups = await Promise.all(sides.map(({ api }) => api.createGroup({ containers: [] })));
    const names = groups.map(({ group }) => group!.name);
    const confirmed = new Set<string>();
    const worker = async (n: number): Promise<void> => {
      const { api } = sides[n % 2]!;
      const other = sides[(n + 1) % 2]!.api;
      for (let round = 0; round < 4; round += 1) {
        const placement = at(fleet.nodes[(n + round) % 3]!);
        const { container } = await api.createContainer({ ...placement, group: names[round % 2]! });
        confirmed.add(container!.name);
        const membership = { group: names[(round + 1) % 2]!, containers: [container!.name] };
        // The other gateway may see the container a moment later: refusals are answers too.
        await Promise.allSettled([
          other.addContainersToGroup(membership),
          api.removeContainersFromGroup({ group: names[round % 2]!, containers: [container!.name] }),
        ]);
        if (round % 2 === 0) continue;
        const removals = await Promise.allSettled(
          [api, other].map((one) => one.removeContainer({ container: container!.name })),
        );
        expect(removals.map(({ status }) => status)).toContain("fulfilled");
        confirmed.delete(container!.name);
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, n) => worker(n)));
    await a.api.removeGroup({ group: names[0]! });
    const { containers } = await a.api.listContainers({ pageSize: 1_000 });
    expect(new Set(containers.map(({ name }) => name))).toEqual(confirmed);
    const removed = fleet.devnet.ledger.removals.map(({ node, id }) => `${node} ${id}`);
    expect(new Set(removed).size).toBe(removed.length);
    await requireOneState(sides, fleet.devnet);
  });

  it("have one of them say which containers are reachable, and the other one when it leaves", async () => {
    const fleet = await Fleet.open();
    opened.push(fleet);
    const flags = { lookInterval: "1" };
    const [a, b] = [await fleet.join({ flags }), await fleet.join({ flags })];
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    const [node] = fleet.devnet.nodes;
    const stateAt = async ({ api }: Member): Promise<Container_State> =>
      (await api.getContainer({ container: container!.name })).container!.state;
    await fleet.devnet.node(node!.address).stop({ machineToo: true });
    await eventually(async () => expect(await stateAt(b)).toBe(Container_State.UNREACHABLE));
    await a.app.close();
    await fleet.devnet.node(node!.address).start();
    const { containers } = await b.api.listContainers({});
    expect(containers.map(({ state }) => state)).toEqual([Container_State.UNREACHABLE]);
    const next = await b.api.createContainer(at(fleet.nodes[1]!));
    await fleet.devnet.node(fleet.devnet.nodes[1]!.address).stop({ machineToo: true });
    await eventually(async () =>
      expect((await b.api.getContainer({ container: next.container!.name })).container!.state).toBe(
        Container_State.UNREACHABLE,
      ),
    );
  });
});

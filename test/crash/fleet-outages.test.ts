/** Redis goes away and comes back below gateways that work on. */
import { readFileSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../src/gen/grpc/health/v1/health_pb.js";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { redisLimits } from "../../src/store/limits.js";
import { at, eventually } from "../support/container-bench.js";
import { runCli } from "../support/cli.js";
import { Fleet, type Member } from "../support/fleet.js";
import { requireOneState } from "../support/one-state.js";
import { TcpProxy } from "../support/tcp-proxy.js";

const healthOf = async ({ url }: Member): Promise<Status> => {
  const client = createClient(Health, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  return (await client.check({})).status;
};

/** Lists the containers. @returns their names, and how old the answer says it is */
async function listed({ api }: Member): Promise<{ names: string[]; ageMs: number | undefined }> {
  const ages: number[] = [];
  const onHeader = (headers: Headers): void => {
    const age = headers.get("p2prc-state-age-ms");
    if (age !== null) ages.push(Number(age));
  };
  const { containers } = await api.listContainers({}, { onHeader });
  return { names: containers.map(({ name }) => name), ageMs: ages[0] };
}

const failureOf = async (call: Promise<unknown>): Promise<ConnectError> =>
  await call.then(
    () => {
      throw new Error("the call went well");
    },
    (error: unknown) => ConnectError.from(error),
  );

describe("while Redis is away", () => {
  it("changes are refused before a node is asked, and reads go on and say how old they are", async () => {
    await using fleet = await Fleet.open();
    const a = await fleet.join();
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    expect(await listed(a)).toEqual({ names: [container!.name], ageMs: undefined });
    expect(await healthOf(a)).toBe(Status.SERVING);
    await fleet.redis.kill();
    await eventually(async () => expect(await healthOf(a)).toBe(Status.NOT_SERVING));
    const calls = [
      a.api.createContainer({ ...at(fleet.nodes[0]!), requestId: "one" }),
      a.api.removeContainer({ container: container!.name }),
      a.api.createGroup({ containers: [container!.name] }),
    ];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason]).toEqual([
        Code.Unavailable,
        "STATE_STORE_UNAVAILABLE",
      ]);
      expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
    }
    const [earlier, later] = [await listed(a), await listed(a)];
    expect(earlier.names).toEqual([container!.name]);
    expect(earlier.ageMs).toBeGreaterThanOrEqual(0);
    expect(later.ageMs).toBeGreaterThanOrEqual(earlier.ageMs!);
    // Another gateway may have made it by now.
    const untracked = await failureOf(a.api.getContainer({ container: `${container!.name}0` }));
    expect(untracked.code).toBe(Code.NotFound);
    expect(Number(untracked.metadata.get("p2prc-state-age-ms"))).toBeGreaterThanOrEqual(later.ageMs!);
    expect(a.app.state()).toMatchObject({ backend: "redis", behindSinceMs: expect.any(Number) });
    expect([fleet.devnet.ledger.creates.length, fleet.devnet.ledger.removals.length]).toEqual([1, 0]);
    await fleet.redis.startAgain();
    await eventually(async () => expect(await healthOf(a)).toBe(Status.SERVING));
    expect((await listed(a)).ageMs).toBeUndefined();
    const { replayed } = await a.api.createContainer({ ...at(fleet.nodes[0]!), requestId: "one" });
    expect(replayed).toBe(false);
    expect(a.app.state().counters?.reconnects).toBeGreaterThan(0);
    await requireOneState([a], fleet.devnet);
  });

  it("answers say how long it has been silent, and not since when that was noticed", async () => {
    await using fleet = await Fleet.open();
    const a = await fleet.join();
    fleet.redis.freeze();
    // An answer may have been on its way.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const frozenMs = Date.now();
    let [askedMs, ageMs]: [number, number | undefined] = [0, undefined];
    for (let look = 0; look < 200 && ageMs === undefined; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      askedMs = Date.now();
      ({ ageMs } = await listed(a));
    }
    expect(ageMs).toBeGreaterThanOrEqual(askedMs - frozenMs);
    fleet.redis.thaw();
    await eventually(async () => expect((await listed(a)).ageMs).toBeUndefined());
  });

  it("the first changes since it fell silent are refused as not done for certain, and ask no node", async () => {
    await using fleet = await Fleet.open();
    const a = await fleet.join();
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    const asked = { ...at(fleet.nodes[0]!), requestId: "one" };
    fleet.redis.freeze();
    // Until the last answer is no sign of life any more.
    await new Promise((resolve) => setTimeout(resolve, 5 * redisLimits.freshMs));
    const calls = [
      a.api.createContainer(asked),
      a.api.removeContainer({ container: container!.name }),
      a.api.createGroup({ containers: [container!.name] }),
    ];
    for (const error of await Promise.all(calls.map(failureOf))) {
      expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({
        reason: "STATE_STORE_UNAVAILABLE",
        metadata: { outcome: "not_done" },
      });
    }
    const { creates, removals } = fleet.devnet.ledger;
    expect([creates.length, removals.length]).toEqual([1, 0]);
    fleet.redis.thaw();
    await eventually(async () => expect((await a.api.createContainer(asked)).replayed).toBe(false));
    await requireOneState([a], fleet.devnet);
    expect((await a.api.listGroups({})).groups).toEqual([]);
  });

  it("no gateway starts: it says why and ends, and makes no state of its own", async () => {
    await using fleet = await Fleet.open();
    const a = await fleet.join();
    await a.app.close();
    await fleet.redis.stop();
    const argv = ["serve", "--listen", "127.0.0.1:0", "--base", a.baseDir, "--public-ip", "off"];
    const ended = await runCli([...argv, "--redis", fleet.redis.url, "--log-level", "silent"], {
      cwd: a.baseDir,
    });
    expect(ended).toMatchObject({ code: 1, out: "", err: expect.stringMatching(/^p2prc: .*Redis/) });
    const without = await runCli(argv, { cwd: a.baseDir });
    expect(without).toMatchObject({ code: 2, err: expect.stringContaining("in Redis, namespace default") });
  });
});

describe("a call that waits for what another gateway does, while Redis is away", () => {
  it.each([
    ["creation", { createDelayMs: 18_000 }],
    ["removal", { removeDelayMs: 18_000 }],
  ])("is told so after a while, without a deadline of its own: a %s", async (what, containers) => {
    await using fleet = await Fleet.open({ devnet: { containers } });
    const [a, b] = [await fleet.join(), await fleet.join()];
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const call =
      what === "creation"
        ? ({ api }: Member): Promise<unknown> => api.createContainer(request)
        : await removalOf(a, fleet);
    const first = call(a).catch(() => undefined);
    await eventually(async () => {
      const [container] = (await b.api.listContainers({})).containers;
      expect([Container_State.PENDING, Container_State.REMOVING]).toContain(container?.state);
    });
    const joined = failureOf(call(b));
    await fleet.redis.kill();
    const error = await joined;
    expect([error.code, error.findDetails(ErrorInfoSchema)[0]?.reason]).toEqual([
      Code.Unavailable,
      "STATE_STORE_UNAVAILABLE",
    ]);
    await fleet.redis.startAgain();
    await first;
  });

  it("goes on where Redis comes back in time", async () => {
    await using fleet = await Fleet.open({ devnet: { containers: { createDelayMs: 3_000 } } });
    const [a, b] = [await fleet.join(), await fleet.join()];
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const first = a.api.createContainer(request);
    await eventually(async () => expect((await listed(b)).names).toHaveLength(1));
    const joined = b.api.createContainer(request);
    await fleet.redis.kill();
    await eventually(async () => expect(await healthOf(b)).toBe(Status.NOT_SERVING));
    await fleet.redis.startAgain();
    const [made, again] = await Promise.all([first, joined]);
    expect([again.container!.name, again.replayed]).toEqual([made.container!.name, true]);
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
  });
});

async function removalOf(a: Member, fleet: Fleet): Promise<(member: Member) => Promise<unknown>> {
  const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
  return async ({ api }) => await api.removeContainer({ container: container!.name });
}

describe("a Redis that is killed and started again under traffic", () => {
  it("loses nothing that was confirmed, and no node is asked twice", async () => {
    await using fleet = await Fleet.open();
    const members = [await fleet.join(), await fleet.join()];
    const kept = new Set<string>();
    let isOver = false;
    /** Calls again with the same request id, on the other gateway, until there is an answer. */
    const create = async (n: number, round: number): Promise<string> => {
      const request = { ...at(fleet.nodes[n % 3]!), requestId: `${String(n)}-${String(round)}` };
      for (let tries = n; ; tries += 1) {
        try {
          return (await members[tries % 2]!.api.createContainer(request)).container!.name;
        } catch (error) {
          if (ConnectError.from(error).code !== Code.Unavailable) throw error;
        }
      }
    };
    const worker = async (n: number): Promise<void> => {
      for (let round = 0; !isOver; round += 1) {
        const name = await create(n, round);
        kept.add(name);
        if (round % 3 !== 2) continue;
        // One that gets no answer may still be done when Redis is back.
        kept.delete(name);
        await members[n % 2]!.api.removeContainer({ container: name }).catch(() => undefined);
      }
    };
    const workers = Array.from({ length: 4 }, (_, n) => worker(n));
    for (let outage = 0; outage < 3; outage += 1) {
      const count = kept.size;
      await eventually(async () => {
        await Promise.resolve();
        expect(kept.size).toBeGreaterThan(count + 3);
      });
      await fleet.redis.kill();
      await eventually(async () => expect(await healthOf(members[0]!)).toBe(Status.NOT_SERVING));
      await fleet.redis.startAgain();
    }
    await eventually(async () => expect(await healthOf(members[0]!)).toBe(Status.SERVING));
    isOver = true;
    await Promise.all(workers);
    for (const member of members) {
      await eventually(async () => {
        const { containers } = await member.api.listContainers({ pageSize: 1_000 });
        const names = containers.map(({ name }) => name);
        expect([...kept].filter((name) => !names.includes(name))).toEqual([]);
      });
    }
    expect(fleet.devnet.ledger.creates.length).toBeGreaterThanOrEqual(12);
    const asked = new Set(fleet.devnet.ledger.creates.map(({ node, id }) => `${node} ${id ?? ""}`));
    expect(asked.size).toBe(fleet.devnet.ledger.creates.length);
    await requireOneState(members, fleet.devnet);
  });
});

describe("a Redis that is flushed", () => {
  it("gets back what the gateways have seen, and no file is emptied meanwhile", async () => {
    await using fleet = await Fleet.open();
    const members = [await fleet.join(), await fleet.join()];
    const made = await Promise.all(
      fleet.nodes.map((node, n) => members[n % 2]!.api.createContainer(at(node))),
    );
    const names = made.map(({ container }) => container!.name).sort();
    // What the other gateway confirmed is seen a moment later.
    await requireOneState(members, fleet.devnet);
    const { group } = await members[0]!.api.createGroup({ containers: names });
    await requireOneState(members, fleet.devnet);
    const tracked = join(members[1]!.baseDir, "client/trackcontainers/trackcontainers.json");
    const written: string[] = [];
    const watching = watch(dirname(tracked), () => written.push(readFileSync(tracked, "utf8")));
    fleet.defer(() => watching.close());
    expect(await fleet.redis.ask("FLUSHALL")).toBe("OK");
    // Refused before the node is asked, if the gateway has not found out and begun anew by then.
    await members[1]!.api.createContainer(at(fleet.nodes[0]!)).catch((error: unknown) => {
      expect(ConnectError.from(error).code).toBe(Code.Unavailable);
      expect(fleet.devnet.ledger.creates).toHaveLength(3);
    });
    for (const { api } of members) {
      await eventually(async () => {
        const { groups } = await api.listGroups({});
        expect(groups.map(({ id, containers }) => [id, [...containers].sort()])).toEqual([
          [group!.id, names],
        ]);
      });
    }
    await requireOneState(members, fleet.devnet);
    for (const text of written) expect(text).toContain(made[0]!.container!.id);
  });

  it("stays without what was removed, where a gateway that had not heard of it comes first and writes to it", async () => {
    await using fleet = await Fleet.open();
    const ways = [await TcpProxy.start(fleet.redis.port), await TcpProxy.start(fleet.redis.port)] as const;
    for (const way of ways) fleet.defer(() => way[Symbol.asyncDispose]());
    const ahead = await fleet.join({ redisUrl: ways[0].url });
    const behind = await fleet.join({ redisUrl: ways[1].url });
    const [kept, removed] = [
      await ahead.api.createContainer(at(fleet.nodes[0]!)),
      await ahead.api.createContainer(at(fleet.nodes[1]!)),
    ].map(({ container }) => container!.name);
    await ahead.api.createGroup({ containers: [kept!, removed!] });
    await requireOneState([ahead, behind], fleet.devnet);
    ways[1].hold("replies");
    await ahead.api.removeContainer({ container: removed! });
    ways[0].hold("replies");
    expect(await fleet.redis.ask("FLUSHALL")).toBe("OK");
    await ways[1].release();
    ways[1].reset();
    await eventually(async () => {
      const { group } = await behind.api.createGroup({ containers: [removed!] });
      expect(group!.containers).toEqual([removed]);
    });
    expect((await behind.api.listContainers({})).containers).toHaveLength(2);
    await ways[0].release();
    ways[0].reset();
    await eventually(async () => {
      for (const { api } of [ahead, behind]) expect((await listed({ api } as Member)).names).toEqual([kept]);
    });
    await requireOneState([ahead, behind], fleet.devnet);
  });

  it("while no gateway runs is told by the tracking files of the next one what there was", async () => {
    await using fleet = await Fleet.open();
    const { api, app, baseDir } = await fleet.join();
    const { container } = await api.createContainer(at(fleet.nodes[0]!));
    const name = container!.name;
    const { group } = await api.createGroup({ containers: [name] });
    await app.close();
    expect(await fleet.redis.ask("FLUSHALL")).toBe("OK");
    const next = await fleet.join({ baseDir });
    const { containers } = await next.api.listContainers({});
    const { groups } = await next.api.listGroups({});
    expect(containers.map((one) => one.name)).toEqual([name]);
    expect(groups.map(({ id, containers: members }) => [id, members])).toEqual([[group!.id, [name]]]);
  });
});

/** Gateways that share a Redis, each `p2prc serve` in a process of its own: how soon one shows what another did, and what two do together. */
import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import {
  CreateGroupRequestSchema,
  CreateGroupResponseSchema,
  RemoveGroupRequestSchema,
  RemoveGroupResponseSchema,
} from "../src/gen/p2prc/client/v1/group_pb.js";
import { RedisServer } from "../test/support/redis-server.js";
import { processorMsOf } from "./processor-time.js";
import { RawConnection } from "./raw-calls.js";
import { type ServedGateway, serveGateway } from "./served-gateway.js";
import { type BenchRow, median, p99, rowOf } from "./table.js";
import { unlooked } from "./tracked-folder.js";

const perSecond = 50;
/** Changes that the callers have under way together. */
const callers = 64;
const createGroup = {
  name: "CreateGroup",
  asked: CreateGroupRequestSchema,
  answered: CreateGroupResponseSchema,
};
const removeGroup = {
  name: "RemoveGroup",
  asked: RemoveGroupRequestSchema,
  answered: RemoveGroupResponseSchema,
};

export async function benchRedisGateways(
  commits: number,
  runs: number,
  secondsPerRun: number,
): Promise<BenchRow[]> {
  // As docs advise; fsync once a second.
  await using redis = await RedisServer.start({ settings: { appendonly: "yes" } });
  const gateways: ServedGateway[] = [];
  const serve = async (namespace: string): Promise<ServedGateway> => {
    const flags = ["--redis", redis.url, "--namespace", namespace, ...unlooked];
    const gateway = await serveGateway({ flags });
    gateways.push(gateway);
    return gateway;
  };
  try {
    // Two that share a state, and one that has another for itself: they rest while they are not asked.
    const [a, b, alone] = [await serve("two"), await serve("two"), await serve("one")];
    return [
      ...(await benchArrival(a, b, commits)),
      ...(await benchTwo({ a, b, alone, redis }, runs, secondsPerRun)),
    ];
  } finally {
    for (const gateway of gateways) await gateway.close();
  }
}

/** From the call on A, over gRPC, until a watcher on B has the change, over gRPC. */
async function benchArrival(a: ServedGateway, b: ServedGateway, commits: number): Promise<BenchRow[]> {
  // The first second warms up.
  const count = perSecond + commits;
  const arrivedMs = new Map<string, number>();
  const reading = (async () => {
    // With the initial state, none is missed: a group that is there already is told of too.
    for await (const { changes } of b.client.watch({ sendInitialState: true })) {
      const nowMs = performance.now();
      for (const { item } of changes) if (item.case === "group") arrivedMs.set(item.value.name, nowMs);
      if (arrivedMs.size === count) break;
    }
  })();
  const startMs = performance.now();
  const calls: Promise<readonly [name: string, calledMs: number]>[] = [];
  for (let index = 0; index < count; index += 1) {
    await delay(Math.max(0, startMs + (index * 1_000) / perSecond - performance.now()));
    const calledMs = performance.now();
    calls.push(a.client.createGroup({}).then(({ group }) => [group?.name ?? "", calledMs] as const));
  }
  const made = await Promise.all(calls);
  await reading;
  for (const [group] of made) await a.client.removeGroup({ group });
  const times = made
    .slice(perSecond)
    .map(([name, calledMs]) => (arrivedMs.get(name) ?? Number.NaN) - calledMs);
  const name = `Redis: call on gateway A to watcher on gateway B, ${perSecond} commits/s`;
  const row = { name, unit: "ms", against: "50 ms", target: "<= 1" } as const;
  return [
    rowOf(
      row,
      times,
      times.map(() => 50),
    ),
    rowOf({ ...row, name: `${name}: p99` }, [p99(times)], [50]),
  ];
}

interface Fleet {
  readonly a: ServedGateway;
  readonly b: ServedGateway;
  readonly alone: ServedGateway;
  readonly redis: RedisServer;
}

/** What one commit took, in microseconds: of the clock, and of the processor in each program. */
interface Cost {
  readonly wall: number;
  readonly gateways: number;
  readonly redis: number;
  readonly callers: number;
}

async function benchTwo({ a, b, alone, redis }: Fleet, runs: number, seconds: number): Promise<BenchRow[]> {
  const [one, two]: [Cost[], Cost[]] = [[], []];
  for (let run = -1; run < runs; run += 1) {
    // In turns, so that what else the machine does falls on both.
    const ofOne = await costOf([alone], redis, seconds);
    const ofTwo = await costOf([a, b], redis, seconds);
    // The first runs warm up.
    if (run < 0) continue;
    one.push(ofOne);
    two.push(ofTwo);
  }
  const cores = cpus().length;
  const used = ({ wall, gateways, redis, callers: asking }: Cost): number =>
    sumOf([gateways, redis, asking]) / wall;
  const compare = (name: string, key: keyof Cost, target: string): BenchRow =>
    rowOf(
      {
        name: `Redis: two gateways, ${callers} callers: ${name}`,
        unit: "us",
        against: "one gateway",
        target,
      },
      two.map((cost) => cost[key]),
      one.map((cost) => cost[key]),
    );
  const possible = median(two.map((cost) => leastWall(cost, cores))) / median(one.map(({ wall }) => wall));
  return [
    compare("a commit", "wall", `(${cores} cores for 4 programs allow ${possible.toFixed(2)})`),
    compare("processor time of a commit in the gateways", "gateways", "(told)"),
    compare("processor time of a commit in redis-server", "redis", "(told)"),
    compare("processor time of a commit in the callers", "callers", "(told)"),
    rowOf(
      {
        name: `Redis: two gateways, ${callers} callers: processors in use, of ${cores}`,
        unit: "cores",
        against: "one gateway",
        target: "(told)",
      },
      two.map(used),
      one.map(used),
    ),
  ];
}

/** What these programs need for a commit if nothing else holds them up: no program, nor all together, has more than there is. */
function leastWall({ gateways, redis, callers: asking }: Cost, cores: number): number {
  return Math.max(gateways / 2, redis, asking, sumOf([gateways, redis, asking]) / cores);
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0);

/** Callers make groups and remove them, so that there are never many. */
async function costOf(
  gateways: readonly ServedGateway[],
  redis: RedisServer,
  seconds: number,
): Promise<Cost> {
  const connections = gateways.map(({ url }) => new RawConnection(url));
  const pids = { gateways: gateways.map(({ pid }) => pid), redis: [redis.pid], callers: [process.pid] };
  const usedMs = async (ids: readonly number[]): Promise<number> => {
    return sumOf(await Promise.all(ids.map(processorMsOf)));
  };
  const look = async () => ({
    gateways: await usedMs(pids.gateways),
    redis: await usedMs(pids.redis),
    callers: await usedMs(pids.callers),
  });
  const before = await look();
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let commits = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, index) => {
      const connection = connections[index % connections.length];
      while (connection !== undefined && performance.now() < endMs) {
        const { group } = await connection.call(createGroup, {});
        await connection.call(removeGroup, { group: group?.name ?? "" });
        commits += 2;
      }
    }),
  );
  const wallMs = performance.now() - startMs;
  const after = await look();
  for (const connection of connections) connection.close();
  const per = (ms: number): number => (ms * 1_000) / commits;
  return {
    wall: per(wallMs),
    gateways: per(after.gateways - before.gateways),
    redis: per(after.redis - before.redis),
    callers: per(after.callers - before.callers),
  };
}

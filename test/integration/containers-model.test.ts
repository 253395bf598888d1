/**
 * The API of containers against a simple model: whatever callers, nodes and time do, one after the other, on each store. A
 * failure prints its seed and the commands. `MODEL_RUNS=5000` for the long version.
 */
import { toJson } from "@bufbuild/protobuf";
import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { ContainerSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { WatchRequest_Kind } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { eventually } from "../support/container-bench.js";
import { expectAgreement, expectFullView } from "../support/containers-agreement.js";
import type { Real } from "../support/command-parts.js";
import { commands } from "../support/containers-commands.js";
import { ContainersModel } from "../support/containers-model.js";
import { type ContainersRoom, openContainersRoom } from "../support/containers-room.js";
import { openFleetRoom } from "../support/fleet-room.js";
import { settle } from "../support/fake-clock.js";
import { type Backend, backends, openRedisStores } from "../support/store-backends.js";
import { type TapFilter, WatchTap } from "../support/watch-tap.js";

const runs = Number(process.env["MODEL_RUNS"] ?? 100);

const filters: readonly TapFilter[] = [
  {},
  {},
  { containerFilter: "spec.labels.role = render" },
  { containerFilter: "state = ACTIVE", groupFilter: "container_count > 0" },
  { kinds: [WatchRequest_Kind.GROUP] },
];

/** Each watcher that left and came back was told what one of the same filter was told that never left. */
async function expectSameStories({ room, taps }: Real): Promise<void> {
  const { containers } = await room.api.listContainers({ pageSize: 1_000 });
  const { groups } = await room.api.listGroups({ pageSize: 1_000 });
  for (const tap of taps) tap.connect();
  const fresh = taps.map(({ filter }) => new WatchTap(room.api, filter));
  for (const tap of fresh) tap.connect();
  const [steady] = taps;
  await room.quiet();
  for (let turn = 0; turn < 20; turn += 1) await settle();
  // Who came back is led through the history, which a store on another machine has to be asked for.
  await eventually(async () => {
    for (const [at, tap] of taps.entries()) {
      expect(Object.fromEntries(tap.seen)).toEqual(Object.fromEntries(fresh[at]!.seen));
      // Nothing is told that the steady one was not told, nothing twice, and all in its order.
      const known = steady!.commits.filter((revision) => tap.commits.includes(revision));
      expect(tap.commits).toEqual(known);
    }
    expectFullView(steady!, containers, groups, (one) => JSON.stringify(toJson(ContainerSchema, one)));
    await Promise.resolve();
  });
  await Promise.all([...taps, ...fresh].map((tap) => tap.disconnect()));
}

async function expectInvariants(model: ContainersModel, room: ContainersRoom): Promise<void> {
  await room.stop();
  const tracked = [...model.containers.keys()].filter((name) => model.isTracked(name)).sort();
  const groups = Object.fromEntries(
    [...model.groups].map(([name, members]) => [name.slice("groups/".length), members] as const),
  );
  expect(await room.filed()).toEqual({ containers: tracked, groups });
}

interface Opened {
  readonly room: ContainersRoom;
  /** After the room is closed. */
  readonly destroy: () => Promise<void>;
}

async function onStore(backend: Backend): Promise<Opened> {
  const state = await backend.create();
  return {
    room: await openContainersRoom({ store: state.store }),
    destroy: async () => await state.destroy(),
  };
}

async function onOneRedis(gatewayCount: number): Promise<Opened> {
  const opened = await openRedisStores(gatewayCount);
  return { room: await openFleetRoom(opened.stores), destroy: opened.destroy };
}

// What waits for a disk, or for sockets, lives fewer lives.
const rows = [
  {
    name: "one gateway, its state in memory",
    lifeCount: runs,
    open: async (): Promise<Opened> => ({ room: await openContainersRoom(), destroy: async () => undefined }),
  },
  ...backends.map((backend) => ({
    name: `one gateway, its state in ${backend.name}`,
    lifeCount: Math.ceil(runs / 4),
    open: () => onStore(backend),
  })),
  {
    name: "three gateways on one Redis, each call to another",
    lifeCount: Math.ceil(runs / 4),
    open: () => onOneRedis(3),
  },
];

it.each(rows)(
  "$name: does what a simple model says, in $lifeCount lives of up to 40 commands",
  async ({ open, lifeCount }) => {
    const life = fc.asyncProperty(commands, async (some) => {
      const { room, destroy } = await open();
      const taps = filters.map((filter) => new WatchTap(room.api, filter));
      try {
        for (const tap of taps) tap.connect();
        const real = { room, taps };
        const model = new ContainersModel();
        const checked = [...some].map((one) => ({
          check: (now: ContainersModel) => one.check(now),
          run: async (now: ContainersModel, on: Real) => {
            await one.run(now, on);
            await expectAgreement(now, on);
          },
          toString: () => one.toString(),
        }));
        await fc.asyncModelRun(() => ({ model, real }), checked);
        await expectSameStories(real);
        await expectInvariants(model, room);
      } finally {
        await Promise.allSettled(taps.map((tap) => tap.disconnect()));
        await room.close();
        await destroy();
      }
    });
    await fc.assert(life, { numRuns: lifeCount, endOnFailure: false });
  },
  60_000 + runs * 3_000,
);

/**
 * The API of containers against a simple model: whatever callers, nodes and time do, one after the other, on each store. A
 * failure prints its seed and the commands. `MODEL_RUNS=5000` for the long version.
 */
import { toJson } from "@bufbuild/protobuf";
import { expect, it } from "@jest/globals";
import fc from "fast-check";
import { ContainerSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { WatchRequest_Kind } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { commands, expectAgreement, expectFullView, type Real } from "../support/containers-commands.js";
import { ContainersModel } from "../support/containers-model.js";
import { type ContainersRoom, openContainersRoom } from "../support/containers-room.js";
import { settle } from "../support/fake-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { backends, type BackendState } from "../support/store-backends.js";
import { type TapFilter, WatchTap } from "../support/watch-tap.js";

const runs = Number(process.env["MODEL_RUNS"] ?? 200);

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
  for (const [at, tap] of taps.entries()) {
    expect(Object.fromEntries(tap.seen)).toEqual(Object.fromEntries(fresh[at]!.seen));
    // Nothing is told that the steady one was not told, nothing twice, and all in its order.
    const known = steady!.commits.filter((revision) => tap.commits.includes(revision));
    expect(tap.commits).toEqual(known);
  }
  expectFullView(steady!, containers, groups, (one) => JSON.stringify(toJson(ContainerSchema, one)));
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

const memory = {
  name: "memory",
  create: async () => ({ store: new MemoryStore(), destroy: async () => undefined }),
};
const stores = [memory, ...backends].map(({ name, create }) => ({
  name,
  create: create as () => Promise<Pick<BackendState, "store" | "destroy">>,
  // The others wait for a disk and for sockets.
  lifeCount: name === "memory" ? runs : Math.ceil(runs / 4),
}));

it.each(stores)(
  "on $name does what a simple model says, in $lifeCount lives of up to 40 commands",
  async ({ create, lifeCount }) => {
    const life = fc.asyncProperty(commands, async (some) => {
      const state = await create();
      const room = await openContainersRoom({ store: state.store });
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
        await state.destroy();
      }
    });
    await fc.assert(life, { numRuns: lifeCount, endOnFailure: false });
  },
  20_000 + runs * 500,
);

/** Callers who leave a creation, at any moment: what the node made is tracked for who can know of it, or removed again. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import { Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { at, ContainerBench, eventually, type OpenBench } from "../support/container-bench.js";

const benches = new ContainerBench();
let bench: OpenBench;
/** How long the node builds, in milliseconds. */
const buildMs = 1_500;

beforeAll(async () => {
  bench = await benches.open({
    devnet: { nodes: 1, containers: { createDelayMs: buildMs, listens: false } },
  });
});
afterEach(() => bench.devnet.node(0).setFault(undefined));
afterAll(() => benches.release());

/** Each creation is known in the ledger by its base image. */
const createOf = (baseImage: string) =>
  bench.devnet.ledger.creates.filter(({ query }) => query["BaseImage"] === baseImage);
const orderOf = (baseImage: string) => ({ ...at(bench.nodes[0] ?? ""), spec: { baseImage } });

async function trackedIds(): Promise<readonly string[]> {
  const { containers } = await bench.api.listContainers({ pageSize: 1_000 });
  expect(containers.map(({ state }) => Container_State[state])).toEqual(containers.map(() => "ACTIVE"));
  return containers.map(({ id }) => id);
}

/** Resolves when no call to the node is under way any more. */
const quiet = (): Promise<void> =>
  eventually(async () => {
    const { creates, removals } = bench.devnet.ledger;
    const open = [...creates, ...removals].filter(({ status }) => status === undefined);
    expect(open).toEqual([]);
    expect(
      (await bench.api.listContainers({ filter: "state = PENDING OR state = REMOVING" })).containers,
    ).toEqual([]);
  });

/** Moments at which callers leave, over the whole call and a little beyond. */
const moments = Array.from({ length: 20 }, (_, n) => ({
  n,
  afterMs: Math.ceil(((n + Math.random()) / 20) * buildMs * 1.4),
}));

describe("a caller who leaves", () => {
  it("at 20 moments, without a request id, leaves no container that nobody knows", async () => {
    const left = await Promise.all(
      moments.map(async ({ n, afterMs }) => {
        const baseImage = `left:${String(n)}`;
        const leaving = new AbortController();
        const answered = bench.api.createContainer(orderOf(baseImage), { signal: leaving.signal }).then(
          ({ container }) => container?.id,
          () => undefined,
        );
        // Every other one counts from when its node was asked: a busy machine may be long in coming to that.
        while (n % 2 === 1 && createOf(baseImage).length === 0) await pause(5);
        await pause(afterMs);
        leaving.abort();
        return { baseImage, id: await answered };
      }),
    );
    await quiet();
    await eventually(async () => {
      const tracked = await trackedIds();
      for (const { baseImage, id } of left) {
        const made = createOf(baseImage);
        expect(made.length).toBeLessThanOrEqual(1);
        // Who was answered has the container. For all others it is gone, or still tracked where the answer was on its way.
        if (id !== undefined) expect(tracked).toContain(id);
        for (const { id: madeId, removedAt } of made)
          expect(removedAt === undefined).toBe(tracked.includes(madeId ?? ""));
      }
    });
    // The moments did lie within the call: most callers left while the node was building.
    expect(left.filter(({ id }) => id === undefined).length).toBeGreaterThanOrEqual(5);
    const ids = new Set(left.flatMap(({ baseImage }) => createOf(baseImage).map(({ id }) => id)));
    // The other tests of this bench may have come before.
    const gone = (
      await bench.api.listContainers({ showRemoved: true, filter: "state = REMOVED" })
    ).containers.filter(({ id }) => ids.has(id));
    expect(gone.map(({ stateReason }) => stateReason)).toEqual(gone.map(() => "CALLER_GONE"));
    expect(gone.length).toBeGreaterThanOrEqual(1);
  });

  it("at 20 moments, with a request id, finds the one container when it comes back", async () => {
    const asked = moments.map(({ n, afterMs }) => ({
      request: { ...orderOf(`back:${String(n)}`), requestId: `back-${String(n)}` },
      afterMs,
    }));
    await Promise.all(
      asked.map(({ request, afterMs }) =>
        bench.api.createContainer(request, { signal: AbortSignal.timeout(afterMs) }).catch(() => undefined),
      ),
    );
    const found = await Promise.all(asked.map(({ request }) => bench.api.createContainer(request)));
    await quiet();
    const tracked = await trackedIds();
    for (const [index, { container }] of found.entries()) {
      const made = createOf(`back:${String(index)}`);
      expect(made.map(({ id, removedAt }) => [id, removedAt])).toEqual([[container?.id, undefined]]);
      expect(tracked).toContain(container?.id);
    }
  });

  it("by a deadline shorter than the node is told so, and its container goes again", async () => {
    // On a busy machine a deadline may come before the node is asked: again, then.
    let baseImage = "";
    for (let tries = 1; createOf(baseImage).length === 0; tries += 1) {
      baseImage = `deadline:${String(tries)}`;
      const call = bench.api.createContainer(orderOf(baseImage), { timeoutMs: (buildMs * 2) / 3 });
      const error = ConnectError.from(await call.catch((failure: unknown) => failure));
      expect(error.code).toBe(Code.DeadlineExceeded);
    }
    await quiet();
    await eventually(async () => expect(createOf(baseImage)[0]?.removedAt).toBeDefined());
    await eventually(async () => expect(await trackedIds()).not.toContain(createOf(baseImage)[0]?.id));
  });

  it("while the removal of its container fails leaves it tracked", async () => {
    bench.devnet.node(0).setFault("stuck-remove");
    const leaving = new AbortController();
    const call = bench.api.createContainer(orderOf("stuck:1"), { signal: leaving.signal });
    await eventually(async () => expect(createOf("stuck:1")).toHaveLength(1));
    leaving.abort();
    await call.catch(() => undefined);
    await quiet();
    const name = `${bench.nodes[0] ?? ""}/containers/${createOf("stuck:1")[0]?.id ?? ""}`;
    await eventually(async () =>
      expect((await bench.api.getContainer({ container: name })).container?.state).toBe(
        Container_State.REMOVE_FAILED,
      ),
    );
    bench.devnet.node(0).setFault(undefined);
    expect((await bench.api.removeContainer({ container: name })).nodeMessage).toBe("success");
  });
});

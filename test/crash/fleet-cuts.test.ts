/** The connection to Redis is cut at each moment of a creation and of a removal. */
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import { at } from "../support/container-bench.js";
import { Fleet } from "../support/fleet.js";
import { requireOneState } from "../support/one-state.js";
import { type Cut, TcpProxy } from "../support/tcp-proxy.js";

jest.setTimeout(180_000);

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

const cuts: readonly Pick<Cut, "direction" | "place">[] = (["commands", "replies"] as const).flatMap(
  (direction) => (["before", "middle"] as const).map((place) => ({ direction, place })),
);

describe("a connection to Redis that is cut", () => {
  it.each(cuts)("$place each of the $direction of a creation and a removal loses nothing", async (where) => {
    const fleet = await Fleet.open();
    opened.push(fleet);
    const proxy = await TcpProxy.start(fleet.redis.port);
    opened.push(proxy);
    const a = await fleet.join({ redisUrl: proxy.url });
    const b = await fleet.join();
    let cutCount = 0;
    for (let message = 1; ; message += 1) {
      const requestId = `cut-${String(message)}`;
      proxy.arm({ ...where, message });
      const { container } = await again(() => a.api.createContainer({ ...at(fleet.nodes[0]!), requestId }));
      await again(() => a.api.removeContainer({ container: container!.name })).catch((error: unknown) => {
        // Removed by the first try, whose answer was lost to us.
        if (ConnectError.from(error).code !== Code.NotFound) throw error;
      });
      if (proxy.disarm()) break;
      cutCount += 1;
    }
    expect(cutCount).toBeGreaterThanOrEqual(4);
    const { creates, removals } = fleet.devnet.ledger;
    expect([creates.length, removals.length]).toEqual([cutCount + 1, cutCount + 1]);
    await requireOneState([a, b], fleet.devnet);
    expect((await b.api.listContainers({})).containers).toEqual([]);
  });
});

/** Calls until there is an answer, as a client does that was told UNAVAILABLE. */
async function again<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable) throw error;
    }
  }
}

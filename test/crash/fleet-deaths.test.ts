/** A gateway of several dies, or is taken for dead, with work under way. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { Code } from "@connectrpc/connect";
import { type Container, Container_State } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type Api, at, eventually, refusal } from "../support/container-bench.js";
import { Fleet, type MemberProcess } from "../support/fleet.js";
import { requireOneState } from "../support/one-state.js";

const statesAt = async (api: Api): Promise<Container_State[]> =>
  (await api.listContainers({})).containers.map(({ state }) => state);

/** Waits for longer than a gateway is silent before it is taken for dead. */
async function untilFirst(api: Api, state: Container_State): Promise<Container> {
  for (;;) {
    const { containers } = await api.listContainers({});
    if (containers[0]?.state === state) return containers[0];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const kill = async ({ process }: MemberProcess): Promise<void> => {
  process.child.kill("SIGKILL");
  await process.ended;
};

describe("a gateway that is killed while its node builds", () => {
  it("leaves a creation of unknown outcome to the other one, which never asks again", async () => {
    // Made before it is given up, and long after it is killed, however busy the machine.
    await using fleet = await Fleet.open({ devnet: { containers: { createDelayMs: 10_000 } } });
    const [a, b] = [await fleet.start(), await fleet.join()];
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const asked = a.api.createContainer(request).catch(() => undefined);
    await eventually(async () => {
      expect(fleet.devnet.ledger.creates).toHaveLength(1);
      expect(await statesAt(b.api)).toEqual([Container_State.PENDING]);
    });
    const joined = refusal(b.api.createContainer(request));
    await kill(a);
    await asked;
    await untilFirst(b.api, Container_State.UNKNOWN);
    expect(await joined).toMatchObject({ reason: "CREATE_OUTCOME_UNKNOWN" });
    await expect(b.api.createContainer(request)).rejects.toMatchObject({ code: Code.Unknown });
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
    // On its own folder it knows at once that the one before it has died.
    const again = await fleet.start({ baseDir: a.baseDir });
    expect(await statesAt(again.api)).toEqual([Container_State.UNKNOWN]);
    await requireOneState([again, b], fleet.devnet);
  });

  it("settles its own creation at once when it starts again", async () => {
    await using fleet = await Fleet.open({ devnet: { containers: { createDelayMs: 60_000 } } });
    const [a, b] = [await fleet.start(), await fleet.join()];
    const asked = a.api.createContainer(at(fleet.nodes[0]!)).catch(() => undefined);
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.PENDING]));
    await kill(a);
    await asked;
    await fleet.start({ baseDir: a.baseDir });
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.UNKNOWN]));
  });
});

describe("a gateway that is taken for dead and is not", () => {
  it("brings the id: the container of unknown outcome is tracked, and its request id answers so", async () => {
    await using fleet = await Fleet.open({ devnet: { containers: { createDelayMs: 10_000 } } });
    const [a, b] = [await fleet.start(), await fleet.join()];
    const request = { ...at(fleet.nodes[0]!), requestId: "one" };
    const asked = a.api.createContainer(request);
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.PENDING]));
    a.process.child.kill("SIGSTOP");
    await untilFirst(b.api, Container_State.UNKNOWN);
    a.process.child.kill("SIGCONT");
    const { container } = await asked;
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.ACTIVE]));
    const again = await b.api.createContainer(request);
    expect([again.container!.name, again.replayed]).toEqual([container!.name, true]);
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
    await requireOneState([a, b], fleet.devnet);
  });

  it("finishes its removal, which the other one showed as failed", async () => {
    await using fleet = await Fleet.open({ devnet: { containers: { removeDelayMs: 10_000 } } });
    const [a, b] = [await fleet.start(), await fleet.join()];
    const { container } = await a.api.createContainer(at(fleet.nodes[0]!));
    const asked = a.api.removeContainer({ container: container!.name });
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.REMOVING]));
    a.process.child.kill("SIGSTOP");
    const failed = await untilFirst(b.api, Container_State.REMOVE_FAILED);
    expect(failed.stateReason).toBe("REMOVE_OUTCOME_UNKNOWN");
    a.process.child.kill("SIGCONT");
    expect((await asked).container!.state).toBe(Container_State.REMOVED);
    await eventually(async () => expect(await statesAt(b.api)).toEqual([]));
    expect(fleet.devnet.ledger.removals).toHaveLength(1);
    await requireOneState([a, b], fleet.devnet);
  });
});

describe("the local journal", () => {
  it("has the id of a container when Redis goes before the state has it, and the gateway after that", async () => {
    await using fleet = await Fleet.open({ devnet: { containers: { createDelayMs: 5_000 } } });
    const [a, b] = [await fleet.start(), await fleet.join()];
    const asked = a.api.createContainer({ ...at(fleet.nodes[0]!), requestId: "one" }).catch(() => undefined);
    await eventually(async () => expect(await statesAt(b.api)).toEqual([Container_State.PENDING]));
    await fleet.redis.kill();
    const journal = join(a.baseDir, ".p2prc/seen.journal");
    await eventually(async () => expect(await readFile(journal, "utf8")).toContain('"seen"'));
    await kill(a);
    await asked;
    await fleet.redis.startAgain();
    const again = await fleet.start({ baseDir: a.baseDir });
    expect(await statesAt(again.api)).toEqual([Container_State.ACTIVE]);
    const replay = await b.api.createContainer({ ...at(fleet.nodes[0]!), requestId: "one" });
    expect(replay.replayed).toBe(true);
    expect(fleet.devnet.ledger.creates).toHaveLength(1);
    await requireOneState([again, b], fleet.devnet);
  });

  it("brings nothing back that was tracked and removed before the gateway died", async () => {
    await using fleet = await Fleet.open();
    const [a, b] = [await fleet.start(), await fleet.join()];
    const made = await Promise.all(fleet.nodes.map((node) => a.api.createContainer(at(node))));
    await b.api.removeContainer({ container: made[0]!.container!.name });
    expect(await readFile(join(a.baseDir, ".p2prc/seen.journal"), "utf8")).toContain('"seen"');
    await kill(a);
    const again = await fleet.start({ baseDir: a.baseDir });
    expect(await statesAt(again.api)).toEqual(made.slice(1).map(() => Container_State.ACTIVE));
    await requireOneState([again, b], fleet.devnet);
  });
});

import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import type { WaitRequest, WaitResult } from "../../../../src/containers/contract.js";
import { ContainerError } from "../../../../src/containers/errors.js";
import { PortLooks } from "../../../../src/containers/looking/port-looks.js";
import { Waits } from "../../../../src/containers/looking/waits.js";
import type { LookAtPort, PeerAddress } from "../../../../src/peer-api/contract.js";
import { PeerError } from "../../../../src/peer-api/errors.js";
import { settle } from "../../../support/fake-clock.js";
import {
  aContainerRecord,
  anIntent,
  aPort,
  openTracked,
  someNode,
  type Tracked,
} from "../../../support/tracked.js";

interface Desk extends Tracked {
  readonly waits: Waits;
  /** Ports that show their sign, as `SIGN HOST:PORT`. */
  readonly signs: Set<string>;
  readonly looked: string[];
  readonly wait: (request?: Partial<WaitRequest>, signal?: AbortSignal) => Promise<WaitResult>;
}

const opened: Tracked[] = [];
afterEach(async () => {
  for (const tracked of opened.splice(0)) {
    expect(tracked.clock.timerCount).toBe(0);
    await tracked.close();
  }
});

const name = "nodes/45.0.0.1:8088/containers/abc";

async function aDesk(): Promise<Desk> {
  const tracked = await openTracked();
  opened.push(tracked);
  const signs = new Set<string>();
  const looked: string[] = [];
  const lookAtPort: LookAtPort = async ({ host, port }: PeerAddress, sign, options) => {
    const what = `${sign} ${host}:${port}`;
    looked.push(what);
    if (options?.isAllowed?.(host) === false)
      throw new PeerError("ADDRESS_BLOCKED", "no", { wasSent: false });
    if (!signs.has(what))
      throw new PeerError("CONNECTION_REFUSED", "nothing listens there", { wasSent: false });
  };
  const { state, clock } = tracked;
  const directory = { allowsConnected: (remote: string) => remote.startsWith("45.") };
  const waits = new Waits({ state, clock, looks: new PortLooks({ lookAtPort, directory, clock }) });
  const wait: Desk["wait"] = (request = {}, signal = new AbortController().signal) =>
    waits.wait(
      { container: name, condition: "SSH_READY", externalPort: 0, timeoutMs: 60_000, ...request },
      { caller: "remote", signal },
    );
  return { ...tracked, waits, signs, looked, wait };
}

/** Why a call must fail. */
async function failureOf(call: Promise<unknown>): Promise<ContainerError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ContainerError) return error;
  throw new Error("no error of this room", { cause: error });
}

describe("waiting for a port of a container", () => {
  it.each([
    ["SSH_READY", 0, "SSH_BANNER 45.0.0.1:44269"],
    ["PORT_OPEN", 0, "TCP 45.0.0.1:38080"],
    ["HTTP_OK", 0, "HTTP 45.0.0.1:38080"],
    ["PORT_OPEN", 39_090, "TCP 45.0.0.1:39090"],
    ["PORT_OPEN", 44_269, "TCP 45.0.0.1:44269"],
    ["HTTP_OK", 39_090, "HTTP 45.0.0.1:39090"],
  ] as const)("looks for %s of port %d at the right place", async (condition, externalPort, sign) => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    desk.signs.add(sign);
    const { container, isMet } = await desk.wait({ condition, externalPort });
    expect([isMet, container.name, desk.looked]).toEqual([true, name, [sign]]);
  });

  it("is met as soon as a look is successful, and takes an SSH banner for a sign of life", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    const wait = desk.wait();
    await desk.clock.advance(5_000);
    expect(desk.looked.length).toBe(11);
    desk.signs.add("SSH_BANNER 45.0.0.1:44269");
    await desk.clock.advance(500);
    const { container, isMet } = await wait;
    expect([isMet, container.lastSeenTimeMs]).toEqual([true, desk.clock.nowMs()]);
    expect(desk.state.seenTimeMs(key)).toBe(desk.clock.nowMs());
    expect(desk.store.commits.length).toBe(1);
  });

  it("says that it is not met when the time is over", async () => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    const wait = desk.wait({ timeoutMs: 2_000 });
    await desk.clock.advance(2_000);
    const { container, isMet } = await wait;
    expect([isMet, container.state]).toEqual([false, "ACTIVE"]);
    const { length } = desk.looked;
    await desk.clock.advance(10_000);
    expect(desk.looked.length).toBe(length);
  });

  it("ends at once when its caller leaves, with the caller's reason", async () => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    const leaving = new AbortController();
    const ending = expect(desk.wait({}, leaving.signal)).rejects.toThrow("gone");
    await settle();
    leaving.abort(new Error("gone"));
    await ending;
    await expect(desk.wait({}, AbortSignal.abort(new Error("gone before")))).rejects.toThrow("gone before");
    await settle();
  });

  it("fails when the container is removed meanwhile", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    const failure = failureOf(desk.wait());
    await settle();
    await desk.remove(key);
    expect((await failure).reason).toBe("CONTAINER_NOT_TRACKED");
    await settle();
  });

  it("does not wait for a port that the container does not have", async () => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    expect(await failureOf(desk.wait({ condition: "PORT_OPEN", externalPort: 22 }))).toMatchObject({
      reason: "PORT_NOT_FOUND",
      field: "external_port",
    });
    await desk.track([aContainerRecord({ ports: [aPort("SSH", 44_269)] })]);
    expect(await failureOf(desk.wait({ condition: "HTTP_OK" }))).toMatchObject({
      reason: "PORT_NOT_FOUND",
      field: "external_port",
    });
    await desk.track([aContainerRecord({ ports: [] })], 0);
    expect((await failureOf(desk.wait())).reason).toBe("PORT_NOT_FOUND");
    expect(desk.looked).toEqual([]);
  });

  it("holds addresses to the policy unless an operator typed them", async () => {
    const desk = await aDesk();
    const address = { host: "10.0.0.1", port: 8088 };
    const container = "nodes/10.0.0.1:8088/containers/abc";
    await desk.track([aContainerRecord({ address })]);
    await expect(desk.wait({ container })).rejects.toMatchObject({ failure: "ADDRESS_BLOCKED" });
    await desk.track([aContainerRecord({ address, isAsTyped: true })]);
    desk.signs.add("SSH_BANNER 10.0.0.1:44269");
    expect((await desk.wait({ container })).isMet).toBe(true);
  });

  it("ends with DRAINING when the gateway stops, and begins no more", async () => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    const running = [failureOf(desk.wait()), failureOf(desk.wait({ condition: "REMOVED" }))];
    await settle();
    desk.waits.close();
    const failures = await Promise.all([...running, failureOf(desk.wait())]);
    expect(failures.map(({ reason }) => reason)).toEqual(["DRAINING", "DRAINING", "DRAINING"]);
    await settle();
  });

  it.each(["SSH_READY", "PORT_OPEN", "HTTP_OK", "REMOVED"] as const)(
    "does not know a container that is not tracked (%s)",
    async (condition) => {
      const desk = await aDesk();
      expect((await failureOf(desk.wait({ condition }))).reason).toBe("CONTAINER_NOT_TRACKED");
      expect((await failureOf(desk.wait({ condition, container: "abc" }))).reason).toBe(
        "INVALID_CONTAINER_NAME",
      );
    },
  );
});

describe("waiting for the removal of a container", () => {
  const condition = "REMOVED";

  it("hears of it, and asks nobody", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord(), aContainerRecord({ id: "other" })]);
    const waits = [
      desk.wait({ condition }),
      desk.wait({ condition, container: "nodes/45.0.0.1/containers/abc" }),
    ];
    await desk.clock.advance(30_000);
    expect([desk.looked, desk.clock.timerCount]).toEqual([[], 2]);
    await desk.remove(desk.keyOf({ id: "other" }));
    await settle();
    expect(desk.clock.timerCount).toBe(2);
    await desk.remove(key);
    for (const { container, isMet } of await Promise.all(waits)) {
      expect([isMet, container.state, container.stateReason]).toEqual([true, "REMOVED", "NODE_CONFIRMED"]);
    }
  });

  it("is met at once where it was removed before", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    await desk.remove(key);
    for (const container of [name, "nodes/45.0.0.1/containers/abc"]) {
      expect(await desk.wait({ condition, container })).toMatchObject({
        isMet: true,
        container: { state: "REMOVED" },
      });
    }
  });

  it("says that it is not met when the time is over", async () => {
    const desk = await aDesk();
    await desk.track([aContainerRecord()]);
    const wait = desk.wait({ condition, timeoutMs: 1_000 });
    await desk.clock.advance(1_000);
    expect(await wait).toMatchObject({ isMet: false, container: { state: "ACTIVE" } });
  });

  it("tells 1,000 who wait with one listener", async () => {
    const desk = await aDesk();
    const [key = ""] = await desk.track([aContainerRecord()]);
    let listenerCount = 0;
    const subscribe = desk.state.subscribe.bind(desk.state);
    desk.state.subscribe = (listener) => {
      listenerCount += 1;
      return subscribe(listener);
    };
    const waits = Array.from({ length: 1_000 }, () => desk.wait({ condition }));
    await settle();
    await desk.remove(key);
    expect((await Promise.all(waits)).every(({ isMet }) => isMet)).toBe(true);
    expect(listenerCount).toBe(1);
  });
});

describe("waiting for what has no id yet", () => {
  const container = "nodes/45.0.0.1:8088/containers/~int1";
  const condition = "REMOVED";

  it("can only wait for its removal", async () => {
    const desk = await aDesk();
    await change(desk, (draft) => draft.put("intent", "int1", anIntent()));
    expect(await failureOf(desk.wait({ container }))).toMatchObject({
      reason: "CONTAINER_UNRESOLVED",
      field: "condition",
    });
    const elsewhere = "nodes/45.0.0.2:8088/containers/~int1";
    expect((await failureOf(desk.wait({ container: elsewhere, condition }))).reason).toBe(
      "CONTAINER_NOT_TRACKED",
    );
  });

  it.each([
    ["closed by a caller", anIntent(), "REMOVED"],
    ["never made", anIntent({ state: "PENDING", reason: "" }), "FAILED"],
  ] as const)("is met when it is %s", async (_, intent, state) => {
    const desk = await aDesk();
    await change(desk, (draft) => draft.put("intent", "int1", intent));
    const wait = desk.wait({ container, condition });
    await settle();
    await change(desk, (draft) => draft.delete("intent", "int1"));
    expect(await wait).toMatchObject({ isMet: true, container: { state } });
  });

  it("waits on for the container that it became", async () => {
    const desk = await aDesk();
    await change(desk, (draft) => draft.put("intent", "int1", anIntent({ state: "PENDING" })));
    const wait = desk.wait({ container, condition });
    const short = desk.wait({ container, condition, timeoutMs: 1_000 });
    await settle();
    const record = aContainerRecord({ address: someNode });
    await change(desk, (draft) => {
      draft.delete("intent", "int1");
      draft.put("container", desk.keyOf(record), record);
    });
    await desk.clock.advance(1_000);
    expect(await short).toMatchObject({ isMet: false, container: { name } });
    await desk.remove(desk.keyOf(record));
    expect(await wait).toMatchObject({ isMet: true, container: { name, state: "REMOVED" } });
  });
});

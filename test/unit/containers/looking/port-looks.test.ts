import { describe, expect, it } from "@jest/globals";
import { containerLimits } from "../../../../src/containers/limits.js";
import { type LookTarget, PortLooks } from "../../../../src/containers/looking/port-looks.js";
import type { CallOptions, LookAtPort } from "../../../../src/peer-api/contract.js";
import { PeerError } from "../../../../src/peer-api/errors.js";
import { FakeClock, settle } from "../../../support/fake-clock.js";

const target: LookTarget = {
  address: { host: "45.0.0.1", port: 44_269 },
  sign: "SSH_BANNER",
  isAsTyped: false,
};
const refused = (): PeerError =>
  new PeerError("CONNECTION_REFUSED", "nothing listens there", { wasSent: false });
const stays = (): AbortSignal => new AbortController().signal;

/** Ports of other machines: each look waits for a test to answer it. */
class FakePorts {
  lookCount = 0;
  highestOpenCount = 0;
  readonly options: (CallOptions | undefined)[] = [];
  readonly open = new Set<(error?: Error) => void>();

  readonly lookAtPort: LookAtPort = (_address, _sign, options) => {
    this.lookCount += 1;
    this.options.push(options);
    return new Promise((resolve, reject) => {
      const answer = (error?: Error): void => {
        this.open.delete(answer);
        options?.signal?.removeEventListener("abort", leave);
        if (error === undefined) resolve();
        else reject(error);
      };
      const leave = (): void => answer(new PeerError("CANCELED", "canceled"));
      options?.signal?.addEventListener("abort", leave, { once: true });
      this.open.add(answer);
      this.highestOpenCount = Math.max(this.highestOpenCount, this.open.size);
    });
  };

  async answerAll(error?: Error): Promise<void> {
    for (const answer of [...this.open]) answer(error);
    await settle();
  }
}

function aDesk(): { ports: FakePorts; clock: FakeClock; looks: PortLooks } {
  const ports = new FakePorts();
  const clock = new FakeClock();
  const directory = { allowsConnected: (remote: string) => remote.startsWith("45.") };
  return { ports, clock, looks: new PortLooks({ lookAtPort: ports.lookAtPort, directory, clock }) };
}

describe("waiting for a port", () => {
  it("gives 1,000 who wait for the same sign one connection at a time", async () => {
    const { ports, clock, looks } = aDesk();
    const waits = Array.from({ length: 1_000 }, () => looks.untilSeen(target, stays()));
    await settle();
    for (let round = 1; round <= 3; round += 1) {
      expect(ports.lookCount).toBe(round);
      await ports.answerAll(refused());
      await clock.advance(containerLimits.waitIntervalMs);
    }
    await ports.answerAll();
    await Promise.all(waits);
    expect([ports.highestOpenCount, clock.timerCount]).toEqual([1, 0]);
  });

  it("looks on while somebody waits, and ends look and timer with the last who leaves", async () => {
    const { ports, clock, looks } = aDesk();
    const leaving = [new AbortController(), new AbortController()];
    const waits = leaving.map(({ signal }) => looks.untilSeen(target, signal));
    const endings = waits.map((wait) => expect(wait).rejects.toThrow("gone"));
    await settle();
    leaving[0]?.abort(new Error("gone"));
    await settle();
    expect(ports.open.size).toBe(1);
    leaving[1]?.abort(new Error("gone"));
    await Promise.all(endings);
    await settle();
    expect([ports.open.size, clock.timerCount]).toEqual([0, 0]);
    await clock.advance(10_000);
    expect(ports.lookCount).toBe(1);
  });

  it("ends the pause between two looks with the last who leaves", async () => {
    const { ports, clock, looks } = aDesk();
    const leaving = new AbortController();
    const ending = expect(looks.untilSeen(target, leaving.signal)).rejects.toThrow();
    await settle();
    await ports.answerAll(refused());
    expect(clock.timerCount).toBe(1);
    leaving.abort();
    await ending;
    await settle();
    expect(clock.timerCount).toBe(0);
  });

  it("begins anew for whoever comes after all have left", async () => {
    const { ports, looks } = aDesk();
    const leaving = new AbortController();
    const ending = expect(looks.untilSeen(target, leaving.signal)).rejects.toThrow();
    await settle();
    leaving.abort();
    await ending;
    const wait = looks.untilSeen(target, stays());
    await settle();
    await ports.answerAll();
    await wait;
    expect(ports.lookCount).toBe(2);
  });

  it("does not begin for a caller who has left already", async () => {
    const { ports, looks } = aDesk();
    await expect(looks.untilSeen(target, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    expect(ports.lookCount).toBe(0);
  });

  it("looks apart for another port, another sign, and for what an operator typed", async () => {
    const { ports, looks } = aDesk();
    const others: LookTarget[] = [
      target,
      { ...target, address: { ...target.address, port: 1 } },
      { ...target, sign: "TCP" },
      { ...target, isAsTyped: true },
    ];
    const waits = others.map((other) => looks.untilSeen(other, stays()));
    await settle();
    expect(ports.lookCount).toBe(4);
    expect(ports.options.map((options) => options?.isAllowed?.("10.0.0.1"))).toEqual([
      false,
      false,
      false,
      undefined,
    ]);
    await ports.answerAll();
    await Promise.all(waits);
  });

  it("tells everybody at once that an address is forbidden", async () => {
    const { ports, clock, looks } = aDesk();
    const waits = [looks.untilSeen(target, stays()), looks.untilSeen(target, stays())];
    const endings = waits.map((wait) => expect(wait).rejects.toMatchObject({ failure: "ADDRESS_BLOCKED" }));
    await settle();
    await ports.answerAll(new PeerError("ADDRESS_BLOCKED", "no", { wasSent: false }));
    await Promise.all(endings);
    expect(clock.timerCount).toBe(0);
  });

  it("never has more connections than there are places, and each wait gets its turn", async () => {
    const { ports, clock, looks } = aDesk();
    const { maxLooks } = containerLimits;
    const waits = Array.from({ length: maxLooks * 2 }, (_, at) =>
      looks.untilSeen({ ...target, address: { host: "45.0.0.1", port: 1_000 + at } }, stays()),
    );
    await settle();
    expect(ports.open.size).toBe(maxLooks);
    await ports.answerAll();
    expect(ports.open.size).toBe(maxLooks);
    await ports.answerAll();
    await Promise.all(waits);
    expect([ports.lookCount, clock.timerCount]).toEqual([maxLooks * 2, 0]);
  });

  it("gives back its turn when it leaves while it waits for a place", async () => {
    const { ports, looks } = aDesk();
    const waits = Array.from({ length: containerLimits.maxLooks }, (_, at) =>
      looks.untilSeen({ ...target, address: { host: "45.0.0.1", port: 1_000 + at } }, stays()),
    );
    const leaving = new AbortController();
    const ending = expect(looks.untilSeen(target, leaving.signal)).rejects.toThrow();
    await settle();
    leaving.abort();
    await ending;
    await ports.answerAll();
    await Promise.all(waits);
    expect(ports.lookCount).toBe(containerLimits.maxLooks);
  });
});

import { describe, expect, it } from "@jest/globals";
import { Gate } from "../../../src/store/redis/gate.js";
import { settle } from "../../support/fake-clock.js";

/** Goes through a gate as a commit does. */
async function pass<T>(gate: Gate, bytes: number, work: () => Promise<T>): Promise<T> {
  if (!gate.enter(bytes)) await gate.turn(bytes);
  try {
    return await work();
  } finally {
    gate.leave(bytes);
  }
}

/** Starts works that end when told, and notes when each begins. */
function works(gate: Gate) {
  const begun: number[] = [];
  const end: (() => void)[] = [];
  const start = (n: number, bytes: number): Promise<void> =>
    pass(gate, bytes, async () => {
      begun.push(n);
      await new Promise<void>((resolve) => (end[n] = resolve));
    });
  return { begun, end, start };
}

describe("the gate", () => {
  it("lets so many in at once, and the rest in turn as they leave", async () => {
    const { begun, end, start } = works(new Gate(2, 1_000));
    const all = [0, 1, 2, 3].map((n) => start(n, 1));
    expect(begun).toEqual([0, 1]);
    end[1]?.();
    await settle();
    expect(begun).toEqual([0, 1, 2]);
    end[0]?.();
    end[2]?.();
    await settle();
    end[3]?.();
    await Promise.all(all);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it("holds back what is too large beside others, and those behind it, but never for ever", async () => {
    const { begun, end, start } = works(new Gate(10, 100));
    const all = [start(0, 60), start(1, 500), start(2, 1)];
    expect(begun).toEqual([0]);
    end[0]?.();
    await settle();
    expect(begun).toEqual([0, 1]);
    end[1]?.();
    await settle();
    expect(begun).toEqual([0, 1, 2]);
    end[2]?.();
    await Promise.all(all);
  });

  it("counts those who fail as gone", async () => {
    const gate = new Gate(1, 100);
    for (let n = 0; n < 5; n += 1) {
      await expect(pass(gate, 1, async () => await Promise.reject(new Error("failed")))).rejects.toThrow(
        "failed",
      );
    }
    expect(await pass(gate, 1, async () => await Promise.resolve("in"))).toBe("in");
  });

  it("is empty once those inside and those in line have left", async () => {
    const gate = new Gate(1, 100);
    await gate.isEmpty();
    const { begun, end, start } = works(gate);
    const all = [start(0, 1), start(1, 1)];
    let isEmpty = false;
    const emptied = gate.isEmpty().then(() => (isEmpty = true));
    end[0]?.();
    await settle();
    expect({ begun, isEmpty }).toEqual({ begun: [0, 1], isEmpty: false });
    end[1]?.();
    await Promise.all([...all, emptied]);
  });

  it("keeps the order of a line of thousands", async () => {
    const gate = new Gate(3, 100);
    const order: number[] = [];
    const all = Array.from({ length: 5_000 }, async (_, n) =>
      pass(gate, 1, async () => {
        order.push(n);
        await Promise.resolve();
      }),
    );
    await Promise.all(all);
    expect(order).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
  });
});

/** Several gateways, each as far behind as chance has it, a store that loses what it confirmed, and calls meanwhile. */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  type Act,
  contradictions,
  isOneState,
  keyAt,
  LossModel,
  recordsOf,
  type Values,
} from "../../../support/loss-model.js";

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.constantFrom(
    ...([
      "begin",
      "giveUp",
      "settle",
      "create",
      "create",
      "remove",
      "touch",
      "group",
      "enter",
      "enter",
      "leave",
      "end",
    ] as const),
  ),
  n: fc.nat(2),
  m: fc.nat(1),
});

interface Course {
  readonly history: readonly Act[];
  /** For each gateway but the first: after how many calls it hears of nothing any more. */
  readonly heldAt: readonly number[];
  readonly kept: number;
  /** In which order they find out. */
  readonly order: readonly number[];
}

const gatewayCount = 3;
const course: fc.Arbitrary<Course> = fc.record({
  history: fc.array(act, { minLength: 4, maxLength: 24 }),
  heldAt: fc.tuple(fc.nat(24), fc.nat(24)),
  kept: fc.nat(24),
  order: fc.shuffledSubarray([0, 1, 2], { minLength: gatewayCount }),
});

/** Writes the history and loses it. @returns how many commits the one who has seen most has seen */
async function lived(model: LossModel, { history, heldAt, kept }: Course): Promise<number> {
  const [first, ...others] = model.gateways;
  for (const [n, one] of history.entries()) {
    others.forEach(({ seat }, index) => heldAt[index] === n && seat.hold());
    await model.act(first!, one);
  }
  const count = model.pasts.length - 1;
  model.lose(Math.min(kept, count));
  return count;
}

/** Containers of a state by life: a node gives an id again. */
const livesOf = (values: Values): readonly string[] =>
  recordsOf(values, "container").map(([key, { createTimeMs }]) => `${key} ${String(createTimeMs)}`);

function keysOfSeveralLives(pasts: readonly Values[]): ReadonlySet<string> {
  const lives = new Set(pasts.flatMap(livesOf));
  const keys = [...lives].map((life) => life.split(" ")[0]!);
  return new Set(keys.filter((key, index) => keys.indexOf(key) !== index));
}

describe("a state that was lost, and what several gateways have seen of it", () => {
  it("is again what the one had seen who had seen most, in whatever order they come", async () => {
    await fc.assert(
      fc.asyncProperty(course, fc.boolean(), async (one, isAtOnce) => {
        const model = await LossModel.open(gatewayCount);
        try {
          const count = await lived(model, one);
          const order = one.order.map((n) => model.gateways[n]!);
          if (isAtOnce) for (const { seat } of order) seat.release();
          for (const gateway of order) await model.find(gateway);
          await model.quieten(order);
          expect(await model.values()).toEqual(model.pasts[count]);
          expect(await isOneState(model)).toBe(true);
        } finally {
          await model.close();
        }
      }),
      { numRuns: 600 },
    );
  });

  it("contradicts nothing where they wrote to it meanwhile, has all that lives and nothing that was removed", async () => {
    const later = fc.array(fc.array(act, { maxLength: 6 }), {
      minLength: gatewayCount,
      maxLength: gatewayCount,
    });
    await fc.assert(
      fc.asyncProperty(course, later, async (one, calls) => {
        const model = await LossModel.open(gatewayCount);
        try {
          const count = await lived(model, one);
          const order = one.order.map((n) => model.gateways[n]!);
          const before = model.pasts[count]!;
          for (const [index, gateway] of order.entries()) {
            await model.find(gateway);
            for (const call of calls[index]!) await model.act(gateway, call);
          }
          await model.quieten(order);
          const after = await model.values();
          expect(contradictions(after)).toEqual([]);
          expect(await isOneState(model)).toBe(true);
          const removed = model.pasts
            .slice(0, count + 1)
            .flatMap((past) =>
              recordsOf(past, "tombstone").map(
                ([key, { container }]) => `${key} ${String(container.createTimeMs)}`,
              ),
            );
          // Where the node gave an id again while one who was behind did not know of the first, there is no telling.
          const givenAgain = keysOfSeveralLives(model.pasts);
          const back = livesOf(after).filter((life) => removed.includes(life));
          expect(back.filter((life) => !givenAgain.has(life.split(" ")[0]!))).toEqual([]);
          const removedSince = new Set(
            model.pasts.slice(count + 1).flatMap((past) => recordsOf(past, "tombstone").map(([key]) => key)),
          );
          const keys = new Set(recordsOf(after, "container").map(([key]) => key));
          const lost = recordsOf(before, "container").filter(
            ([key]) => !keys.has(key) && !removedSince.has(key),
          );
          expect(lost).toEqual([]);
        } finally {
          await model.close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("a container whose removal a gateway that was behind has not seen", () => {
  it("is untracked again where that one has brought it back and written to it", async () => {
    const model = await LossModel.open(2);
    const [ahead, behind] = model.gateways as [LossModel["gateways"][number], LossModel["gateways"][number]];
    for (const what of ["create", "group", "enter"] as const) await model.act(ahead, { what, n: 0, m: 0 });
    behind.seat.hold();
    await model.act(ahead, { what: "remove", n: 0, m: 0 });
    model.lose(0);
    await model.find(behind);
    expect(behind.state.get("container", keyAt(0))).toBeDefined();
    await model.act(behind, { what: "touch", n: 0, m: 0 });
    await model.find(ahead);
    expect(recordsOf(await model.values(), "container")).toEqual([]);
    expect(contradictions(await model.values())).toEqual([]);
    expect(ahead.state.subjectOf([...ahead.state.names][0] ?? "")?.kind).toBe("tombstone");
    await model.close();
  });
});

describe("a loss that no record shows", () => {
  it("is found out by the log, which reaches back and has something else there", async () => {
    const model = await LossModel.open(1);
    const [gateway] = model.gateways;
    for (const m of [0, 1]) await model.act(gateway!, { what: "group", n: 0, m });
    model.lose(1);
    // The second one overwrites what the first has put in the place of the lost one.
    for (const operationId of ["one", "two"])
      await model.store.commit({ operationId, expect: [], put: [{ key: "g/grp9", value: {} }], delete: [] });
    await model.find(gateway!);
    expect([...(await model.values()).keys()]).toEqual(["g/grp0", "g/grp1", "g/grp9"]);
    await model.close();
  });
});

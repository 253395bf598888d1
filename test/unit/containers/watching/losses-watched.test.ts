/**
 * Who follows Watch through what the store loses, and reads anew where it is told to, ends with what is there: whichever
 * gateway it asks, however far that one was behind, and wherever its stream was cut.
 */
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { Change, WatchMessage } from "../../../../src/containers/contract.js";
import { showContainer, showGroup, showIntent } from "../../../../src/containers/show.js";
import type { TrackedState } from "../../../../src/containers/tracked-state.js";
import { Watches } from "../../../../src/containers/watching/watches.js";
import { StoreError } from "../../../../src/store/errors.js";
import { settle } from "../../../support/fake-clock.js";
import { type Act, type Gateway, LossModel } from "../../../support/loss-model.js";

/** Believes nothing: each change must lead on from what it was told before. */
class Follower {
  readonly seen = new Map<string, unknown>();
  rereadCount = 0;
  readonly #watches: Watches;
  #leaving = new AbortController();
  #revision = "";
  #isOver = false;
  readonly #reading: Promise<void>;

  constructor(gateway: Gateway) {
    const { seat, state, clock } = gateway;
    this.#watches = new Watches({ store: seat, state, clock, draining: new AbortController().signal });
    this.#reading = this.#read();
  }

  /** Its stream is cut, and it comes back where it was. */
  reconnect(): void {
    this.#leaving.abort(new Error("left"));
  }

  /** @throws what it was told that cannot be */
  async close(): Promise<void> {
    this.#isOver = true;
    this.reconnect();
    await this.#reading;
  }

  async #read(): Promise<void> {
    while (!this.#isOver) {
      this.#leaving = new AbortController();
      const { signal } = this.#leaving;
      try {
        for await (const message of this.#stream(signal)) this.#take(message);
      } catch (error) {
        if (error instanceof StoreError && error.reason === "REVISION_COMPACTED") {
          this.#revision = "";
          this.rereadCount += 1;
        } else if (!signal.aborted) throw error;
      }
    }
  }

  #stream(signal: AbortSignal): AsyncIterable<WatchMessage> {
    const isAnew = this.#revision === "";
    if (isAnew) this.seen.clear();
    const filters = { kinds: new Set<never>(), containerFilter: "", groupFilter: "", heartbeatMs: 3_600_000 };
    return this.#watches.watch(
      { ...filters, startRevision: this.#revision, sendInitialState: isAnew },
      signal,
    );
  }

  #take({ changes, revision }: WatchMessage): void {
    for (const change of changes) this.#apply(change);
    if (revision !== "") this.#revision = revision;
  }

  #apply({ type, previous, ...change }: Change): void {
    const item = change.kind === "GROUP" ? change.group : change.container;
    const before = this.seen.get(item.name);
    expect({ type, name: item.name, before: previous }).toEqual({ type, name: item.name, before });
    expect(before === undefined).toBe(type === "ADDED");
    if (type === "REMOVED") this.seen.delete(item.name);
    else this.seen.set(item.name, item);
  }
}

/** What is listed. */
function shownBy(state: TrackedState): ReadonlyMap<string, unknown> {
  const containers = [...state.named("container")].map(([key]) => showContainer(state, key));
  const intents = [...state.named("intent")].map(([, intent]) => showIntent(intent));
  const groups = state.groupNames.map((name) => showGroup(state, name.slice("groups/".length)));
  return new Map([...containers, ...intents, ...groups].map((one) => [one!.name, one]));
}

const act: fc.Arbitrary<Act> = fc.record({
  what: fc.constantFrom(
    ...(["begin", "giveUp", "settle", "create", "create", "remove", "touch"] as const),
    ...(["group", "enter", "enter", "leave", "end"] as const),
  ),
  n: fc.nat(2),
  m: fc.nat(1),
});

/** What happens, one after the other; `at` picks the gateway. */
const event = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("act" as const), at: fc.nat(2), act }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("reconnect" as const), at: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("hold" as const), at: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("find" as const), at: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), kept: fc.nat(30) }) },
);

describe("somebody who follows Watch through losses", () => {
  it("ends with what is listed, whichever gateway was asked, and was told nothing that does not lead on", async () => {
    let rereadCount = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 8, maxLength: 40 }), async (events) => {
        const model = await LossModel.open(3);
        const followers = model.gateways.map((gateway) => new Follower(gateway));
        try {
          for (const one of events) {
            const gateway = "at" in one ? model.gateways[one.at]! : model.gateways[0]!;
            if (one.kind === "act" && !gateway.seat.isHeld) await model.act(gateway, one.act);
            if (one.kind === "reconnect") followers[one.at]!.reconnect();
            if (one.kind === "hold") gateway.seat.hold();
            if (one.kind === "find") await model.find(gateway);
            if (one.kind === "lose") model.lose(one.kept);
            await settle();
          }
          for (const gateway of model.gateways) await model.find(gateway);
          await model.quieten(model.gateways);
          for (const [at, { state }] of model.gateways.entries()) {
            expect(followers[at]!.seen).toEqual(shownBy(state));
            rereadCount += followers[at]!.rereadCount;
          }
        } finally {
          await Promise.all(followers.map((follower) => follower.close()));
          await model.close();
        }
      }),
      { numRuns: 300 },
    );
    expect(rereadCount).toBeGreaterThan(100);
  });
});

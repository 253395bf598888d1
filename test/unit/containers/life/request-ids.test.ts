/** A creation that outlives the 24 hours of its request id: by then another call may have the id. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { change, type Plan } from "../../../../src/containers/change.js";
import {
  begin,
  noteOutcome,
  settleCreated,
  settleRefused,
  settleUnanswered,
} from "../../../../src/containers/life/intents.js";
import { settleAsUnknown, takeBack } from "../../../../src/containers/life/recovery.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import type { IntentRecord, OutcomeRecord } from "../../../../src/containers/records.js";
import { aNodeContainer } from "../../../support/peers.js";
import { anIntent, openTracked, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
afterEach(() => tracked.close());

const requestId = "one";
const early = anIntent({ id: "early", requestId, state: "PENDING" });
const later = anIntent({ id: "later", requestId, state: "PENDING" });
const described = aNodeContainer({ ID: "abcdef" });
const refusal = { kind: "refused", httpStatus: 500, message: "no", isImageUnknown: false } as const;
const work = { kind: "intent", subject: early.id } as const;

const run = async <T>(plan: Plan<T>): Promise<T> => await change(tracked, plan);
const outcomeNow = (): OutcomeRecord | undefined => tracked.state.get("request", requestId)?.outcome;

/** @returns what the later call with the same request id was told */
async function beginAfterADay(intent: IntentRecord): Promise<unknown> {
  await tracked.clock.advance(containerLimits.requestIdKeptMs);
  return await run((draft) => begin(draft, intent, "hash of others", tracked.clock.nowMs()));
}

const ends: readonly { readonly how: string; readonly end: Plan<unknown> }[] = [
  { how: "never reaches its node", end: (draft) => settleUnanswered(draft, early, { wasSent: false }) },
  { how: "has no answer", end: (draft) => settleUnanswered(draft, early, new Error("reset")) },
  { how: "is refused", end: (draft) => settleRefused(draft, early, { ...refusal, mayRun: false }) },
  { how: "is refused half-done", end: (draft) => settleRefused(draft, early, { ...refusal, mayRun: true }) },
  { how: "makes a container", end: (draft) => settleCreated(draft, early, described, "") },
  { how: "loses its gateway", end: (draft) => settleAsUnknown(draft, work, early.owner) },
  { how: "is taken back", end: (draft) => takeBack(draft, work, early.owner) },
  {
    how: "is rolled back",
    end: (draft) => noteOutcome(draft, early, { kind: "rolledBack", container: "key", httpStatus: 500 }),
  },
];

describe("a creation whose request id is another call's by now", () => {
  it.each(ends)("leaves that call's outcome alone when it $how", async ({ end }) => {
    tracked = await openTracked();
    await run((draft) => begin(draft, early, "hash", tracked.clock.nowMs()));
    expect(await beginAfterADay(later)).toBeUndefined();
    await run(end);
    expect(outcomeNow()).toEqual({ kind: "running", intent: "later" });
  });

  it.each(ends.slice(0, 6))("writes down its own while nobody has taken the id: it $how", async ({ end }) => {
    tracked = await openTracked();
    await run((draft) => begin(draft, early, "hash", tracked.clock.nowMs()));
    await tracked.clock.advance(containerLimits.requestIdKeptMs);
    await run(end);
    expect(outcomeNow()?.kind).not.toBe("running");
  });

  it("changes no outcome of a container that the later call made", async () => {
    tracked = await openTracked();
    await run((draft) => begin(draft, early, "hash", tracked.clock.nowMs()));
    await beginAfterADay(later);
    await run((draft) => settleCreated(draft, later, described, ""));
    const made = outcomeNow();
    await run((draft) =>
      noteOutcome(draft, early, { kind: "rolledBack", container: "key", httpStatus: 500 }),
    );
    expect([made?.kind, outcomeNow()]).toEqual(["tracked", made]);
  });
});

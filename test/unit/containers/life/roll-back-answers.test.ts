/** What a repeated request id is told while, and after, a container that came with an error is removed again. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change, type Plan } from "../../../../src/containers/change.js";
import { isUnderWay, settledAnswer } from "../../../../src/containers/life/create-answers.js";
import { begin, settleCreated } from "../../../../src/containers/life/intents.js";
import { settleAsUnknown } from "../../../../src/containers/life/recovery.js";
import { untrack } from "../../../../src/containers/life/untrack.js";
import { Container_State } from "../../../../src/gen/p2prc/client/v1/container_pb.js";
import type { OutcomeRecord } from "../../../../src/containers/records.js";
import { refusal } from "../../../support/container-bench.js";
import { openContainersRoom } from "../../../support/containers-room.js";
import { aNodeContainer } from "../../../support/peers.js";
import { anIntent, openTracked, type Tracked } from "../../../support/tracked.js";

const intent = anIntent({ requestId: "one", state: "PENDING" });
let tracked: Tracked;
beforeEach(async () => {
  tracked = await openTracked();
  await run((draft) => begin(draft, intent, "hash", tracked.clock.nowMs()));
  const described = aNodeContainer({ ID: "abcdef" });
  const rollBack = { httpStatus: 500, owner: intent.owner };
  await run((draft) => settleCreated(draft, intent, described, "CREATED_WITH_ERROR", rollBack));
});
afterEach(() => tracked.close());

const run = async <T>(plan: Plan<T>): Promise<T> => await change(tracked, plan);
const outcome = (): Exclude<OutcomeRecord, { kind: "running" }> => {
  const kept = tracked.state.get("request", "one")?.outcome;
  if (kept === undefined || kept.kind === "running") throw new Error("no outcome");
  return kept;
};
const answer = (): unknown => settledAnswer(tracked.state, outcome(), intent.address);

it("says that it came with an error where its node cannot be reached to remove it again", async () => {
  const room = await openContainersRoom({ machineCount: 1 });
  const [machine] = room.machines;
  machine!.createFault = "status500-told-create";
  machine!.removeFault = "refuse";
  const placement = { case: "node" as const, value: room.nodes[0] ?? "" };
  expect((await refusal(room.api.createContainer({ placement }))).reason).toBe("NODE_REFUSED_REQUEST");
  const { containers } = await room.api.listContainers({});
  expect(containers.map(({ state, stateReason }) => [state, stateReason])).toEqual([
    [Container_State.ACTIVE, "CREATED_WITH_ERROR"],
  ]);
  await room.close();
});

describe("a container that came with an error", () => {
  it("is never shown as made: its removal begins with the commit that tracks it", () => {
    const [[, container] = []] = [...tracked.state.named("container")];
    expect(container).toMatchObject({ state: "REMOVING", owner: intent.owner });
    expect(isUnderWay(tracked.state, outcome())).toBe(true);
  });

  it("is answered as rolled back once it is gone, even if its gateway died before it wrote that down", async () => {
    const [[name] = [""]] = [...tracked.state.named("container")];
    await tracked.remove(name);
    expect(isUnderWay(tracked.state, outcome())).toBe(false);
    expect(answer).toThrow(expect.objectContaining({ reason: "CREATE_ROLLED_BACK" }));
  });

  it("is not answered as rolled back where it was only forgotten: it may go on running", async () => {
    const [[name] = [""]] = [...tracked.state.named("container")];
    await run((draft) => untrack(draft, tracked, name, "REMOVED_FROM_FILE"));
    expect(isUnderWay(tracked.state, outcome())).toBe(false);
    expect(answer).toThrow(expect.objectContaining({ reason: "NODE_REFUSED_REQUEST" }));
  });

  it("is answered as made with an error where its gateway died before its removal came to an end", async () => {
    const [[name] = [""]] = [...tracked.state.named("container")];
    await run((draft) => settleAsUnknown(draft, { kind: "container", subject: name }, intent.owner));
    expect(isUnderWay(tracked.state, outcome())).toBe(false);
    expect(answer).toThrow(expect.objectContaining({ reason: "NODE_REFUSED_REQUEST" }));
  });
});

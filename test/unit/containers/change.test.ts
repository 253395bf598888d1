/** A change that the store confirmed, and lost or hid before the state showed it. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../src/containers/change.js";
import { LossModel } from "../../support/loss-model.js";
import { settle } from "../../support/fake-clock.js";

let model: LossModel;
afterEach(() => model.close());

const group = (id: string) => ({ id, createTimeMs: 1, memberCount: 0, changeCount: 0 });

describe("a change that was confirmed and not shown yet", () => {
  it.each([
    ["flushed", 0],
    ["replaced by a replica that lags", 1],
  ])("is made again when its store is %s", async (_, kept) => {
    model = await LossModel.open(1);
    const [gateway] = model.gateways;
    await change(gateway!, (draft) => draft.put("group", "grp0", group("grp0")));
    gateway!.seat.hold();
    const changed = change(gateway!, (draft) => draft.put("group", "grp1", group("grp1")));
    await settle();
    model.lose(kept);
    await model.find(gateway!);
    await changed;
    expect([...(await model.values()).keys()]).toEqual(["g/grp0", "g/grp1"]);
    expect(gateway!.state.get("group", "grp1")).toBeDefined();
  });

  it("is not made twice where the state was read anew and has it", async () => {
    model = await LossModel.open(1);
    const [gateway] = model.gateways;
    gateway!.seat.hold();
    const changed = change(gateway!, (draft) => draft.put("group", "grp1", group("grp1")));
    await settle();
    gateway!.seat.noteLoss();
    await model.find(gateway!);
    await changed;
    expect(model.store.commits.filter(({ put }) => put.some(({ key }) => key === "g/grp1"))).toHaveLength(1);
  });
});

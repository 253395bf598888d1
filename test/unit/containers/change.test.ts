/** A change that the store confirmed, and lost or hid before the state showed it. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../src/containers/change.js";
import type { Commit } from "../../../src/store/contract.js";
import { isOfRescue } from "../../../src/store/view.js";
import { LossModel } from "../../support/loss-model.js";
import { settle } from "../../support/fake-clock.js";

let model: LossModel;
afterEach(() => model.close());

const isRescueOf = ({ put }: Commit): boolean => put.some(({ key }) => isOfRescue(key));

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

  it("ends also where its store loses it once more, after it was read anew", async () => {
    model = await LossModel.open(1);
    const [gateway] = model.gateways;
    for (const id of ["grp0", "grp1", "grp2"])
      await change(gateway!, (draft) => draft.put("group", id, group(id)));
    const { seat } = gateway!;
    const early = await seat.load();
    seat.hold();
    const changed = change(gateway!, (draft) => draft.put("group", "grp3", group("grp3")));
    await settle();
    const commit = seat.commit.bind(seat);
    const load = seat.load.bind(seat);
    // It was read anew a moment before the change came into it.
    seat.load = async () => {
      seat.hold();
      // The mark of our own rescue ends the reading.
      const marks = [...(await load()).records].filter(([key]) => isOfRescue(key));
      return { ...early, records: new Map([...early.records, ...marks]) };
    };
    seat.commit = async (asked) => {
      const result = await commit(asked);
      if (isRescueOf(asked)) return result;
      // Said once more, and lost before it shows.
      Object.assign(seat, { commit, load });
      model.lose(0);
      return result;
    };
    seat.noteLoss();
    await model.find(gateway!);
    await model.find(gateway!);
    await changed;
    expect(gateway!.state.get("group", "grp3")).toBeDefined();
    expect((await model.values()).has("g/grp3")).toBe(true);
  });
});

/** A room of containers that cannot be opened. */
import { afterEach, expect, it } from "@jest/globals";
import { change } from "../../../src/containers/change.js";
import { StoreError } from "../../../src/store/errors.js";
import { openContainersRoom, RoomClock } from "../../support/containers-room.js";
import { MemoryStore } from "../../support/memory-store.js";
import { anIntent, openTracked, type Tracked } from "../../support/tracked.js";

let other: Tracked;
afterEach(() => other.close());

it("leaves no timer behind, though others have work under way that it would look after", async () => {
  const shared = { store: new MemoryStore(), clock: new RoomClock() };
  other = await openTracked(shared);
  const intent = anIntent({ state: "PENDING", owner: "another" });
  await change(other, (draft) => draft.put("intent", intent.id, intent));
  shared.store.failure = new StoreError("DISK_FULL", "full");
  await expect(openContainersRoom({ ...shared, isShared: true })).rejects.toMatchObject({
    reason: "DISK_FULL",
  });
  expect(shared.clock.timerCount).toBe(0);
});

/** The read view over every backend: it shows what was committed, in order, and says so once. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../src/observability/logger.js";
import type { StateStore } from "../../src/store/contract.js";
import { StoreError } from "../../src/store/errors.js";
import { RecordView, type ViewUpdate } from "../../src/store/view.js";
import { FakeClock, settle } from "../support/fake-clock.js";
import { backends, type BackendState } from "../support/store-backends.js";
import { commit, put, reasonOf } from "../support/store-calls.js";

describe.each(backends)("a view of a $name store", ({ create }) => {
  let state: BackendState;
  let store: StateStore;
  const views: RecordView[] = [];
  beforeEach(async () => {
    state = await create();
    store = state.store;
  });
  afterEach(async () => {
    for (const view of views.splice(0)) await view.close();
    await state.destroy();
  });
  const openView = async (over: StateStore = store, clock = new FakeClock()): Promise<RecordView> => {
    const view = await RecordView.open(over, silentLogger, clock);
    views.push(view);
    return view;
  };

  it("shows what was there before", async () => {
    const revision = await commit(store, {
      put: ["c/1", "c/2", "g/1"].map((key) => ({ key, value: { key } })),
    });
    const view = await openView();
    expect(view.revision).toBe(revision);
    expect(view.size).toBe(3);
    expect(view.get("c/1")).toEqual({ key: "c/1", value: { key: "c/1" }, revision });
    expect([...view.entries()].map(({ key }) => key).sort()).toEqual(["c/1", "c/2", "g/1"]);
  });

  it("shows a commit of its own gateway once reached", async () => {
    const view = await openView();
    for (let n = 0; n < 100; n += 1) {
      const revision = await put(store, "a", { n });
      await view.reached(revision);
      expect(view.get("a")).toEqual({ key: "a", value: { n }, revision });
    }
    await view.reached(await commit(store, { delete: ["a"] }));
    expect(view.get("a")).toBeUndefined();
  });

  it("shows every one of 256 commits made at once when their callers go on", async () => {
    const view = await openView();
    await Promise.all(
      Array.from({ length: 256 }, async (_, n) => {
        await view.reached(await put(store, `k${n}`, { n }));
        expect(view.get(`k${n}`)?.value).toEqual({ n });
      }),
    );
  });

  it("tells each listener of each change set once, in order, when it shows it", async () => {
    const view = await openView();
    const seen: string[][] = [[], []];
    for (const list of seen) {
      view.subscribe((update) => {
        if (update.kind !== "changed") throw new Error("resynced");
        const { revision, changes } = update.changeSet;
        expect(view.revision).toBe(revision);
        for (const { key, value } of changes) expect(view.get(key)?.value).toEqual(value);
        list.push(revision);
      });
    }
    const revisions = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => put(store, `k${n % 7}`, { n })),
    );
    await view.reached(revisions.at(-1)!);
    for (const list of seen) expect(list).toEqual(revisions);
  });

  it("tells a listener nothing once it has left, and goes on when one fails", async () => {
    const view = await openView();
    const seen: ViewUpdate[] = [];
    view.subscribe(() => {
      throw new Error("a listener's fault");
    });
    const leave = view.subscribe((update) => seen.push(update));
    await view.reached(await put(store, "a"));
    leave();
    await view.reached(await put(store, "a"));
    expect(seen).toHaveLength(1);
  });

  it("stops waiting when the caller does, and when it is closed", async () => {
    const view = await openView();
    const leaving = new AbortController();
    const left = view.reached("7-0123456789abcdef", leaving.signal);
    leaving.abort(new Error("left"));
    await expect(left).rejects.toThrow("left");
    const cut = reasonOf(view.reached("7-0123456789abcdef"));
    await view.close();
    expect(await cut).toBe("STATE_STORE_UNAVAILABLE");
    expect(await reasonOf(view.reached("7-0123456789abcdef"))).toBe("STATE_STORE_UNAVAILABLE");
  });

  it("reads the store anew when the history does not reach back, and tells what differs", async () => {
    await commit(store, { put: ["same", "changed", "gone"].map((key) => ({ key, value: { key } })) });
    let isTrimmed = false;
    const view = await openView(
      failing(store, () => {
        if (!isTrimmed) return undefined;
        isTrimmed = false;
        return "REVISION_COMPACTED";
      }),
    );
    const updates: ViewUpdate[] = [];
    view.subscribe((update) => updates.push(update));
    await view.reached(await put(store, "noise"));
    isTrimmed = true;
    const revision = await commit(store, {
      put: ["changed", "new"].map((key) => ({ key, value: { now: true } })),
      delete: ["gone", "noise"],
    });
    await view.reached(revision);
    expect(updates.slice(1)).toEqual([
      {
        kind: "resynced",
        revision,
        changes: [
          { key: "changed", value: { now: true }, previous: { key: "changed" } },
          { key: "new", value: { now: true }, previous: undefined },
          { key: "gone", value: undefined, previous: { key: "gone" } },
          { key: "noise", value: undefined, previous: {} },
        ],
      },
    ]);
    expect([...view.entries()].map(({ key }) => key).sort()).toEqual(["changed", "new", "same"]);
    await view.reached(await put(store, "later"));
    expect(updates.at(-1)?.kind).toBe("changed");
  });

  it("counts from when the store was last heard of, which is earlier than that is noticed", async () => {
    const clock = new FakeClock();
    let isDown = false;
    const silent = failing(store, () => (isDown ? "STATE_STORE_UNAVAILABLE" : undefined));
    const heardMs = clock.nowMs() - 6_000;
    const view = await openView({ ...silent, heardMs }, clock);
    isDown = true;
    await put(store, "a");
    while (view.behindSinceMs === undefined) await settle();
    expect(view.behindSinceMs).toBe(heardMs);
  });

  it("stays as it is while the store does not answer, says since when, and catches up", async () => {
    let isDown = false;
    const clock = new FakeClock();
    const view = await openView(
      failing(store, () => (isDown ? "STATE_STORE_UNAVAILABLE" : undefined)),
      clock,
    );
    await view.reached(await put(store, "a", { n: 1 }));
    expect(view.behindSinceMs).toBeUndefined();
    isDown = true;
    const missed = await put(store, "a", { n: 2 });
    while (view.behindSinceMs === undefined) await settle();
    expect(view.behindSinceMs).toBe(clock.nowMs());
    expect(view.get("a")?.value).toEqual({ n: 1 });
    await clock.advance(60_000);
    expect(view.behindSinceMs).toBe(clock.nowMs() - 60_000);
    isDown = false;
    const caughtUp = view.reached(missed);
    await clock.advance(5_000);
    await caughtUp;
    expect(view.get("a")?.value).toEqual({ n: 2 });
    expect(view.behindSinceMs).toBeUndefined();
  });
});

/** A store whose change feed, and whose reads while it is down, fail as told. */
function failing(
  store: StateStore,
  failure: () => "REVISION_COMPACTED" | "STATE_STORE_UNAVAILABLE" | undefined,
): StateStore {
  const throwIfTold = (): void => {
    const reason = failure();
    if (reason !== undefined) throw new StoreError(reason, "as told");
  };
  return {
    load: async () => await store.load(),
    head: async () => await store.head(),
    get: async (key) => {
      throwIfTold();
      return await store.get(key);
    },
    commit: async (wish) => await store.commit(wish),
    changes: async function* (after, signal) {
      for await (const changeSet of store.changes(after, signal)) {
        throwIfTold();
        yield changeSet;
      }
    },
    close: async () => await store.close(),
  };
}

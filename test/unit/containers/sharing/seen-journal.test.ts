import { appendFile, mkdtemp, readFile, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import {
  openSeenJournal,
  type Seen,
  type SeenJournal,
} from "../../../../src/containers/sharing/seen-journal.js";
import { forgetRemoved, replaySeen } from "../../../../src/containers/sharing/seen-replay.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import { FakeClock, settle } from "../../../support/fake-clock.js";
import { aNodeContainer } from "../../../support/peers.js";
import { aContainerRecord, anIntent, openTracked, someNode, type Tracked } from "../../../support/tracked.js";
import { containerKey } from "../../../../src/containers/names.js";

let folder: string;
let path: string;
const clock = new FakeClock();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "p2prc-journal-"));
  path = join(folder, "seen.journal");
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const open = (): Promise<SeenJournal> => openSeenJournal(path, silentLogger, clock);

const aSeen = (n: number, overrides: Partial<Seen> = {}): Seen => ({
  intent: anIntent({ id: `int${String(n)}`, state: "PENDING", reason: "" }),
  described: aNodeContainer({ ID: `container-${String(n)}` }),
  reason: "",
  timeMs: clock.nowMs(),
  ...overrides,
});
const keyOf = (n: number): string => containerKey(someNode, `container-${String(n)}`);

/** What the next start finds, as after a kill: the journal is not closed. */
async function found(): Promise<readonly string[]> {
  const journal = await open();
  await journal.close();
  return journal.left.map(({ intent }) => intent.id);
}

describe("the local journal", () => {
  it("has what was noted and not forgotten, also after a kill", async () => {
    const journal = await open();
    await Promise.all([1, 2, 3].map((n) => journal.note(aSeen(n))));
    journal.forget("int2");
    await journal.note(aSeen(4));
    expect(await found()).toEqual(["int1", "int3", "int4"]);
  });

  it("is empty once all is forgotten: it holds secrets", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    journal.forget("int1");
    await journal.close();
    expect(await readFile(path, "utf8")).toBe("");
  });

  it("has for a while longer what the state was told, and not for ever", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    journal.told("int1");
    await journal.note(aSeen(2));
    await clock.advance(containerLimits.journalToldMs - 1);
    journal.told("int2");
    journal.sweep();
    expect(await readFile(path, "utf8")).not.toContain("done");
    await clock.advance(1);
    journal.sweep();
    await journal.close();
    expect(await found()).toEqual(["int2"]);
  });

  it("needs no timer for each container that it keeps", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    const timerCount = clock.timerCount;
    journal.told("int1");
    expect(clock.timerCount).toBe(timerCount);
  });

  it("leaves to the next start what was told just before the end", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    journal.told("int1");
    await journal.close();
    expect(await found()).toEqual(["int1"]);
  });

  it("lets go of what was told where it has grown large", async () => {
    const journal = await open();
    const large = "x".repeat(1024 * 1024);
    for (let n = 0; n < 34; n += 1) {
      await journal.note(aSeen(n, { described: { ...aNodeContainer(), raw: { large } } }));
      if (n > 0) journal.told(`int${String(n)}`);
    }
    await journal.note(aSeen(99));
    await journal.close();
    const left = await found();
    expect(["int0", "int1", "int99"].map((id) => left.includes(id))).toEqual([true, false, true]);
  });

  it("passes over a last line that a crash has cut, and goes on behind it", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    await journal.note(aSeen(2));
    await truncate(path, (await stat(path)).size - 10);
    const next = await open();
    expect(next.left.map(({ intent }) => intent.id)).toEqual(["int1"]);
    await next.note(aSeen(3));
    expect(await found()).toEqual(["int1", "int3"]);
  });

  it("passes over lines that are none of ours", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    await appendFile(path, 'null\n{"seen":7}\nnot JSON\n{"other":1}\n');
    expect(await found()).toEqual(["int1"]);
  });

  it("drops what is older than the state remembers removals", async () => {
    const journal = await open();
    await journal.note(aSeen(1, { timeMs: clock.nowMs() - containerLimits.journalKeptMs }));
    await journal.note(aSeen(2, { timeMs: clock.nowMs() - containerLimits.journalKeptMs + 1 }));
    expect(await found()).toEqual(["int2"]);
  });

  it("is written anew when it grows, without what has left it", async () => {
    const journal = await open();
    const large = "x".repeat(1024 * 1024);
    for (let n = 0; n < 34; n += 1) {
      await journal.note(aSeen(n, { described: { ...aNodeContainer(), raw: { large } } }));
      if (n > 0) journal.forget(`int${String(n)}`);
    }
    await journal.note(aSeen(99));
    await journal.close();
    expect((await stat(path)).size).toBeLessThan(4 * 1024 * 1024);
    expect(await found()).toEqual(["int0", "int99"]);
  });

  it("lets a creation go on where it cannot be written", async () => {
    const journal = await open();
    await rm(folder, { recursive: true });
    await journal.note(aSeen(1));
    await journal.close();
  });
});

describe("at the start", () => {
  let tracked: Tracked;
  beforeEach(async () => {
    tracked = await openTracked();
  });
  afterEach(() => tracked.close());

  /** A gateway is killed after the node's answer, and starts again. */
  async function restartAfter(n: number): Promise<void> {
    await (await open()).note(aSeen(n));
    const journal = await open();
    await replaySeen({ ...tracked, logger: silentLogger }, journal);
    await clock.advance(containerLimits.journalToldMs);
    journal.sweep();
    await journal.close();
    expect(await readFile(path, "utf8")).toBe("");
  }

  const intend = (state: "PENDING" | "UNKNOWN"): Promise<void> =>
    change(tracked, (draft) =>
      draft.put(
        "intent",
        "int1",
        anIntent({ state, reason: state === "UNKNOWN" ? "CREATE_OUTCOME_UNKNOWN" : "" }),
      ),
    );

  it.each(["PENDING", "UNKNOWN"] as const)("a container whose creation is %s is tracked", async (stage) => {
    await intend(stage);
    await restartAfter(1);
    expect(tracked.state.get("container", keyOf(1))).toMatchObject({ state: "TRACKED", id: "container-1" });
    expect(tracked.state.get("intent", "int1")).toBeUndefined();
  });

  it("a container that the state has lost, with its creation, is tracked", async () => {
    await restartAfter(1);
    expect(tracked.state.get("container", keyOf(1))?.state).toBe("TRACKED");
  });

  it("a container that was tracked before stays as it is now", async () => {
    await intend("PENDING");
    await restartAfter(1);
    const { commits } = tracked.store;
    const count = commits.length;
    await restartAfter(1);
    expect(commits).toHaveLength(count);
  });

  it("a container that was tracked and removed since does not come back", async () => {
    await intend("PENDING");
    await restartAfter(1);
    await tracked.remove(keyOf(1));
    await restartAfter(1);
    expect(tracked.state.get("container", keyOf(1))).toBeUndefined();
  });

  it("a container that the state had and has lost since, as in a failover, is tracked again", async () => {
    const journal = await open();
    await journal.note(aSeen(1));
    journal.told("int1");
    await replaySeen({ ...tracked, logger: silentLogger }, await open());
    expect(tracked.state.get("container", keyOf(1))).toMatchObject({ state: "TRACKED", id: "container-1" });
  });

  it("a container whose removal the state has lost too does not come back", async () => {
    const journal = await open();
    forgetRemoved(tracked.state, journal);
    for (const n of [1, 2]) {
      await tracked.track([aContainerRecord({ id: `container-${String(n)}` })]);
      await journal.note(aSeen(n));
      journal.told(`int${String(n)}`);
    }
    await tracked.remove(keyOf(1));
    await settle();
    await journal.close();
    expect(await found()).toEqual(["int2"]);
  });
});

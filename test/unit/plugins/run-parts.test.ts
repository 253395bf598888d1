/** The parts of a run that know no process: who is worked on when, whose time is over, what is kept. */
import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { silentLogger } from "../../../src/observability/logger.js";
import { dealOut, workOff } from "../../../src/plugins/batches.js";
import { BoundedQueue } from "../../../src/plugins/bounded-queue.js";
import { PluginError } from "../../../src/plugins/errors.js";
import { pluginLimits } from "../../../src/plugins/limits.js";
import type { ReadyTarget } from "../../../src/plugins/ready-target.js";
import { errorOf, recordFailure } from "../../../src/plugins/recorded-failure.js";
import { type JournalTarget, parseJournal, RunJournal } from "../../../src/plugins/run-journal.js";
import { RunLog } from "../../../src/plugins/run-log.js";
import { TargetWatch } from "../../../src/plugins/target-watch.js";
import { FakeClock } from "../../support/fake-clock.js";

const aTarget = (name: string, ...ports: number[]): ReadyTarget => ({
  container: name,
  ports: ports.map((externalPort) => ({
    name: "",
    internalPort: 0,
    externalPort,
    protocol: "tcp",
    isUsed: true,
    description: "",
  })),
  login: { host: "h", port: 22, user: "root", password: "", privateKeyPath: "", knownHostsPath: "" },
});
const names = (batches: ReturnType<typeof dealOut>): string[][] =>
  batches.map(({ targets }) => targets.map(({ container }) => container));
const noLimit = { maxConcurrency: 2, maxFailureCount: 0 };

describe("targets", () => {
  it("share one run of Ansible where their playbook is the same", () => {
    const targets = [aTarget("a", 1), aTarget("b", 2), aTarget("c", 1)];
    expect(names(dealOut({ playbook: "{{index . 0}}" }, targets, noLimit))).toEqual([["a", "c"], ["b"]]);
    expect(names(dealOut({ playbook: "same" }, targets, noLimit))).toEqual([["a", "b", "c"]]);
  });

  it("are dealt out in batches where failures are limited, and one by one to a playbook about host1", () => {
    const targets = ["a", "b", "c"].map((name) => aTarget(name));
    expect(names(dealOut({ playbook: "x" }, targets, { ...noLimit, maxFailureCount: 1 }))).toEqual([
      ["a", "b"],
      ["c"],
    ]);
    expect(names(dealOut({ playbook: "hosts: host1" }, targets, noLimit))).toEqual([["a"], ["b"], ["c"]]);
    expect(names(dealOut({ playbook: "hosts: host10" }, targets, noLimit))).toHaveLength(1);
  });

  it("are never more at once than may be, and no batch begins after the stop", async () => {
    const batches = dealOut(
      { playbook: "host1" },
      Array.from("abcdef", (name) => aTarget(name)),
      noLimit,
    );
    let [now, most, done] = [0, 0, 0];
    const work = async (): Promise<void> => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      done += 1;
    };
    const left = await workOff(batches, 2, work, () => done >= 3);
    expect(most).toBe(2);
    expect([done, left.length]).toEqual([4, 2]);
  });
});

describe("the queue of a run", () => {
  it("hands out everything in order, and makes the writer wait for the reader", async () => {
    const queue = new BoundedQueue<number>(2);
    let written = 0;
    const writing = (async () => {
      for (; written < 10; written += 1) await queue.put(written);
      queue.end();
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toBe(1);
    const read: number[] = [];
    for await (const entry of queue.read()) read.push(entry);
    await writing;
    expect(read).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("throws its error behind what was in it, and lets nobody wait for ever", async () => {
    const queue = new BoundedQueue<number>(1);
    const waiting = queue.put(1);
    queue.end(new Error("over"));
    await waiting;
    await queue.put(2);
    const read: number[] = [];
    await expect(
      (async () => {
        for await (const entry of queue.read()) read.push(entry);
      })(),
    ).rejects.toThrow("over");
    expect(read).toEqual([1]);
  });
});

describe("the time of a target", () => {
  const watching = () => {
    const clock = new FakeClock();
    const over: string[] = [];
    const watch = new TargetWatch({ clock, timeoutMs: 100, onOver: (host) => over.push(host) });
    return { clock, over, watch };
  };

  it("is that of its tasks together, not that of waiting for others", async () => {
    const { clock, over, watch } = watching();
    watch.begin("a");
    await clock.advance(60);
    watch.end("a");
    await clock.advance(1_000);
    watch.begin("a");
    await clock.advance(39);
    expect(over).toEqual([]);
    await clock.advance(1);
    expect(over).toEqual(["a"]);
    expect([watch.isOver("a"), watch.isOver("b")]).toEqual([true, false]);
    watch.begin("a");
    expect(over).toEqual(["a", "a"]);
  });

  it("is nobody's fault while the reader of the run is behind", async () => {
    const { clock, over, watch } = watching();
    watch.begin("a");
    watch.noteReader(true);
    await clock.advance(500);
    expect(over).toEqual([]);
    watch.noteReader(false);
    await clock.advance(100);
    expect(over).toEqual(["a"]);
  });
});

describe("what is kept of a run", () => {
  let folder: string;
  let clock: FakeClock;
  let freed: string[];
  let requests: string[];
  beforeEach(async () => {
    [freed, requests] = [[], []];
    folder = await mkdtemp(join(tmpdir(), "runs-"));
    clock = new FakeClock();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const open = (): Promise<RunLog> =>
    RunLog.open({
      journal: new RunJournal(folder),
      clock,
      logger: silentLogger,
      containers: {
        freePorts: async (name) => void freed.push(name),
        takeRunRequest: async (id) => id !== "elsewhere" && requests.push(id) > 0,
        freeRunRequest: async (id) => void (requests = requests.filter((one) => one !== id)),
      },
    });
  const begin = (run: string, requestId = "") => ({
    run,
    requestId,
    argumentsHash: "hash",
    scopeHash: "scope",
    targets: [{ container: "a", ports: [] }],
    timeMs: clock.nowMs(),
  });

  it("outlives the gateway, a line that was cut short too; what had no end is interrupted", async () => {
    const log = await open();
    await log.begin(begin("one", "id"));
    await log.noteTarget("one", { container: "a", elapsedMs: 1, keepsPorts: true });
    await writeFile(join(folder, "one.jsonl"), '{"kind":"end","rea', { flag: "a" });
    const later = await open();
    const record = later.ofRequest("id", "hash");
    expect(record?.end?.reason).toBe("INTERRUPTED");
    expect([...(record?.ends.keys() ?? [])]).toEqual(["a"]);
    expect((await open()).ofRequest("id", "hash")?.end?.reason).toBe("INTERRUPTED");
  });

  it("gives back, once, the ports of targets that no Ansible was started for when the gateway was killed", async () => {
    const log = await open();
    const port = {
      name: "",
      internalPort: 80,
      externalPort: 4000,
      protocol: "tcp",
      isUsed: true,
      description: "",
    };
    const ports = [port];
    const targets: JournalTarget[] = [
      { container: "done", ports },
      { container: "begun", ports },
      { container: "older", ports, arePortsOlder: true },
      { container: "waiting", ports },
    ];
    await log.begin({ ...begin("one"), targets });
    await log.noteProcess("one", "no-such-mark", ["done", "begun"]);
    await log.noteTarget("one", { container: "done", elapsedMs: 1, keepsPorts: true });
    await writeFile(join(folder, "one.jsonl"), '{"kind":"tar', { flag: "a" });
    await open();
    expect(freed).toEqual(["waiting"]);
    const record = (await open()).find("one");
    expect(freed).toEqual(["waiting"]);
    expect(record?.ends.get("waiting")).toMatchObject({ keepsPorts: false });
    expect(record?.end?.reason).toBe("INTERRUPTED");
  });

  it("lets one request id run once at a time", async () => {
    const log = await open();
    await log.begin(begin("one", "id"));
    await expect(log.begin(begin("two", "id"))).rejects.toMatchObject({ reason: "RUN_UNDER_WAY" });
    expect(() => log.ofRequest("id", "hash")).toThrow(expect.objectContaining({ reason: "RUN_UNDER_WAY" }));
    await log.end("one", "FINISHED");
    expect(log.ofRequest("id", "hash")?.end?.reason).toBe("FINISHED");
    expect(() => log.ofRequest("id", "other")).toThrow(
      expect.objectContaining({ reason: "REQUEST_ID_REUSED" }),
    );
  });

  it("takes its request id among all gateways, and gives it back if it cannot begin", async () => {
    const log = await open();
    await log.begin(begin("one", "id"));
    await log.begin(begin("two"));
    expect(requests).toEqual(["id"]);
    await rm(folder, { recursive: true });
    await writeFile(folder, "no folder");
    await expect(log.begin(begin("three", "other"))).rejects.toThrow();
    expect(requests).toEqual(["id"]);
  });

  it("does not begin where another gateway has its request id, and leaves nothing behind", async () => {
    const log = await open();
    await expect(log.begin(begin("one", "elsewhere"))).rejects.toMatchObject({ reason: "RUN_ELSEWHERE" });
    expect(log.find("one")).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it("goes after a day, and the oldest beyond the limit", async () => {
    const log = await open();
    await log.begin(begin("old", "id"));
    await log.end("old", "FINISHED");
    await clock.advance(pluginLimits.runKeptMs + 1);
    expect(log.ofRequest("id", "hash")).toBeUndefined();
    await log.begin(begin("new"));
    expect(log.find("old")).toBeUndefined();
    expect(await readdir(folder)).toEqual(["new.jsonl"]);
  });

  it("goes with the oldest when the targets of all runs are too many, but never while it goes on", async () => {
    const log = await open();
    const targets = Array.from({ length: pluginLimits.maxKeptTargets / 2 + 1 }, (_, index) => ({
      container: `c${index}`,
      ports: [],
    }));
    await log.begin({ ...begin("running"), targets });
    await log.begin({ ...begin("first"), targets });
    await log.end("first", "FINISHED");
    await log.begin({ ...begin("second"), targets });
    expect(["running", "first", "second"].map((run) => log.find(run) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("lets one run at a time go on with an earlier one", async () => {
    const log = await open();
    await log.begin(begin("one"));
    await log.end("one", "INTERRUPTED");
    await log.begin({ ...begin("two"), resumes: "one" });
    await expect(log.begin({ ...begin("three"), resumes: "one" })).rejects.toMatchObject({
      reason: "RUN_UNDER_WAY",
      metadata: { run: "two" },
    });
    await log.end("two", "FINISHED");
    await log.begin({ ...begin("three"), resumes: "one" });
  });

  it("begins nothing on a disk that is full, and the same request may be tried again", async () => {
    const log = await open();
    await symlink("/dev/full", join(folder, "one.jsonl"));
    await expect(log.begin(begin("one", "id"))).rejects.toMatchObject({ reason: "DISK_FULL" });
    await log.begin(begin("two", "id"));
    await log.end("two", "FINISHED");
    expect(log.ofRequest("id", "hash")?.begin.run).toBe("two");
  });

  it("is nothing where a run never began", () => {
    expect(parseJournal([])).toBeUndefined();
    expect(parseJournal(['{"kind":"end"}', "nonsense"])).toBeUndefined();
  });

  it("says why a target failed, and of a fault of ours only that it was one", () => {
    const failure = recordFailure(new PluginError("TASK_FAILED", "task failed"));
    expect(errorOf(failure)).toMatchObject({ reason: "TASK_FAILED", message: "task failed" });
    const fault = errorOf(recordFailure(new Error("a secret")));
    expect(fault.message).not.toContain("secret");
  });
});

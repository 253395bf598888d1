/** The room of plugins with a stand-in for ansible-playbook: a script that the plugin brings along. */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ContainerError } from "../../src/containers/errors.js";
import { silentLogger } from "../../src/observability/logger.js";
import { requireSshpass } from "../../src/plugins/ansible-program.js";
import type { PluginContainers, PluginService, RunEvent, RunRequest } from "../../src/plugins/contract.js";
import { pluginLimits } from "../../src/plugins/limits.js";
import { markedProcesses } from "../../src/plugins/marked-processes.js";
import { openPluginService } from "../../src/plugins/service.js";
import { systemClock } from "../../src/system/clock.js";

let base: string;
let service: PluginService;
let names: readonly string[];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "plugin-service-"));
  names = ["nodes/203.0.113.7:8088/containers/abc"];
  arrive = () => undefined;
  draining = new AbortController();
  await writeFile(join(base, "ansible-playbook"), "#!/bin/sh\n. ./script.sh\n");
  await chmod(join(base, "ansible-playbook"), 0o755);
  let runCount = 0;
  service = await openPluginService({
    containers: containers as unknown as PluginContainers,
    clock: systemClock,
    logger: silentLogger,
    pluginPath: join(base, "plugins"),
    stateFolder: join(base, "state"),
    callbackFolder: base,
    privateKeyPath: async () => "/key",
    newRunId: () => `run-${++runCount}`,
    draining: draining.signal,
    searchPath: `${base}:/usr/bin:/bin`,
    home: "",
  });
});
afterEach(async () => {
  await service.close();
  await rm(base, { recursive: true, force: true });
});

const access = { host: "203.0.113.7", sshPort: 1, sshUsername: "root", sshPassword: "" };
let draining: AbortController;
let arrive = (): void => undefined;
const containers = {
  catchUp: async () => arrive(),
  list: async () => ({
    entries: names.map((name) => ({ name, id: "abc" })),
    nextPageToken: "",
    revision: "",
  }),
  login: async () => access,
  takeRunRequest: async (requestId: string) => requestId !== "elsewhere",
  freeRunRequest: async () => undefined,
};

async function plugin(script: string, site = "", portCount = 0): Promise<void> {
  await mkdir(join(base, "plugins/p"), { recursive: true });
  const files = {
    "description.txt": "",
    "ports.json": `{"NumOfPorts":${portCount}}`,
    "site.yml": site,
    "script.sh": script,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(base, "plugins/p", name), text);
}

const aRequest: RunRequest = {
  plugin: "p",
  targets: { kind: "filter", filter: "" },
  variables: new Map(),
  policy: { maxConcurrency: 10, maxFailureCount: 0, undoOnFailure: false, targetTimeoutMs: 600_000 },
  requestId: "",
  validateOnly: false,
  resumeToken: "",
};

async function run(signal = new AbortController().signal): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of service.run(aRequest, signal)) events.push(event);
  return events;
}

const wellDone = `printf '{"event":"stats","hosts":{"host1":{"failures":0}}}\\n' >&3\n`;
const reasons = (events: readonly RunEvent[]): unknown[] =>
  events.flatMap((event) =>
    event.kind === "finished" ? [(event.result.error as { reason?: string } | undefined)?.reason] : [],
  );

describe("a run", () => {
  it("has a container among its targets that another gateway has just tracked", async () => {
    const late = "nodes/203.0.113.8:8088/containers/def";
    arrive = () => (names = [...names, late]);
    await plugin(wellDone);
    const [started] = await run();
    expect(started?.kind === "started" && started.targets.map(({ container }) => container)).toEqual(names);
    expect(names).toContain(late);
  });

  it("passes on 1 MiB of a container's output, and counts the rest", async () => {
    const text = "x".repeat(65_536);
    const line = JSON.stringify({
      event: "output",
      host: "host1",
      outputs: [{ stream: "stdout", text, droppedBytes: 1 }],
    });
    await writeFile(join(base, "line"), `${line}\n`);
    await plugin(
      `for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do cat ${base}/line >&3; done\n${wellDone}`,
    );
    const events = await run();
    const outputs = events.flatMap((event) => (event.kind === "output" ? [event] : []));
    const sizes = outputs.map((event) => [event.text.length, event.droppedBytes]);
    expect(sizes).toEqual([
      ...Array.from({ length: 16 }, () => [65_536, 1]),
      ...Array.from({ length: 2 }, () => [0, 65_537]),
    ]);
    expect(reasons(events)).toEqual([undefined]);
  });

  it("leaves out an event that is too long, and one that is none", async () => {
    const bytes = pluginLimits.maxEventBytes + 1;
    await plugin(`head -c ${bytes} /dev/zero >&3\necho >&3\necho nonsense >&3\n${wellDone}`);
    expect(reasons(await run())).toEqual([undefined]);
  });

  it("has no more targets than may be, and there are no more runs at once", async () => {
    await plugin("exec sleep 1000");
    const leaving = new AbortController();
    const held = Array.from({ length: pluginLimits.maxRuns }, () =>
      service.run(aRequest, leaving.signal)[Symbol.asyncIterator](),
    );
    for (const one of held) expect((await one.next()).value).toMatchObject({ kind: "started" });
    await expect(run()).rejects.toMatchObject({ reason: "TOO_MANY_RUNS" });
    leaving.abort();
    for (const one of held) await one.return?.();
    names = Array.from(
      { length: pluginLimits.maxTargets + 1 },
      (_, index) => `nodes/203.0.113.7:1/containers/c${index}`,
    );
    await expect(run()).rejects.toMatchObject({ reason: "TOO_MANY_TARGETS" });
  });

  it("is cut short by the end of the gateway, and says so", async () => {
    await plugin("exec sleep 1000");
    const reading = run();
    const refused = expect(reading).rejects.toMatchObject({ reason: "DRAINING" });
    await new Promise((resolve) => setImmediate(resolve));
    await service.close();
    await refused;
  });
});

describe("a run whose playbook is for one container at a time", () => {
  beforeEach(() => {
    names = ["1", "2"].map((id) => `nodes/203.0.113.7:8088/containers/${id}`);
  });

  it("has no process left when it has ended, not even one that does not want to end", async () => {
    // The first ends at once when asked to, the other only when it is killed.
    await plugin(
      `case $P2PRC_RUN in *.2) trap '' TERM;; esac\nprintf '{"event":"start","host":"host1","task":"t"}\\n' >&3\nwhile :; do sleep 0.1; done`,
      "# host1",
    );
    const leaving = new AbortController();
    let begun = 0;
    const reading = (async () => {
      for await (const event of service.run(aRequest, leaving.signal))
        if (event.kind === "task" && ++begun === 2) leaving.abort();
    })();
    await expect(reading).rejects.toThrow();
    expect(begun).toBe(2);
    expect(await markedProcesses("run-1.1")).toEqual([]);
    expect(await markedProcesses("run-1.2")).toEqual([]);
    expect(await readdir(join(base, "state/runs"))).toEqual(["run-1.jsonl"]);
  });
});

describe("the ports of a run that is cut short", () => {
  const port = {
    name: "",
    internalPort: 80,
    externalPort: 4000,
    protocol: "tcp",
    isUsed: false,
    description: "",
  };
  let taken: string[];
  const [first, second] = ["1", "2"].map((id) => `nodes/203.0.113.7:8088/containers/${id}`) as [
    string,
    string,
  ];
  const claims = {
    takePorts: async (name: string) => (taken.push(name), [port]),
    freePorts: async (name: string) => void (taken = taken.filter((one) => one !== name)),
  };
  beforeEach(() => {
    names = [first, second];
    taken = [];
    Object.assign(containers, claims);
  });

  it("are given back where Ansible was not started, and the resumed run takes them anew", async () => {
    await plugin(`printf '{"event":"start","host":"host1","task":"t"}\\n' >&3\nsleep 1000`, "# host1", 1);
    const oneByOne = { ...aRequest, policy: { ...aRequest.policy, maxConcurrency: 1 } };
    let resumeToken = "";
    for await (const event of service.run(oneByOne, new AbortController().signal)) {
      resumeToken = event.resumeToken;
      if (event.kind === "task") break;
    }
    expect(taken).toEqual([first]);
    // Nothing changes, and one fails: what the earlier run took stays taken all the same.
    await plugin(`printf '{"event":"stats","hosts":{"host1":{"failures":1}}}\\n' >&3`, "# host1", 1);
    const again: unknown[] = [];
    const events = service.run({ ...oneByOne, resumeToken }, new AbortController().signal);
    for await (const event of events) if (event.kind === "finished") again.push(event.container);
    expect(again).toEqual([first, second]);
    expect(taken).toEqual([first]);
  });

  it("are given back when the plugin cannot be copied", async () => {
    await plugin("", "", 1);
    await symlink("/etc/passwd", join(base, "plugins/p/link"));
    await expect(run()).rejects.toMatchObject({ reason: "PLUGIN_BROKEN" });
    expect(taken).toEqual([]);
  });
});

describe("a play on a host of its own", () => {
  it("that takes longer than target_timeout ends the run of Ansible, and each target says so", async () => {
    await plugin(
      `trap 'exit 0' TERM\nprintf '{"event":"start","host":"localhost","task":"t"}\\n' >&3\nwhile :; do sleep 0.05; done`,
    );
    const policy = { ...aRequest.policy, targetTimeoutMs: 50 };
    const events: RunEvent[] = [];
    for await (const event of service.run({ ...aRequest, policy }, new AbortController().signal))
      events.push(event);
    expect(reasons(events)).toEqual(["TARGET_TIMEOUT"]);
    expect(await markedProcesses("run-1.1")).toEqual([]);
  });
});

describe("a gateway that ends", () => {
  it("begins no run that was still looking for its targets", async () => {
    arrive = () => draining.abort();
    await plugin(`echo ran >> ${base}/runs\n${wellDone}`);
    await expect(run()).rejects.toMatchObject({ reason: "DRAINING" });
    expect(await readdir(base)).not.toContain("runs");
  });
});

describe("a request id that another gateway has", () => {
  it.each([[false], [true]])("runs nothing, and says why; only checked: %p", async (validateOnly) => {
    await plugin(`echo ran >> ${base}/runs\n${wellDone}`);
    const { signal } = new AbortController();
    const events = service.run({ ...aRequest, requestId: "elsewhere", validateOnly }, signal);
    await expect(events[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      reason: "RUN_ELSEWHERE",
      field: "request_id",
    });
    expect(await readdir(base)).not.toContain("runs");
  });
});

describe("a run that is only checked", () => {
  it("tells the results of the run that has its request id, and refuses other arguments", async () => {
    await plugin(`echo ran >> ${base}/runs\n${wellDone}`);
    const { signal } = new AbortController();
    const ask = async (request: Partial<RunRequest>): Promise<RunEvent[]> => {
      const events: RunEvent[] = [];
      for await (const event of service.run({ ...aRequest, requestId: "same", ...request }, signal))
        events.push(event);
      return events;
    };
    await ask({});
    const [started, finished, summary] = await ask({ validateOnly: true });
    expect(started).toMatchObject({ kind: "started", run: "run-1", isReplayed: true });
    expect(finished).toMatchObject({ kind: "finished", container: names[0] });
    expect(summary).toMatchObject({ succeededCount: 1, endReason: "FINISHED" });
    const variables = new Map([["a", "b"]]);
    await expect(ask({ validateOnly: true, variables })).rejects.toMatchObject({
      reason: "REQUEST_ID_REUSED",
    });
    expect(await readFile(join(base, "runs"), "utf8")).toBe("ran\n");
  });

  it("tells which targets could not begin, and why", async () => {
    await plugin("", "", 2);
    const [fit, unfit] = ["fit", "unfit"].map((id) => `nodes/203.0.113.7:8088/containers/${id}`);
    names = [fit!, unfit!];
    const ports = [80, 81].map((internalPort) => ({ internalPort, externalPort: 4000, protocol: "tcp" }));
    const takePorts = async (name: string, _: number, validateOnly = false): Promise<unknown> => {
      expect(validateOnly).toBe(true);
      if (name === unfit) throw new ContainerError("PORTS_EXHAUSTED", "2 unused ports are wanted");
      return ports;
    };
    Object.assign(containers, { takePorts });
    const events: RunEvent[] = [];
    for await (const event of service.run({ ...aRequest, validateOnly: true }, new AbortController().signal))
      events.push(event);
    expect(events).toMatchObject([
      {
        kind: "started",
        targets: [
          { container: fit, ports: [80, 81] },
          { container: unfit, ports: [] },
        ],
      },
      { kind: "finished", container: unfit, result: { error: { reason: "PORTS_EXHAUSTED" } } },
      { kind: "summary", failedCount: 1, notStartedCount: 1, endReason: "VALIDATED" },
    ]);
  });
});

describe("a task's name", () => {
  it("tells no password, neither in the events nor in the journal, and is cut", async () => {
    access.sshPassword = "s3cret-of-1";
    await writeFile(join(base, "sshpass"), "", { mode: 0o755 });
    const task = `s3cret-of-1 ${"x".repeat(1_000)}`;
    const result = JSON.stringify({ event: "result", host: "host1", status: "failed", task });
    await plugin(`cat <<'EOF' >&3\n${result}\n{"event":"stats","hosts":{"host1":{"failures":1}}}\nEOF`);
    const events = await run();
    access.sshPassword = "";
    expect(reasons(events)).toEqual(["TASK_FAILED"]);
    expect(events.flatMap((event) => (event.kind === "task" ? [event.task.length] : []))).toEqual([
      pluginLimits.maxTaskNameLength,
    ]);
    const told = events.flatMap((event) =>
      event.kind === "finished" ? [(event.result.error as Error).message] : [JSON.stringify(event)],
    );
    expect(told.join("\n")).toContain("[hidden]");
    expect(told.join("\n")).not.toContain("s3cret");
    expect(await readFile(join(base, "state/runs/run-1.jsonl"), "utf8")).not.toContain("s3cret");
  });
});

describe("a container that takes a password only", () => {
  it("needs sshpass, and says so", async () => {
    await expect(requireSshpass({ searchPath: base, home: "" })).rejects.toMatchObject({
      reason: "SSHPASS_MISSING",
    });
  });
});

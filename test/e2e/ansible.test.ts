/** Plugins on containers: real ansible-playbook, real sshd on loopback. */
import { readdirSync, readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { RunSummary_EndReason } from "../../src/gen/p2prc/client/v1/plugin_pb.js";
import { eventually, refusal } from "../support/container-bench.js";
import { hear, jinja, nameOf, onContainer, onGroup, PluginBench, sortOut } from "../support/plugin-bench.js";

let bench: PluginBench;
beforeEach(async () => {
  bench = await PluginBench.open();
});
afterEach(() => bench.release());

/** Tracks servers as `a`, `b`, ... */
async function trackAll(ports: readonly number[]): Promise<void> {
  await bench.track(ports.map((port, index) => ({ id: idOf(index), port })));
}
const idOf = (index: number): string => `container-${index + 1}`;
const resultsOf = (reasons: readonly string[]): Record<string, string> =>
  Object.fromEntries(reasons.map((reason, index) => [nameOf(idOf(index)), reason]));

/** Runs something only on the container behind this port. */
const onlyAt = (port: number, command: string): string =>
  `case "$SSH_CONNECTION" in *" ${port}") ${command};; esac`;

describe("a plugin", () => {
  it("runs on a whole group with one call, and tells each step, a result per container and a summary", async () => {
    const servers = await bench.servers(3);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("hello", `- name: Say hello\n  shell: echo "hello ${jinja("word")}"`);
    const client = await bench.gateway();
    const run = await hear(client, { plugin: "hello", target: onGroup, variables: { word: "world" } });
    expect(run.results).toEqual(resultsOf(["", "", ""]));
    expect(run.printed[nameOf(idOf(1))]).toBe("hello world\n");
    expect(run.summary).toMatchObject({ succeededCount: 3, failedCount: 0 });
    expect(run.events.map(({ sequence }) => Number(sequence))).toEqual(
      run.events.map((_, index) => index + 1),
    );
    expect(run.events[0]?.event.case).toBe("started");
    expect(run.events.at(-1)?.event.case).toBe("summary");
  });

  it("of the network runs unchanged: another user, become, ports as a Go template, its interpreter", async () => {
    const [server] = await bench.servers(1);
    const ports = [38_121, 38_122, 38_123];
    await bench.track([{ id: "render", port: server!.port, ports }]);
    await bench.plugin("TestAnsible", "", {
      "ports.json": '{\n  "NumOfPorts": 2\n}',
      hosts:
        "all:\n  vars:\n    ansible_python_interpreter: /usr/bin/python3\nmain:\n  hosts:\n    host1:\n      ansible_user: master\n",
      "site.yml": [
        "- hosts: main",
        "  remote_user: master",
        "  become: true",
        "  vars:",
        "    ansible_user: master",
        "    ansible_ssh_common_args: -o StrictHostKeyChecking=no -o User=nobody",
        "  roles: [serve]",
      ].join("\n"),
      "roles/serve/tasks/main.yml": "- shell: echo {{ ports }} as $(id -un)\n",
      "roles/serve/vars/main.yml": "ports: none\n",
    });
    // Only site.yml is a template of Go: what Jinja's braces mean in a role's files is Ansible's.
    await bench.plugin("TestPorts", "- shell: echo {{index . 0}} {{ index . 1 }}", {
      "ports.json": '{"NumOfPorts": 2}',
    });
    const client = await bench.gateway();
    const unchanged = await hear(client, { plugin: "TestAnsible", target: onContainer("render") });
    expect([unchanged.results, unchanged.printed[nameOf("render")]]).toEqual([
      { [nameOf("render")]: "" },
      "none as root\n",
    ]);
    expect(unchanged.targets).toMatchObject([{ ports: [38_121, 38_122] }]);
    const { container } = await client.getContainer({ container: nameOf("render") });
    expect(container?.ports.filter(({ used }) => used).map(({ externalPort }) => externalPort)).toEqual([
      server!.port,
      38_121,
      38_122,
    ]);
    const inFiles = async (file: string): Promise<readonly boolean[]> => {
      const text = await readFile(join(bench.baseDir, "client/trackcontainers", file), "utf8");
      return [...text.matchAll(/"IsUsed": ?(true|false)/g)].map(([, isUsed]) => isUsed === "true");
    };
    await eventually(async () => {
      expect(await inFiles("trackcontainers.json")).toEqual([true, true, true, false]);
      expect(await inFiles("grouptrackcontainers.json")).toEqual([true, true, true, false]);
    });
    // One port is left, and two are wanted.
    const second = await hear(client, { plugin: "TestPorts", target: onContainer("render") });
    expect(second.results).toEqual({ [nameOf("render")]: "PORTS_EXHAUSTED" });
  });

  it("gives each container's own ports, and gives them back where nothing was changed", async () => {
    const servers = await bench.servers(2);
    await bench.track(servers.map(({ port }, index) => ({ id: idOf(index), port, ports: [40_001 + index] })));
    const task = `- shell: echo {{index . 0}}; ${onlyAt(servers[0]!.port, "exit 1")}`;
    await bench.plugin("serve", task, { "ports.json": '{"NumOfPorts": 1}' });
    const client = await bench.gateway();
    const run = await hear(client, { plugin: "serve", target: onGroup });
    expect(run.results).toEqual(resultsOf(["TASK_FAILED", ""]));
    expect(run.printed[nameOf(idOf(1))]).toBe("40002\n");
    const used = async (id: string): Promise<boolean | undefined> =>
      (await client.getContainer({ container: nameOf(id) })).container?.ports.at(-1)?.used;
    expect([await used(idOf(0)), await used(idOf(1))]).toEqual([false, true]);
  });

  it("logs in with the password of an older container, and tells nobody of it (needs root)", async () => {
    const password = "s3cret-of-the-node";
    const server = await bench.ssh.open({ authorizedKeys: "", password });
    await bench.track([{ id: "old", port: server.port, username: "root", password }]);
    await bench.plugin(
      "look",
      `- shell: sleep 2; echo done\n- debug: var=hostvars\n- fail:\n    msg: it is ${jinja("ansible_password")}`,
    );
    const client = await bench.gateway();
    const seen: string[] = [];
    const events = [];
    const variables = { token: "s3cret-of-the-caller" };
    for await (const event of client.runPlugin({ plugin: "look", target: onContainer("old"), variables })) {
      events.push(event);
      if (event.event.case === "task") seen.push(...argumentsAndEnvironments());
    }
    const run = sortOut(events);
    expect(run.printed[nameOf("old")]).toBe("done\n");
    expect(run.results).toEqual({ [nameOf("old")]: "TASK_FAILED" });
    expect(seen.some((text) => text.includes("ansible-playbook"))).toBe(true);
    const told = JSON.stringify(run.events, (_, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    expect(told).toContain("it is [hidden]");
    expect(`${seen.join("\n")}${bench.logged}`).not.toMatch(/s3cret/);
    expect(told.replaceAll("s3cret-of-the-caller", "")).not.toContain("s3cret");
    const kept = await filesBelow(join(bench.baseDir, ".p2prc/runs"));
    expect(kept).toMatchObject([{ path: expect.stringMatching(/\.jsonl$/), mode: 0o600 }]);
    expect(kept[0]?.text).not.toContain("s3cret");
  });

  it("never evaluates what a node or a caller wrote", async () => {
    const trap = (name: string): string => `{{ lookup('pipe', 'touch ${join(bench.baseDir, name)}') }}`;
    const [server] = await bench.servers(1);
    await bench.track([
      { id: "key", port: server!.port },
      { id: "word", port: server!.port, username: "root", password: trap("by-password") },
      { id: "user", port: server!.port, username: trap("by-user") },
    ]);
    await bench.plugin("echo", `- shell: printf %s ${jinja("word | quote")}`);
    const client = await bench.gateway();
    const run = await hear(client, {
      plugin: "echo",
      target: onGroup,
      variables: { word: trap("by-variable") },
    });
    expect(run.results).toEqual({
      [nameOf("key")]: "",
      [nameOf("word")]: "SSH_PASSWORD_REFUSED",
      [nameOf("user")]: "SSH_NOT_OFFERED",
    });
    expect(run.printed[nameOf("key")]).toBe(`${trap("by-variable")}\n`);
    expect((await readdir(bench.baseDir)).filter((name) => name.startsWith("by-"))).toEqual([]);
  });
});

describe("a target", () => {
  it("that cannot be reached, or does not hold our key, fails alone", async () => {
    const [good] = await bench.servers(1);
    const foreign = await bench.ssh.open({ authorizedKeys: "" });
    await trackAll([1, foreign.port, good!.port]);
    await bench.plugin("hello", "- shell: echo hello");
    const run = await hear(await bench.gateway(), { plugin: "hello", target: onGroup });
    expect(run.results).toEqual(resultsOf(["SSH_UNREACHABLE", "CONTAINER_KEY_NOT_HELD", ""]));
    expect(run.summary).toMatchObject({ succeededCount: 1, failedCount: 2 });
  });

  it("whose host key has changed is refused, and stays so", async () => {
    const [server] = await bench.servers(1);
    await trackAll([server!.port]);
    await bench.plugin("hello", "- shell: echo hello");
    const client = await bench.gateway();
    const request = { plugin: "hello", target: onContainer(idOf(0)) };
    expect((await hear(client, request)).results).toEqual(resultsOf([""]));
    await server!.close();
    await bench.ssh.open({ authorizedKeys: bench.publicKey, port: server!.port });
    for (const _ of [1, 2])
      expect((await hear(client, request)).results).toEqual(resultsOf(["HOST_KEY_CHANGED"]));
  });

  it("that hangs is given up after target_timeout, and the others go on to the end", async () => {
    const servers = await bench.servers(3);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("hang", `- shell: ${onlyAt(servers[0]!.port, "sleep 1000")}\n- shell: echo after`);
    const run = await hear(await bench.gateway(), {
      plugin: "hang",
      target: onGroup,
      // Enough for a busy machine.
      failurePolicy: { targetTimeout: { seconds: 30n } },
    });
    expect(run.results).toEqual(resultsOf(["TARGET_TIMEOUT", "", ""]));
    expect(run.printed[nameOf(idOf(2))]).toBe("after\n");
    expect(marked()).toEqual([]);
  });

  it("that hangs on this machine, where no connection can be cut, ends with its batch", async () => {
    const [server] = await bench.servers(1);
    await trackAll([server!.port]);
    await bench.plugin("pause", "- pause: {seconds: 1000}");
    const run = await hear(await bench.gateway(), {
      plugin: "pause",
      target: onGroup,
      failurePolicy: { targetTimeout: { seconds: 1n } },
    });
    expect(run.results).toEqual(resultsOf(["TARGET_TIMEOUT"]));
    expect(marked()).toEqual([]);
  });

  it("that no play is about is told apart from one that went well", async () => {
    const servers = await bench.servers(1);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("other", "", { "site.yml": "- hosts: nobody\n  tasks:\n    - ping:\n" });
    const run = await hear(await bench.gateway(), { plugin: "other", target: onGroup });
    expect(run.results).toEqual(resultsOf(["NO_PLAY_FOR_TARGET"]));
  });

  it("prints 1 MiB at most, and is told how much more it was", async () => {
    const servers = await bench.servers(1);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("print", "- shell: head -c 300000 /dev/zero | tr '\\0' x; echo end");
    const run = await hear(await bench.gateway(), { plugin: "print", target: onGroup });
    const outputs = run.events.flatMap(({ event }) => (event.case === "output" ? [event.value] : []));
    expect(outputs).toHaveLength(1);
    expect(outputs[0]?.text.length).toBe(65_536);
    expect(outputs[0]?.text.endsWith("xend")).toBe(true);
    expect(Number(outputs[0]?.droppedBytes)).toBe(300_003 - 65_536);
  });
});

describe("a run", () => {
  it("of a playbook with a mistake fails each target, and says what Ansible says", async () => {
    const servers = await bench.servers(2);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("wrong", "", { "site.yml": "- hosts: all\n  tasks:\n    - nosuchmodule: {}\n" });
    const run = await hear(await bench.gateway(), { plugin: "wrong", target: onGroup });
    expect(run.results).toEqual(resultsOf(["PLAYBOOK_FAILED", "PLAYBOOK_FAILED"]));
    expect(run.printed[""]).toMatch(/nosuchmodule/);
  });

  it("stops beginning targets after max_failure_count, and resume_token repeats only what has not gone well", async () => {
    const servers = await bench.servers(3);
    await trackAll(servers.map(({ port }) => port));
    const flag = join(bench.baseDir, "mended");
    await bench.plugin("flaky", `- shell: echo ran; ${onlyAt(servers[1]!.port, `test -e ${flag}`)}`);
    const client = await bench.gateway();
    const request = {
      plugin: "flaky",
      target: onGroup,
      failurePolicy: { maxConcurrency: 1, maxFailureCount: 1 },
    };
    const first = await hear(client, request);
    expect(first.results).toEqual(resultsOf(["", "TASK_FAILED", "TARGET_NOT_STARTED"]));
    expect(first.summary).toMatchObject({
      notStartedCount: 1,
      endReason: RunSummary_EndReason.FAILURE_LIMIT,
    });
    await bench.write("mended", "");
    const second = await hear(client, { ...request, resumeToken: first.resumeToken });
    expect(second.results).toEqual({ [nameOf(idOf(1))]: "", [nameOf(idOf(2))]: "" });
    const third = await hear(client, { ...request, resumeToken: second.resumeToken });
    expect(third.targets).toEqual([]);
    const other = hear(client, {
      ...request,
      plugin: "flaky",
      variables: { a: "b" },
      resumeToken: first.resumeToken,
    });
    expect(await refusal(other)).toMatchObject({ reason: "INVALID_RESUME_TOKEN" });
  });

  it("happens once for a request id, and its results are told again, also after a restart", async () => {
    const servers = await bench.servers(1);
    await trackAll(servers.map(({ port }) => port));
    const log = join(bench.baseDir, "ran");
    await bench.plugin("count", `- shell: echo x >> ${log}`);
    let client = await bench.gateway();
    const request = { plugin: "count", target: onGroup, requestId: "once" };
    const first = await hear(client, request);
    const again = await hear(client, request);
    await bench.closeGateway();
    client = await bench.gateway();
    const later = await hear(client, request);
    for (const run of [again, later]) {
      expect(run.events[0]?.event).toMatchObject({ case: "started", value: { replayed: true } });
      expect([run.results, run.resumeToken]).toEqual([first.results, first.resumeToken]);
    }
    expect(await readFile(log, "utf8")).toBe("x\n");
    const other = hear(client, { ...request, variables: { a: "b" } });
    expect(await refusal(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  it("that is only checked tells targets and ports, and touches nothing", async () => {
    await bench.track([{ id: "one", port: 1, ports: [40_001, 40_002] }]);
    await bench.plugin("serve", "- shell: echo {{index . 0}}", { "ports.json": '{"NumOfPorts": 1}' });
    const client = await bench.gateway();
    const before = await client.getContainer({ container: nameOf("one") });
    const run = await hear(client, { plugin: "serve", target: onGroup, validateOnly: true });
    expect(run.targets).toMatchObject([{ container: nameOf("one"), ports: [40_001] }]);
    expect(run.summary).toMatchObject({ endReason: RunSummary_EndReason.VALIDATED });
    expect(await client.getContainer({ container: nameOf("one") })).toEqual(before);
  });

  it("ends with its caller: no process is left", async () => {
    const servers = await bench.servers(2);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("long", "- shell: sleep 1000");
    const client = await bench.gateway();
    const leaving = new AbortController();
    const calling = (async () => {
      for await (const { event } of client.runPlugin(
        { plugin: "long", target: onGroup },
        { signal: leaving.signal },
      )) {
        if (event.case !== "task") continue;
        await eventually(async () => expect(marked().some((text) => text.includes("ssh "))).toBe(true));
        leaving.abort();
      }
    })();
    expect(await refusal(calling)).toMatchObject({ reason: "" });
    await eventually(async () => expect(marked()).toEqual([]));
    await eventually(async () => {
      expect(await readdir(join(bench.baseDir, ".p2prc/runs"))).toEqual([expect.stringMatching(/\.jsonl$/)]);
    });
  });

  it("is refused without Ansible, saying how to install it", async () => {
    await trackAll([1]);
    await bench.plugin("hello", "- shell: echo hello");
    const client = await bench.gateway({ searchPath: join(bench.baseDir, "nothing") });
    const call = hear(client, { plugin: "hello", target: onGroup });
    await expect(call).rejects.toMatchObject({ message: expect.stringMatching(/apt install ansible-core/) });
    expect(await refusal(hear(client, { plugin: "hello", target: onGroup }))).toMatchObject({
      reason: "ANSIBLE_MISSING",
    });
  });
});

describe("a gateway that is killed in a run", () => {
  it("leaves nothing running at its next start, and the run is told as interrupted and resumed", async () => {
    const servers = await bench.servers(2);
    await trackAll(servers.map(({ port }) => port));
    const flag = join(bench.baseDir, "mended");
    await bench.plugin("long", `- shell: test -e ${flag} || ${onlyAt(servers[0]!.port, "sleep 1000")}`);
    const request = {
      plugin: "long",
      target: onGroup,
      requestId: "cut",
      failurePolicy: { maxConcurrency: 1, maxFailureCount: 1 },
    };
    const killed = await bench.gatewayProcess();
    let resumeToken = "";
    const calling = (async () => {
      for await (const event of killed.client.runPlugin(request)) {
        resumeToken = event.resumeToken;
        if (event.event.case !== "task") continue;
        await eventually(async () => expect(marked().some((text) => text.includes("ssh "))).toBe(true));
        await killed.kill();
      }
    })();
    await expect(calling).rejects.toThrow();
    expect(marked().length).toBeGreaterThan(0);

    const client = await bench.gateway();
    expect(marked()).toEqual([]);
    expect(bench.logged).toContain("interrupted");
    const told = await hear(client, request);
    expect(told.results).toEqual(resultsOf(["RUN_INTERRUPTED", "RUN_INTERRUPTED"]));
    expect(told.summary).toMatchObject({ endReason: RunSummary_EndReason.INTERRUPTED });
    await bench.write("mended", "");
    const { requestId: _, ...again } = request;
    expect((await hear(client, { ...again, resumeToken })).results).toEqual(resultsOf(["", ""]));
  });
});

describe("a target that prints 100 MiB", () => {
  it("costs the gateway less than 32 MiB", async () => {
    const servers = await bench.servers(1);
    await trackAll(servers.map(({ port }) => port));
    await bench.plugin("small", "- shell: echo x");
    // In ten pieces: Ansible's own time grows with the square of what one task prints.
    const task = "- shell: head -c 10485760 /dev/zero | tr '\\0' x\n  loop: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
    await bench.plugin("flood", task);
    const { client, pid } = await bench.gatewayProcess();
    for (const _ of [1, 2]) await hear(client, { plugin: "small", target: onGroup });
    const beforeKib = residentKib(pid);
    let mostKib = 0;
    const looking = setInterval(() => (mostKib = Math.max(mostKib, residentKib(pid))), 20);
    const run = await hear(client, { plugin: "flood", target: onGroup }).finally(() =>
      clearInterval(looking),
    );
    expect(run.results).toEqual(resultsOf([""]));
    const outputs = run.events.flatMap(({ event }) => (event.case === "output" ? [event.value] : []));
    expect(outputs.map(({ text, droppedBytes }) => text.length + Number(droppedBytes))).toEqual(
      Array.from({ length: 10 }, () => 10_485_760),
    );
    expect(mostKib - beforeKib).toBeLessThan(32 * 1024);
  }, 240_000);
});

/** Arguments of every process that carries the mark of a run in this test's base folder; other suites have runs too. */
function marked(): readonly string[] {
  return processes()
    .filter(({ environment }) => environment.includes("P2PRC_RUN=") && environment.includes(bench.baseDir))
    .map(({ command }) => command);
}

function argumentsAndEnvironments(): readonly string[] {
  return processes().map(({ command, environment }) => `${command} ${environment}`);
}

function processes(): readonly { readonly command: string; readonly environment: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((pid) => {
      try {
        const read = (name: string): string =>
          readFileSync(`/proc/${pid}/${name}`, "latin1").replaceAll("\0", " ");
        return [{ command: read("cmdline"), environment: read("environ") }];
      } catch {
        return [];
      }
    });
}

const residentKib = (pid: number): number =>
  Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

async function filesBelow(folder: string): Promise<readonly { path: string; mode: number; text: string }[]> {
  const found = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.push({ path, mode: (await stat(path)).mode & 0o777, text: await readFile(path, "utf8") });
  }
  return found;
}

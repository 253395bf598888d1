/** Plugins on the command line: real ansible-playbook, real sshd on loopback. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { type Ended, runCli } from "../support/cli.js";
import { groupId, nameOf, PluginBench, searchPath } from "../support/plugin-bench.js";

let bench: PluginBench;
beforeEach(async () => {
  bench = await PluginBench.open();
});
afterEach(() => bench.release());

const p2prc = (...argv: string[]): Promise<Ended> =>
  runCli([...argv, "--public-ip", "off"], {
    cwd: bench.baseDir,
    env: { PATH: searchPath, HOME: bench.baseDir },
  });

describe("the command line", () => {
  it("lists plugins as the original does, and says which cannot run", async () => {
    await bench.plugin("TestAnsible", "", {
      "description.txt": "Simple test play\n",
      "ports.json": '{"NumOfPorts": 1}',
    });
    await bench.plugin("broken", "", { "ports.json": "" });
    const { code, out, err } = await p2prc("--vp");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      PluginsDetected: [
        { FolderName: "TestAnsible", PluginDescription: "Simple test play\n", Execute: null, NumOfPorts: 1 },
        { FolderName: "broken", PluginDescription: "", Execute: null, NumOfPorts: 0 },
      ],
    });
    expect(err).toBe("plugins/broken cannot run: ports.json is not JSON\n");
  });

  it("runs a plugin on a container by its id, and on a group; one failure makes the exit code 1", async () => {
    const [server] = await bench.servers(1);
    await bench.track([
      { id: "good", port: server!.port },
      { id: "bad", port: 1 },
    ]);
    await bench.plugin("hello", "- name: Say hello\n  shell: echo hello; echo world");
    const one = await p2prc("--plugin", "hello", "--id", "good");
    expect([one.code, one.out]).toEqual([0, "Success\n"]);
    expect(one.err).toMatch(/^run \S+ on 1 container\n/);
    expect(one.err).toMatch(
      /^127\.0\.0\.1:9\/good: changed Say hello \([0-9.]+ m?s\)\n127\.0\.0\.1:9\/good \| hello$/m,
    );
    const group = await p2prc("--plugin", "hello", "--id", groupId);
    expect([group.code, group.out]).toEqual([1, ""]);
    expect(group.err).toMatch(/^127\.0\.0\.1:9\/bad: FAILED, .* \(SSH_UNREACHABLE\)$/m);
    const [, token = ""] = /--resume ([0-9a-f-]{36})\n$/.exec(group.err) ?? [];
    const again = await p2prc("run", "hello", groupId, "--resume", token, "--json");
    const lines = again.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { container?: string });
    expect(again.code).toBe(1);
    expect(lines[0]).toMatchObject({ sequence: "1", started: { targets: [{ container: nameOf("bad") }] } });
    expect(lines.at(-1)).toMatchObject({ summary: { failedCount: 1 } });
  });

  it("checks without running, and says what is wrong in one line", async () => {
    await bench.track([{ id: "one", port: 1 }]);
    await bench.plugin("hello", "- shell: echo hello");
    const checked = await p2prc("run", "hello", "filter:spec.gpu = false", "--validate-only");
    expect([checked.code, checked.err]).toEqual([
      0,
      expect.stringMatching(/checked: 1 would be worked on\n$/),
    ]);
    const wrong = await p2prc("run", "../x", groupId);
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringMatching(/^p2prc: plugin .*\(INVALID_PLUGIN_NAME\)\n$/),
    ]);
    const missing = await p2prc("run", "hello", groupId, "--var", "no");
    expect([missing.code, missing.err]).toEqual([2, 'p2prc: --var "no": not NAME=VALUE\n']);
  });
});

/** Plugins on containers: real ansible-playbook, real sshd on loopback. */
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { groupId, hear, nameOf, PluginBench } from "../support/plugin-bench.js";

let bench: PluginBench;
beforeEach(async () => {
  bench = await PluginBench.open();
});
afterEach(() => bench.release());

/** Jinja as a playbook that is a Go template writes it. */
const jinja = (expression: string): string => `{{"{{"}} ${expression} {{"}}"}}`;

const onGroup = { case: "group", value: groupId } as const;

describe("a plugin", () => {
  it("runs on a whole group with one call, and tells each step, a result per container and a summary", async () => {
    const [one, two, three] = await bench.servers(3);
    await bench.track([
      { id: "one", port: one!.port },
      { id: "two", port: two!.port },
      { id: "three", port: three!.port },
    ]);
    await bench.plugin("hello", `- name: Say hello\n  shell: echo "hello ${jinja("word")}"`);
    const client = await bench.gateway();
    const run = await hear(client, { plugin: "hello", target: onGroup, variables: { word: "world" } });
    expect(run.results).toEqual({ [nameOf("one")]: "", [nameOf("two")]: "", [nameOf("three")]: "" });
    expect(run.printed[nameOf("two")]).toBe("hello world\n");
    expect(run.summary).toMatchObject({ succeededCount: 3, failedCount: 0 });
    expect(run.events.map(({ sequence }) => Number(sequence))).toEqual(
      run.events.map((_, index) => index + 1),
    );
    expect(run.events[0]?.event.case).toBe("started");
    expect(run.events.at(-1)?.event.case).toBe("summary");
  });
});

import { hasAnsible, hear, nameOf, onContainer, onGroup, PluginBench } from "../test/support/plugin-bench.js";
import { type BenchRow, rowOf } from "./table.js";

/**
 * One task of 2 s on many containers, ten at once, beside the same task on one; and how long after a task printed
 * something its caller has heard of it. Real ansible-playbook, real sshd processes on this machine: the containers' share
 * of the work is paid here too.
 *
 * @returns undefined without Ansible
 */
export async function benchPlugins(targetCount: number, runs: number): Promise<BenchRow[] | undefined> {
  if (!hasAnsible()) return undefined;
  const bench = await PluginBench.open();
  try {
    const servers = await bench.servers(targetCount);
    await bench.track(servers.map(({ port }, index) => ({ id: `container-${index + 1}`, port })));
    await bench.plugin("wait", "- shell: sleep 2; date +%s%3N");
    const client = await bench.gateway();
    const one = { plugin: "wait", target: onContainer("container-1") };
    const many = { plugin: "wait", target: onGroup, failurePolicy: { maxConcurrency: 10 } };
    const [oneMs, manyMs, delayMs, shortMs]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let run = 0; run < runs; run += 1) {
      let startMs = performance.now();
      for await (const { event } of client.runPlugin(one))
        if (event.case === "output") delayMs.push(Date.now() - Number(event.value.text));
      oneMs.push(performance.now() - startMs);
      shortMs.push(1_000);
      startMs = performance.now();
      const { results } = await hear(client, many);
      manyMs.push(performance.now() - startMs);
      const failed = servers.filter((_, index) => results[nameOf(`container-${index + 1}`)] !== "");
      if (failed.length > 0) throw new Error(`${failed.length} targets failed`);
    }
    return [
      rowOf(
        {
          name: `plugin on ${targetCount} targets, 10 at once, one task of 2 s`,
          unit: "ms",
          against: "the same on one target",
          target: "ratio <= 5",
        },
        manyMs,
        oneMs,
      ),
      rowOf(
        {
          name: "from what a task prints to its caller, end of the task included",
          unit: "ms",
          against: "1 s",
          target: "value <= 1000 ms",
        },
        delayMs,
        shortMs,
      ),
    ];
  } finally {
    await bench.release();
  }
}

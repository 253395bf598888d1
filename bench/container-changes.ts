/** What creating, grouping and removing containers costs with many tracked, beside the same with few, and beside the node. */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { startDevnetProcess } from "../src/devnet/devnet-process.js";
import type { ServedGateway } from "./served-gateway.js";
import { type BenchRow, median, p99, rowOf } from "./table.js";
import { fewTracked as few, serveTracked } from "./tracked-folder.js";

const steps = ["create", "add to group", "remove"] as const;
type Step = (typeof steps)[number];
type Times = Record<Step, number[]>;

/** Both gateways make the same changes by turns, while their tracking files are mirrored. */
export async function benchContainerChanges(many: number, rounds: number): Promise<BenchRow[]> {
  const devnet = await startDevnetProcess({ nodes: 2, seed: 7, containers: { listens: false } });
  const small = await serveTracked(few);
  const large = await serveTracked(many);
  try {
    const [address = ""] = devnet.entryAddresses;
    for (const gateway of [small, large]) await addNode(gateway, address);
    await small.longestStallMs();
    await large.longestStallMs();
    const times = { few: noTimes(), many: noTimes() };
    const nodeMs: number[] = [];
    const agent = new Agent({ keepAlive: true });
    for (let round = -20; round < rounds; round += 1) {
      const ofNode = await timeNode(agent, address);
      const inTurn = [
        [small, times.few],
        [large, times.many],
      ] as const;
      for (const [gateway, kept] of round % 2 === 0 ? inTurn : inTurn.toReversed()) {
        // The first rounds warm up.
        await changeOnce(gateway, address, round < 0 ? noTimes() : kept);
      }
      if (round >= 0) nodeMs.push(ofNode);
    }
    agent.destroy();
    const stallMs = { few: await small.longestStallMs(), many: await large.longestStallMs() };
    const of = `of ${many} tracked`;
    const against = `the same of ${few}`;
    return [
      ...steps.map((step) =>
        rowOf(
          { name: `${step}, ${of}`, unit: "ms", against, target: "<= 1.2" },
          times.many[step],
          times.few[step],
        ),
      ),
      ...steps.map((step) =>
        rowOf(
          { name: `${step}, ${of}: p99`, unit: "ms", against: `2 x ${against} + 10 ms`, target: "<= 1" },
          [p99(times.many[step])],
          [2 * p99(times.few[step]) + 10],
        ),
      ),
      rowOf(
        {
          name: `create, ${of}: added by the gateway`,
          unit: "ms",
          against: "the node's own time",
          target: "value <= 10 ms",
        },
        [median(times.many.create) - median(nodeMs)],
        nodeMs,
      ),
      rowOf(
        { name: `longest stall meanwhile, ${of}`, unit: "ms", against, target: "value <= 50 ms" },
        [stallMs.many],
        [stallMs.few],
      ),
    ];
  } finally {
    await small.close();
    await large.close();
    await devnet.close();
  }
}

const noTimes = (): Times => ({ create: [], "add to group": [], remove: [] });

async function addNode({ client }: ServedGateway, address: string): Promise<void> {
  await client.addNode({ address });
}

async function changeOnce({ client }: ServedGateway, address: string, times: Times): Promise<void> {
  const { group } = await client.createGroup({});
  const time = async <T>(step: Step, call: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    const answer = await call();
    times[step].push(performance.now() - startMs);
    return answer;
  };
  const created = await time("create", () =>
    client.createContainer({ placement: { case: "node", value: address }, spec: { portCount: 2 } }),
  );
  const container = created.container?.name ?? "";
  await time("add to group", () =>
    client.addContainersToGroup({ group: group?.name ?? "", containers: [container] }),
  );
  await time("remove", () => client.removeContainer({ container }));
  await client.removeGroup({ group: group?.name ?? "" });
}

/** Asks the node itself, as the gateway does. */
async function timeNode(agent: Agent, address: string): Promise<number> {
  const startMs = performance.now();
  const asked = request(
    `http://${address}/startcontainer?ports=2&GPU=false&ContainerName=&BaseImage=&PublicKey=YmVuY2g%3D`,
    { agent },
  );
  asked.end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  return performance.now() - startMs;
}

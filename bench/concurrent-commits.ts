/** Durable changes through the gateway: many at once beside one at a time. */
import { CreateGroupRequestSchema, CreateGroupResponseSchema } from "../src/gen/p2prc/client/v1/group_pb.js";
import { processorMsOf } from "./processor-time.js";
import { RawConnection } from "./raw-calls.js";
import { serveGateway } from "./served-gateway.js";
import { type BenchRow, rowOf } from "./table.js";

const createGroup = {
  name: "CreateGroup",
  asked: CreateGroupRequestSchema,
  answered: CreateGroupResponseSchema,
};

export async function benchConcurrentCommits(atOnce: number, runs: number): Promise<BenchRow[]> {
  const gateway = await serveGateway();
  const connection = new RawConnection(gateway.url);
  const msPerCommit = async (callers: number, rounds: number): Promise<number> => {
    const startMs = performance.now();
    for (let round = 0; round < rounds; round += 1) {
      await Promise.all(Array.from({ length: callers }, () => connection.call(createGroup, {})));
    }
    return (performance.now() - startMs) / (callers * rounds);
  };
  try {
    const [alone, together, busy]: [number[], number[], number[]] = [[], [], []];
    for (let run = -2; run < runs; run += 1) {
      const ofOne = await msPerCommit(1, 20);
      const rounds = 2;
      const beforeMs = await processorMsOf(gateway.pid);
      const ofMany = await msPerCommit(atOnce, rounds);
      const busyMs = ((await processorMsOf(gateway.pid)) - beforeMs) / (atOnce * rounds);
      // The first rounds warm up.
      if (run < 0) continue;
      alone.push(ofOne);
      together.push(ofMany);
      busy.push(busyMs);
    }
    const name = `a new group, one of ${atOnce} at once`;
    return [
      rowOf({ name, unit: "ms", against: "alone", target: "<= 0.1" }, together, alone),
      // Near 1, the gateway has no time left for more: it waits for nothing.
      rowOf(
        { name: `${name}: processor time`, unit: "ms", against: "its whole time", target: "(told)" },
        busy,
        together,
      ),
    ];
  } finally {
    connection.close();
    await gateway.close();
  }
}

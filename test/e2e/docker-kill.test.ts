/** A gateway that is killed while a real Docker Engine makes its container: what runs is tracked, or known to be unknown. */
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import { CliBench, type CliProcess } from "../support/cli.js";
import { containersOnEngine, requireEngineSocket } from "../support/docker-engine.js";
import { type Call, callsTo } from "./grpcurl-calls.js";

const bench = new CliBench();
afterEach(() => bench.release());

interface Listed {
  readonly containers?: readonly { readonly id?: string; readonly state: string; readonly node: string }[];
}

async function serve(base: string): Promise<{ gateway: CliProcess; call: Call }> {
  const gateway = bench.start(
    ["serve", "--base", base, "--listen", "127.0.0.1:0", "--public-ip", "off", "--allow-cidr", "127.0.0.0/8"],
    base,
  );
  const [, url = ""] = await gateway.until(/ready: (http:\S+) /);
  return { gateway, call: callsTo(url) };
}

const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** When the gateway is killed: the moments between which a create can be cut. */
const moments: Readonly<Record<string, (devnet: Devnet, node: string) => Promise<void>>> = {
  "the node has been asked": (devnet) => until(() => devnet.ledger.creates.length > 0),
  "the engine has the container": (_, node) => until(async () => (await containersOnEngine(node)).length > 0),
  "the container runs": (devnet) => until(() => devnet.ledger.creates[0]?.id !== undefined),
  "the answer has left": (devnet) => until(() => devnet.ledger.creates[0]?.isAnswered === true),
};

describe("a gateway killed while the engine makes a container", () => {
  it.each(Object.keys(moments))("knows of it at the next start, when %s", async (moment) => {
    const docker = { socketPath: requireEngineSocket() };
    const devnet = await openDevnet({
      nodes: 1,
      dialects: ["2026-01"],
      firstAddress: "127.0.61.1",
      containers: { docker },
    });
    bench.defer(() => devnet.close());
    const [node = ""] = devnet.entryAddresses;
    const base = await bench.folder();
    const first = await serve(base);
    await first.call("AddNode", { address: node });
    const created = first.call("CreateContainer", { node, spec: { portCount: 1 }, requestId: "once" });
    created.catch(() => undefined);
    await moments[moment]?.(devnet, node);
    first.gateway.child.kill("SIGKILL");
    await first.gateway.ended;
    const isAnswered = await created.then(
      () => true,
      () => false,
    );

    // The node goes on, whoever asked.
    await until(() => devnet.ledger.creates[0]?.status !== undefined);
    const [runs] = await containersOnEngine(node);
    expect(runs).toMatchObject({ state: "running", name: devnet.ledger.creates[0]?.id });
    const second = await serve(base);
    const { containers = [] } = (await second.call("ListContainers", {})) as Listed;
    expect(containers).toHaveLength(1);
    const [known] = containers;
    // Whoever was answered finds it tracked; else it is one or the other, never nothing.
    if (isAnswered || known?.id !== undefined)
      expect(known).toMatchObject({ id: runs?.name, state: "STATE_ACTIVE" });
    else expect(known).toMatchObject({ state: "STATE_UNKNOWN", node: `nodes/${node}` });
    // And asking again with the same request_id makes no second one.
    await second
      .call("CreateContainer", { node, spec: { portCount: 1 }, requestId: "once" })
      .catch(() => undefined);
    expect(await containersOnEngine(node)).toHaveLength(1);
  });
});

import { once } from "node:events";
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";
import { readContainerLedger, readLedger } from "../../src/devnet/ledger.js";

let opened: Devnet[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aDevnet(options: Partial<DevnetOptions> = {}): Promise<Devnet> {
  // An address unlike that of any other test: nobody takes the port of a node that is down.
  const place = { firstAddress: "127.0.95.1" };
  const devnet = await openDevnet({ nodes: 2, dialects: ["2026-01"], ...place, ...options });
  opened.push(devnet);
  return devnet;
}

const startPath = "/startcontainer?PublicKey=c3No";

interface Vm {
  ID: string;
  Ports: { Port: { ExternalPort: number }[] };
}

async function startOn(address: string): Promise<Vm> {
  return (await (await fetch(`http://${address}${startPath}`)).json()) as Vm;
}

const statusOf = async (address: string): Promise<number> =>
  (await fetch(`http://${address}/server_info`)).status;

/** The first bytes that a port says. */
async function greetingOf(address: string, { Ports }: Vm): Promise<string> {
  const socket = connect({ host: address.split(":")[0]!, port: Ports.Port[0]!.ExternalPort });
  const [greeting] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return greeting.toString();
}

describe("a node that stops while the devnet runs", () => {
  it("cuts its connections and refuses new ones, and is back on its port when it starts", async () => {
    const devnet = await aDevnet();
    const [{ address: other }, { address }] = [devnet.nodes[0]!, devnet.nodes[1]!];
    const [host, port] = address.split(":");
    const socket = connect({ host: host!, port: Number(port) });
    await once(socket, "connect");
    await statusOf(address);
    const closed = once(socket, "close");
    await devnet.node(1).stop();
    await closed;
    expect(devnet.node(1).isListening).toBe(false);
    await expect(statusOf(address)).rejects.toThrow();
    expect(await statusOf(other)).toBe(200);
    await devnet.node(1).start();
    expect(await statusOf(address)).toBe(200);
  });

  it("keeps its containers, whose ports stay open unless the machine goes as well", async () => {
    const devnet = await aDevnet();
    const { address } = devnet.nodes[1]!;
    const vm = await startOn(address);
    await devnet.node(address).stop();
    expect(await greetingOf(address, vm)).toContain("SSH-2.0");
    await devnet.node(address).stop({ machineToo: true });
    await expect(greetingOf(address, vm)).rejects.toThrow("ECONNREFUSED");
    await devnet.node(address).start();
    expect(devnet.node(address).containers).toMatchObject([{ state: "exited", vm: { id: vm.ID } }]);
    expect((await fetch(`http://${address}/RemoveContainer?id=${vm.ID}`)).status).toBe(200);
  });

  it("may stop and start twice", async () => {
    const node = (await aDevnet()).node(0);
    await Promise.all([node.stop(), node.stop()]);
    await node.start();
    await node.start();
    expect(await statusOf(node.address)).toBe(200);
  });

  it("comes back after it crashed within a reply, with the container it had made", async () => {
    const devnet = await aDevnet({ faults: { "crash-create": 1 } });
    const node = devnet.node(devnet.nodes.findIndex(({ fault }) => fault !== undefined));
    await expect(startOn(node.address)).rejects.toThrow();
    await expect(statusOf(node.address)).rejects.toThrow();
    expect(node.containers).toHaveLength(1);
    await node.start();
    node.setFault(undefined);
    await startOn(node.address);
    expect(node.containers).toHaveLength(2);
  });
});

describe("a node's fault", () => {
  it("can be set and lifted while it runs", async () => {
    const devnet = await aDevnet({ containers: { listens: false } });
    const node = devnet.node(1);
    node.setFault("empty-id-create");
    expect((await startOn(node.address)).ID).toBe("");
    node.setFault(undefined);
    expect((await startOn(node.address)).ID).toHaveLength(22);
    expect(() => node.setFault("refuse")).toThrow("fault refuse: only an option can give it to a node");
    expect(() => node.setFault("lie")).toThrow("fault lie");
  });
});

describe("the ledger of containers", () => {
  it("says on disk what it says in memory, also to a devnet that appends to it later", async () => {
    const folder = await mkdtemp(join(tmpdir(), "devnet-ledger-"));
    try {
      const ledgerPath = join(folder, "ledger.jsonl");
      const devnet = await aDevnet({ ledgerPath, containers: { listens: false } });
      const { address } = devnet.nodes[0]!;
      const { ID } = await startOn(address);
      await startOn(address);
      await fetch(`http://${address}/RemoveContainer?id=${ID}`);
      await devnet.close();
      const { creates, removals } = await readContainerLedger(ledgerPath);
      expect({ creates, removals }).toEqual({
        creates: devnet.ledger.creates,
        removals: devnet.ledger.removals,
      });
      expect(creates).toMatchObject([{ id: ID, isAnswered: true }, { isAnswered: true }]);
      expect(creates.map(({ removedAt }) => removedAt !== undefined)).toEqual([true, false]);
      expect(await readLedger(ledgerPath)).toEqual(devnet.ledger.calls);

      // What a killed devnet may leave of its last line.
      await appendFile(ledgerPath, '{"event":"asked","call":');
      const again = await aDevnet({ ledgerPath, containers: { listens: false } });
      await startOn(again.entryAddresses[0]!);
      await again.close();
      expect((await readContainerLedger(ledgerPath)).creates).toHaveLength(3);
      expect((await readFile(ledgerPath, "utf8")).endsWith("\n")).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("holds a create as soon as it has come, before its container exists", async () => {
    const devnet = await aDevnet({ containers: { listens: false, createDelayMs: 100 } });
    const starting = startOn(devnet.entryAddresses[0]!);
    while (devnet.ledger.creates.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(devnet.ledger.creates[0]).not.toHaveProperty("id");
    await starting;
    expect(devnet.ledger.creates).toHaveLength(1);
    expect(devnet.ledger.creates[0]).toHaveProperty("id");
  });

  it("of a devnet that closes ends the calls that it breaks off", async () => {
    const devnet = await aDevnet({ containers: { listens: false, createDelayMs: 60_000 } });
    const starting = startOn(devnet.entryAddresses[0]!).catch(() => undefined);
    while (devnet.ledger.creates.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    await devnet.close();
    await starting;
    expect(devnet.ledger.creates).toMatchObject([{ isAnswered: false, isTold: false }]);
  });
});

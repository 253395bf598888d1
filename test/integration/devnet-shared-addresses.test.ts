import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";

let opened: Devnet[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aDevnet(options: DevnetOptions): Promise<Devnet> {
  const devnet = await openDevnet(options);
  opened.push(devnet);
  return devnet;
}

type Row = Record<string, unknown>;

async function tableOf(address: string): Promise<Row[]> {
  const body = new FormData();
  body.set("json", new Blob(["{}"]), "t");
  const response = await fetch(`http://${address}/IpTable`, { method: "POST", body });
  return ((await response.json()) as { ip_address: Row[] }).ip_address;
}

async function hostnameOf(address: string): Promise<unknown> {
  const response = await fetch(`http://${address}/server_info`);
  return ((await response.json()) as Row)["Hostname"];
}

const portOf = (address: string): number => Number(address.split(":").at(-1));

describe("nodes behind one proxy address", () => {
  const options: DevnetOptions = { nodes: 8, sharedAddress: 4, shape: "mesh", firstAddress: "127.0.40.1" };

  it("are machines of their own, each on the next port", async () => {
    const { nodes, port } = await aDevnet(options);
    const behind = nodes.slice(4);
    expect(behind.map(({ address }) => address)).toEqual(
      [0, 1, 2, 3].map((offset) => `127.0.40.5:${port + offset}`),
    );
    expect(await Promise.all(behind.map(({ address }) => hostnameOf(address)))).toEqual(
      behind.map(({ name }) => name),
    );
  });

  it.each([
    ["2023-01-24", "False"],
    ["2025-04", false],
    ["2026-01", false],
  ] as const)(
    "are named by the proxy's address and their port in rows of %s, their own one too",
    async (name, nat) => {
      const { nodes } = await aDevnet({ ...options, dialects: [name] });
      const expected = nodes.slice(4).map((node) => ({
        Name: node.name,
        IPV4: "127.0.40.5",
        ServerPort: String(portOf(node.address)),
        NAT: nat,
        EscapeImplementation: "FRP",
      }));
      for (const { address } of [nodes[0]!, nodes[7]!]) {
        const rows = (await tableOf(address)).filter((row) => row["IPV4"] === "127.0.40.5");
        expect(rows.sort((a, b) => Number(a["ServerPort"]) - Number(b["ServerPort"]))).toMatchObject(
          expected,
        );
      }
    },
  );

  it("fail one by one: a neighbour on the same address is not touched", async () => {
    const devnet = await aDevnet({
      ...options,
      nodes: 9,
      sharedAddress: 8,
      faults: { refuse: 3 },
      entryNodes: 1,
    });
    for (const { address, fault, name } of devnet.nodes) {
      if (fault === "refuse") await expect(hostnameOf(address)).rejects.toThrow();
      else expect(await hostnameOf(address)).toBe(name);
    }
    expect(devnet.ledger.count({ node: devnet.nodes[0]!.address })).toBe(1);
  });

  it("are refused by name when a port after the devnet's is in use", async () => {
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen({ host: "127.0.41.1", port: 0 }, resolve));
    const taken = (occupant.address() as { port: number }).port;
    const open = openDevnet({ nodes: 2, sharedAddress: 2, port: taken - 1, firstAddress: "127.0.41.1" });
    await expect(open).rejects.toThrow(`cannot listen on 127.0.41.1:${taken} (EADDRINUSE)`);
    await new Promise((resolve) => occupant.close(resolve));
  });
});

describe("nodes on IPv6 loopback", () => {
  it("share ::1, each on the next port, and are named without an IPv4 address; or the view says there is no ::1", async () => {
    const { nodes, port, ipv6Available } = await aDevnet({
      nodes: 6,
      ipv6: 3,
      shape: "mesh",
      dialects: ["2025-04"],
    });
    const added = nodes.slice(6);
    expect(added.map(({ address }) => address)).toEqual(
      ipv6Available ? [0, 1, 2].map((offset) => `[::1]:${port + offset}`) : [],
    );
    const rows = (await Promise.all(nodes.slice(0, 6).map(({ address }) => tableOf(address)))).flat();
    for (const { address, name } of added) {
      expect(await hostnameOf(address)).toBe(name);
      expect(rows).toContainEqual(
        expect.objectContaining({ Name: name, IPV4: "", IPV6: "::1", ServerPort: String(portOf(address)) }),
      );
    }
  });

  it("are one when asked for without a number, on the devnet's own port", async () => {
    const { nodes, port, ipv6Available } = await aDevnet({ nodes: 2, ipv6: true });
    expect(nodes.slice(2).map(({ address }) => address)).toEqual(ipv6Available ? [`[::1]:${port}`] : []);
  });
});

/** Ports that a devnet's nodes map, in every dialect and in every way that they can fail at it. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import type { DevnetOptions } from "../../src/devnet/contract.js";
import { type DialectName, dialectNames, tellsPort } from "../../src/devnet/dialects.js";
import type { MapFaultName } from "../../src/devnet/port-map-faults.js";
import { contentOf, isError, isReset, isSilent, request } from "../support/container-calls.js";
import { createTalker, type Heard } from "../support/talker.js";

const { talk, hangUpAll } = createTalker();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  hangUpAll();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function aNode(options: Partial<DevnetOptions> = {}): Promise<{ devnet: Devnet; address: string }> {
  const devnet = await openDevnet({
    nodes: 1,
    dialects: ["2026-01"],
    firstAddress: "127.0.62.1",
    ...options,
  });
  cleanups.push(() => devnet.close());
  return { devnet, address: devnet.nodes.at(-1)!.address };
}

const ask = async (address: string, query: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://${address}/MAPPort${query}`);
  return { status: response.status, text: await response.text() };
};

describe("GET /MAPPort", () => {
  it("opens a port that leads to the one asked for, and notes it", async () => {
    const { devnet, address } = await aNode();
    const { port } = devnet;
    const { status, text } = await ask(address, `?port=${port}`);
    // In Test mode a node takes 0.0.0.0 for its own address.
    expect([status, text]).toEqual([200, expect.stringMatching(/^0\.0\.0\.0:[0-9]+$/)]);
    const [host = ""] = address.split(":");
    const through = await fetch(`http://${host}:${text.split(":")[1]!}/server_info`);
    expect(((await through.json()) as { Hostname: string }).Hostname).toBe(devnet.nodes[0]?.name);
    expect(devnet.ledger.matching({ path: "/MAPPort" })).toMatchObject([
      { status: 200, mappedPort: Number(text.split(":")[1]) },
    ]);
  });

  it("carries datagrams both ways with udp, which anything but the text false turns on", async () => {
    const { address } = await aNode();
    const [host = ""] = address.split(":");
    const inside = createSocket("udp4");
    cleanups.push(() => inside.close());
    inside.bind({ address: host, port: 0 });
    await once(inside, "listening");
    inside.on("message", (message, from) => inside.send(`${message.toString()}!`, from.port, from.address));
    const { text } = await ask(address, `?port=${inside.address().port}&udp=False`);
    const caller = createSocket("udp4");
    cleanups.push(() => caller.close());
    caller.send("hello", Number(text.split(":")[1]), host);
    const [answer] = (await once(caller, "message")) as [Buffer];
    expect(answer.toString()).toBe("hello!");
  });

  it("tells the proxy's address where the node is behind one", async () => {
    const { address } = await aNode({ nodes: 2, sharedAddress: 1 });
    const [host = ""] = address.split(":");
    expect((await ask(address, "?port=22")).text).toMatch(new RegExp(`^${host}:[0-9]+$`));
  });

  it.each(dialectNames.filter(tellsPort))("is as in %s", async (dialect) => {
    const { address, devnet } = await aNode({ dialects: [dialect], firstAddress: "127.0.63.1" });
    const { status, text } = await ask(address, "?port=22&udp=true");
    const known: readonly DialectName[] = ["2023-12", "2024-08", "2024-11", "2025-04", "2026-01"];
    if (!known.includes(dialect)) {
      expect([status, text]).toEqual([404, "404 page not found"]);
      return;
    }
    expect(status).toBe(200);
    const { mappedPort = 0 } = devnet.ledger.matching({ path: "/MAPPort" })[0] ?? {};
    const listens = await isTcpPortTaken("127.0.63.1", mappedPort);
    // Versions before know no udp: they map TCP, and do not say so.
    expect(listens).toBe(dialect !== "2026-01");
  });

  it("leaves nothing open when the devnet closes, whoever is connected", async () => {
    const { devnet, address } = await aNode();
    const [host = ""] = address.split(":");
    const { text } = await ask(address, `?port=${devnet.port}`);
    const port = Number(text.split(":")[1]);
    const through = await fetch(`http://${host}:${port}/server_info`);
    await through.text();
    await devnet.close();
    expect(await isTcpPortTaken(host, port)).toBe(false);
  });
});

async function isTcpPortTaken(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, "listening");
    return false;
  } catch {
    return true;
  } finally {
    server.close();
  }
}

const faults: Record<MapFaultName, { sign: (heard: Heard) => boolean; isMapped: boolean }> = {
  "hang-map": { sign: isSilent, isMapped: true },
  "reset-map": { sign: isReset, isMapped: true },
  "cut-map": { sign: ({ head, end }) => head === "" && end === "closed", isMapped: true },
  "slow-map": {
    sign: (heard) => contentOf(heard).startsWith("0.0.0.0:") && heard.elapsedMs >= 299,
    isMapped: true,
  },
  "status500-map": { sign: (heard) => isError(heard, "error: proxy IP not found"), isMapped: false },
  "digits-map": { sign: (heard) => /^[0-9]+$/.test(contentOf(heard)), isMapped: true },
  "json-map": {
    sign: (heard) => /^\{"IPAddress":"","Port":"[0-9]+","UDPport":"[0-9]+"\}$/.test(contentOf(heard)),
    isMapped: true,
  },
  "html-map": { sign: (heard) => contentOf(heard).startsWith("<!DOCTYPE html>"), isMapped: true },
  "high-port-map": { sign: (heard) => contentOf(heard) === "0.0.0.0:70000", isMapped: true },
  "shell-map": { sign: (heard) => contentOf(heard).startsWith("$(touch owned):"), isMapped: true },
  "endless-map": {
    sign: ({ body, end }) =>
      body.toString("utf8", 0, 400).includes("0.0.0.0:") && body.length > 65_536 && end === "open",
    isMapped: true,
  },
};

describe("a node that fails to map a port", () => {
  it.each(Object.keys(faults) as MapFaultName[])("does so as %s says, and is healthy else", async (fault) => {
    const { devnet, address } = await aNode({ nodes: 2, faults: { [fault]: 1 }, slowDelayMs: 300 });
    expect((await fetch(`http://${address}/server_info`)).status).toBe(200);
    const heard = await talk(address, request("/MAPPort?port=22"), 100_000, 2_000);
    expect({ fault, isSo: faults[fault].sign(heard) }).toEqual({ fault, isSo: true });
    const [call] = devnet.ledger.matching({ path: "/MAPPort" });
    expect(call?.mappedPort !== undefined).toBe(faults[fault].isMapped);
  });
});

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { startDevnetProcess } from "../../src/devnet/devnet-process.js";
import { openDevnet } from "../../src/devnet/devnet.js";
import { readLedger } from "../../src/devnet/ledger.js";

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("a devnet in a process of its own", () => {
  it("serves the network that its options make here, and ends with close", async () => {
    const options = { nodes: 12, seed: 9, faults: { hang: 1, refuse: 1 }, firstAddress: "127.0.20.1" };
    const devnet = await startDevnetProcess(options);
    const response = await fetch(`http://${devnet.entryAddresses[0]!}/ShowImages`);
    expect(response.status).toBe(200);
    expect(devnet.pid).not.toBe(process.pid);
    await devnet.close();
    expect(isAlive(devnet.pid)).toBe(false);
    expect(existsSync(devnet.ledgerPath)).toBe(false);

    const here = await openDevnet({ ...options, port: devnet.port });
    await here.close();
    expect(devnet.nodes).toEqual(here.nodes);
  });

  it("hands out its ledger, and keeps the file that was asked for", async () => {
    const folder = await mkdtemp(join(tmpdir(), "devnet-process-"));
    const ledgerPath = join(folder, "ledger.jsonl");
    const devnet = await startDevnetProcess({
      nodes: 1,
      dialects: ["2026-01"],
      ledgerPath,
      firstAddress: "127.0.21.1",
    });
    try {
      await fetch(`http://${devnet.entryAddresses[0]!}/server_info`);
      expect(await devnet.calls()).toMatchObject([
        { node: devnet.entryAddresses[0], path: "/server_info", status: 200 },
      ]);
      await fetch(`http://${devnet.entryAddresses[0]!}/ShowImages`);
      expect(await devnet.calls()).toHaveLength(2);
    } finally {
      await devnet.close();
    }
    expect(await readLedger(ledgerPath)).toHaveLength(2);
    await rm(folder, { recursive: true });
  });

  it("keeps every answered create on disk through kill -9", async () => {
    const folder = await mkdtemp(join(tmpdir(), "devnet-process-"));
    const ledgerPath = join(folder, "ledger.jsonl");
    const devnet = await startDevnetProcess({
      nodes: 2,
      dialects: ["2026-01"],
      ledgerPath,
      containers: { listens: false },
    });
    const answered: string[] = [];
    const start = async (): Promise<void> => {
      for (;;) {
        const response = await fetch(`http://${devnet.entryAddresses[0]!}/startcontainer?PublicKey=c3No`);
        answered.push(((await response.json()) as { ID: string }).ID);
        if (answered.length === 50) void devnet.kill();
      }
    };
    await Promise.allSettled(Array.from({ length: 8 }, start));
    await devnet.kill();
    const { creates } = await devnet.containerLedger();
    const kept = new Set(creates.map(({ id }) => id));
    expect(answered.length).toBeGreaterThanOrEqual(50);
    expect(answered.filter((id) => !kept.has(id))).toEqual([]);
    expect(creates.every(({ node }) => node === devnet.entryAddresses[0])).toBe(true);
    await devnet.close();
    await rm(folder, { recursive: true });
  });

  it("stops, starts and spoils nodes when it is told", async () => {
    const devnet = await startDevnetProcess({ nodes: 2, dialects: ["2026-01"], firstAddress: "127.0.24.1" });
    try {
      const { address } = devnet.nodes[1]!;
      const specs = (): Promise<Response> => fetch(`http://${address}/server_info`);
      await devnet.node(1).stop();
      await expect(specs()).rejects.toThrow();
      await devnet.node(1).start();
      expect((await specs()).status).toBe(200);
      await devnet.node(address).setFault("status500");
      expect((await specs()).status).toBe(500);
      await expect(devnet.node(7).stop()).rejects.toThrow("node 7: there is no such node");
    } finally {
      await devnet.close();
    }
  });

  it("hands on why it cannot start", async () => {
    const start = startDevnetProcess({ nodes: 3, faults: { hang: 3 } });
    await expect(start).rejects.toThrow("3 faulty nodes leave no healthy one in a network of 3");
  });

  it("says that it is gone to a caller who asks for calls after close", async () => {
    const devnet = await startDevnetProcess({ nodes: 1, firstAddress: "127.0.22.1" });
    await devnet.close();
    await expect(devnet.calls()).rejects.toThrow("the devnet's process has ended");
  });

  it("dies with its parent, even when that one is killed", async () => {
    const module = fileURLToPath(new URL("../../dist/devnet/devnet-process.js", import.meta.url));
    const script = `
      import { startDevnetProcess } from ${JSON.stringify(module)};
      const { port, ledgerPath } = await startDevnetProcess({ nodes: 2, faults: { hang: 1 }, firstAddress: "127.0.23.1" });
      process.stdout.write(JSON.stringify({ port, ledgerPath }));`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [told] = (await once(parent.stdout, "data")) as [Buffer];
    const { port, ledgerPath } = JSON.parse(told.toString()) as { port: number; ledgerPath: string };
    // Reset, if the devnet had not taken it yet when it dies.
    const socket = connect({ host: "127.0.23.1", port }).on("error", () => undefined);
    await once(socket, "connect");
    expect(existsSync(ledgerPath)).toBe(true);
    // The devnet holds its parent's stderr open: "close" means that both are gone.
    const gone = once(parent, "close");
    parent.stderr.resume();
    parent.kill("SIGKILL");
    await gone;
    socket.destroy();
    expect(existsSync(ledgerPath)).toBe(false);
    const again = connect({ host: "127.0.23.1", port });
    const [error] = (await once(again, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });
});

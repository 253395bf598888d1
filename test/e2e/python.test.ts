/** A Python client on grpcio, generated from the proto. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type GatewayOnDevnet, openGatewayOnDevnet } from "../support/gateway-on-devnet.js";
import { generatePythonStubs, projectDir, requireTool } from "./foreign-tools.js";

const run = promisify(execFile);
let gateway: GatewayOnDevnet;
let stubDir: string;

beforeAll(async () => {
  stubDir = generatePythonStubs(await mkdtemp(join(tmpdir(), "p2prc-python-")));
  gateway = await openGatewayOnDevnet({ devnet: { nodes: 6, dialects: ["2026-01"] } });
});

afterAll(async () => {
  await gateway.close();
  await rm(stubDir, { recursive: true, force: true });
});

describe("a Python client", () => {
  it("calls every RPC and reads every refusal", async () => {
    const [entry = ""] = gateway.devnet.entryAddresses;
    const script = join(projectDir, "test/e2e/python/client.py");
    const { stdout } = await run(requireTool("python"), [script, new URL(gateway.url).host, entry], {
      env: { PYTHONPATH: stubDir, PATH: "/usr/bin:/bin" },
    });
    const seen = JSON.parse(stdout) as Record<string, unknown> & { sequences: number[] };
    expect(seen.sequences).toEqual(seen.sequences.map((_, index) => index + 1));
    expect(seen).toMatchObject({
      health: "SERVING",
      last: "completed",
      active: 6,
      nodes: 6,
      hostname: gateway.devnet.nodes[0]?.name,
      invalid: { code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST", domain: "client.p2prc" },
      missing: { code: "NOT_FOUND", reason: "NODE_NOT_FOUND" },
      container: {
        replayed: true,
        ports: 2,
        access: true,
        met: true,
        mapped: true,
        listed: [true],
        grouped: [],
        groups: [true],
        ended: true,
        said: "success",
        changes: [
          ["container", "TYPE_MODIFIED"],
          ["container", "TYPE_REMOVED"],
          ["group", "TYPE_MODIFIED"],
        ],
        state: "STATE_REMOVED",
        gone: { code: "NOT_FOUND", reason: "CONTAINER_NOT_TRACKED", domain: "client.p2prc" },
      },
      removed: `nodes/${entry}`,
      long_deadline: 5,
    });
  });
});

/** The demo with real containers, as users start it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { containersOnEngine, requireEngineSocket } from "../support/docker-engine.js";
import { projectDir } from "./foreign-tools.js";

const run = promisify(execFile);

describe("the demo on a Docker Engine", () => {
  it("logs in to its containers with the gateway's key, and leaves none behind", async () => {
    const engine = { DOCKER_HOST: `unix://${requireEngineSocket()}`, PATH: process.env["PATH"] ?? "" };
    const program = ["dist/cli/main.js", "demo", "--runtime", "docker"];
    const { stdout } = await run(process.execPath, program, { cwd: projectDir, env: engine });
    const nodes = [...stdout.matchAll(/^ {2}nodes\/(\S+): root in [0-9a-f]{12}, Debian /gm)].map(
      ([, node = ""]) => node,
    );
    expect(nodes).toHaveLength(2);
    // Other tests have containers on the same engine.
    const left = await Promise.all(nodes.map((node) => containersOnEngine(node)));
    expect(left.flat()).toEqual([]);
  });
});

/** The gateway on a later version of Node: the demo starts it, crawls, and must end with exit code 0. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { projectDir, requireTool } from "./foreign-tools.js";

const run = promisify(execFile);

describe("Node 24", () => {
  it("runs the demo to its end", async () => {
    const node = requireTool("node24");
    expect((await run(node, ["--version"])).stdout).toMatch(/^v24\./);
    const { stdout } = await run(node, ["dist/cli/main.js", "demo"], { cwd: projectDir });
    expect(stdout).toContain("grpcurl");
  });
});

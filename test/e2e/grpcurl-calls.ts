/** Calls of ClientService by grpcurl, which knows of us what reflection tells it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { requireTool } from "./foreign-tools.js";

const run = promisify(execFile);

export type Call = (method: string, request: object) => Promise<Record<string, unknown>>;

/** @param url of the gateway. @returns makes a call, and reads its answer. @throws with grpcurl's words in `stderr` */
export const callsTo =
  (url: string): Call =>
  async (method, request) => {
    const name = `p2prc.client.v1.ClientService/${method}`;
    const { stdout } = await run(requireTool("grpcurl"), [
      ...["-plaintext", "-d", JSON.stringify(request), new URL(url).host, name],
    ]);
    return JSON.parse(stdout) as Record<string, unknown>;
  };

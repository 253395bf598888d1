/** Calls of ClientService by grpcurl, which knows of us what reflection tells it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { requireTool } from "./foreign-tools.js";

const run = promisify(execFile);

export type Message = Record<string, unknown>;
export type Call = (method: string, request: object) => Promise<Message>;
export type Stream = (method: string, request: object) => Promise<readonly Message[]>;

/** @param url of the gateway. @returns makes a call, and reads its answer. @throws with grpcurl's words in `stderr` */
export const callsTo =
  (url: string): Call =>
  async (method, request) =>
    JSON.parse(await ask(url, method, request)) as Message;

/** As `callsTo`, for calls that answer with a stream. @returns all of it, once it has ended */
export const streamsOf =
  (url: string): Stream =>
  async (method, request) => {
    const text = await ask(url, method, request);
    // One message after the other, each over several lines.
    return text
      .split(/^(?<=\}\n)(?=\{)/m)
      .filter((json) => json.trim() !== "")
      .map((json) => JSON.parse(json) as Message);
  };

async function ask(url: string, method: string, request: object): Promise<string> {
  const name = `p2prc.client.v1.ClientService/${method}`;
  const { stdout } = await run(requireTool("grpcurl"), [
    ...["-plaintext", "-d", JSON.stringify(request), new URL(url).host, name],
  ]);
  return stdout;
}

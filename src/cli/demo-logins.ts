/** What runs in the demo's containers where a Docker Engine runs them: the gateway's key opens each. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Access, Container } from "../gen/p2prc/client/v1/container_pb.js";
import { WaitContainerRequest_Condition as Condition } from "../gen/p2prc/client/v1/container_pb.js";
import { OutcomeError } from "./errors.js";
import { openContainers } from "./list-containers.js";
import { durationOfMs } from "./measures.js";
import { plainText } from "./plain-text.js";
import type { GatewayClient } from "./session.js";
import type { Surroundings } from "./surroundings.js";

const run = promisify(execFile);

/** Until an SSH server answers, and until a command has run. */
const readyTimeoutMs = 30_000;
const loginTimeoutMs = 20_000;

const command = 'echo "$(id -un) in $(cat /etc/hostname), $(. /etc/os-release; echo "$PRETTY_NAME")"';

/** @throws {OutcomeError} a container cannot be logged in to */
export async function showLogins(
  client: GatewayClient,
  containers: readonly Container[],
  privateKeyPath: string,
  { output: { stdout }, signal }: Surroundings,
): Promise<void> {
  stdout.write("\nlogged in with the gateway's key:\n");
  for (const { container, access } of await openContainers(client, containers, signal)) {
    const { met } = await client.waitContainer(
      {
        container: container.name,
        condition: Condition.SSH_READY,
        timeout: durationOfMs(readyTimeoutMs),
      },
      { signal },
    );
    if (!met) throw new OutcomeError(`the demo went wrong: nobody serves SSH in ${container.name}`);
    stdout.write(`  ${container.name}: ${plainText(await logIn(access, privateKeyPath, signal))}\n`);
  }
}

async function logIn(access: Access, privateKeyPath: string, signal: AbortSignal): Promise<string> {
  const { sshPort, sshUsername, host } = access;
  const options = {
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    // The container is a minute old: there is no key of it to compare with.
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
  };
  const { stdout } = await run(
    "ssh",
    [
      ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
      ...["-F", "/dev/null", "-i", privateKeyPath, "-p", String(sshPort), `${sshUsername}@${host}`, command],
    ],
    { signal, timeout: loginTimeoutMs },
  ).catch((cause: unknown) => {
    throw new OutcomeError(`the demo went wrong: no login at ${host}:${sshPort}: ${textOf(cause)}`);
  });
  return stdout.trim();
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

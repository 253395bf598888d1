/** The Docker Engine of end-to-end tests, asked with Docker's own command: a second opinion on what the devnet did. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * @param script the npm script that brings an engine along
 * @throws there is no engine, saying how to come by one: a missing engine is never a passed test
 */
export function requireEngineSocket(script = "test:docker"): string {
  const host = process.env["DOCKER_HOST"] ?? "";
  if (!host.startsWith("unix://"))
    throw new Error(`DOCKER_HOST names no Docker Engine of this machine: run \`npm run ${script}\``);
  return host.slice("unix://".length);
}

/** A container as the engine knows it. */
export interface EngineEntry {
  /** Its name, which is the id that a node tells of it. */
  readonly name: string;
  /** `running`, `created`, `exited`. */
  readonly state: string;
}

/** Every container that a node of a devnet has left on the engine, whatever it does. @param node `HOST:PORT` */
export async function containersOnEngine(node: string): Promise<readonly EngineEntry[]> {
  const { stdout } = await run("docker", [
    ...["ps", "--all", "--filter", `label=p2prc.devnet.node=${node}`, "--format", "{{.Names}} {{.State}}"],
  ]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", state = ""] = line.split(" ");
      return { name, state };
    });
}

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly privateKeyPath: string;
}

/** Runs a command in a container over SSH, with this key only. @returns what it printed. @throws ssh's own words */
export async function overSsh({ host, port, user, privateKeyPath }: Login, command: string): Promise<string> {
  const options = {
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    ConnectTimeout: "20",
  };
  const { stdout } = await run("ssh", [
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...["-F", "/dev/null", "-i", privateKeyPath, "-p", String(port), `${user}@${host}`, command],
  ]);
  return stdout;
}

/** Makes a key pair as callers do. @returns the public line */
export async function makeSshKey(path: string): Promise<string> {
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "caller", "-f", path]);
  const { stdout } = await run("ssh-keygen", ["-y", "-f", path]);
  return stdout.trim();
}

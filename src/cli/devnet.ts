/** `p2prc devnet`: P2PRC nodes on loopback, until a signal comes. */
import type { Command } from "commander";
import { netOf } from "../devnet/addresses.js";
import { type Devnet, type DevnetOptions, openDevnet } from "../devnet/devnet.js";
import { faultNames } from "../devnet/faults.js";
import { DevnetError } from "../devnet/errors.js";
import { type DevnetOptionText, parseDevnetOptions } from "../devnet/option-text.js";
import { UsageError } from "./errors.js";
import { type Surroundings, untilAborted } from "./surroundings.js";

/** Who runs containers. */
export const addRuntimeFlags = (command: Command): Command =>
  command
    .option(
      "--runtime <NAME>",
      "what runs containers: simulated, or docker, a real engine (default simulated)",
    )
    .option(
      "--docker-socket <PATH>",
      "of the engine (default that of $DOCKER_HOST, else /var/run/docker.sock)",
    )
    .option(
      "--docker-image <IMAGE>",
      "what containers run that name no base image (default p2prc-devnet-base)",
    );

export function addDevnetFlags(command: Command): void {
  addRuntimeFlags(command)
    .option(
      "--nodes <N>",
      "how many nodes, faulty ones included (default 40, or more where faults need room)",
    )
    .option("--port <PORT>", "one port for all nodes (default: a free one)")
    .option("--delay <DURATION>", "before each answer, such as 20ms (default 0)")
    .option("--seed <N>", "the same seed and flags give the same network (default 1)")
    .option("--faults <LIST>", "how many nodes have which fault: refuse=2,hang or all (default none)")
    .option("--shape <SHAPE>", "random, chain or mesh (default random)")
    .option("--rows <N>", "rows of a table of shape random (default 6)")
    .option("--dialects <LIST>", "versions that the nodes speak: 2021-07,2026-01 (default all)")
    .option("--first-address <IP>", "address of the first node, of loopback or private (default 127.0.1.1)")
    .option("--ipv6 [N]", "N more nodes on ::1, one without N")
    .option("--shared-address <N>", "the last N nodes share one address, each on a port of its own")
    .option(
      "--bandwidth <MBPS>",
      "rate of GET /50 in Mbit/s: 100, or 100,10 for nodes by turns (default unlimited)",
    )
    .option("--upload <MBPS>", "rate of GET /upload, likewise")
    .option("--speed-test-file <STATE>", "present or missing (default present)")
    .option("--victim-net <NET>", "whom nodes with the fault victims name (default 127.200.0.0/16)")
    .option("--victim-port <PORT>", "on which port (default the devnet's)")
    .option("--slow-delay <DURATION>", "how late nodes with a slow fault answer (default 5s)")
    .option("--map-delay <DURATION>", "until a port is mapped (default 0)")
    .option("--container-ports <STATE>", "open or closed: whether containers listen (default open)")
    .option("--ssh-delay <DURATION>", "until a new container answers on its SSH port (default 0)")
    .option("--create-delay <DURATION>", "until a container exists (default 0)")
    .option("--remove-delay <DURATION>", "until a removed container is gone (default 0)")
    .option("--cut-after <BYTES>", "where replies break off with faults that cut them (default half-way)")
    .option("--fixed-id <ID>", "of every container with the fault fixed-id-create")
    .option(
      "--container-versions <LIST>",
      "how nodes spell containers: 2021-04-10,2023-12 by turns (default as their dialect)",
    )
    .option("--ledger <FILE>", "append each call and each container to this file as a line of JSON")
    .addHelpText("after", `\nFaults:\n${inLines(faultNames)}`);
}

/** As wide as a terminal is at least. */
function inLines(names: readonly string[]): string {
  const lines = [""];
  for (const name of names) {
    if ((lines.at(-1) ?? "").length + name.length > 76) lines.push("");
    lines.push(`${lines.pop() ?? ""} ${name}`);
  }
  return lines.map((line) => ` ${line}`).join("\n");
}

export async function runDevnet(
  options: Readonly<Record<string, unknown>>,
  surroundings: Surroundings,
): Promise<number> {
  const { output, env, signal } = surroundings;
  const devnet = await openDevnet(readOptions(withDockerHost(options, env)));
  output.stdout.write(describe(devnet));
  await untilAborted(signal);
  await devnet.close();
  return 0;
}

/** `DOCKER_HOST` names the engine to all of Docker's own tools; only sockets of this machine can be it here. */
export function withDockerHost(text: DevnetOptionText, env: Surroundings["env"]): DevnetOptionText {
  const { runtime, dockerSocket } = text;
  const named = env["DOCKER_HOST"] ?? "";
  if (runtime !== "docker" || dockerSocket !== undefined || named === "") return text;
  if (!named.startsWith("unix://"))
    throw new UsageError(
      `DOCKER_HOST "${named}": not a socket of this machine, as unix:///var/run/docker.sock is`,
    );
  return { ...text, dockerSocket: named.slice("unix://".length) };
}

/** What is wrong with what was typed is a matter of usage; that an address cannot be bound is not. */
export function readOptions(text: DevnetOptionText): DevnetOptions {
  try {
    return parseDevnetOptions(text);
  } catch (error) {
    throw error instanceof DevnetError ? new UsageError(error.message) : error;
  }
}

function describe({ nodes, port, entryAddresses }: Devnet): string {
  const faulty = nodes.filter(({ fault }) => fault !== undefined);
  const seeds = entryAddresses.map((address) => `--seed ${address}`).join(" ");
  return [
    `devnet ready: ${nodes.length} nodes, ${nodes[0]?.address ?? ""} to ${nodes.at(-1)?.address ?? ""}, port ${port}`,
    `entry nodes: ${entryAddresses.join(", ")}`,
    ...faulty.map(({ address, fault }) => `faulty: ${address} ${fault ?? ""}`),
    "crawl it, in an empty folder of its own:",
    `  p2prc crawl --base "$(mktemp -d)" --allow-cidr ${netOf(nodes[0]?.address ?? "")} --allow-cidr ::1 --public-ip off ${seeds}`,
    "",
  ].join("\n");
}

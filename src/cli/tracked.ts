/** `p2prc containers`, `p2prc groups`, `p2prc forget`: what the gateway tracks, for people and for scripts. */
import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { ContainerSchema } from "../gen/p2prc/client/v1/container_pb.js";
import { GroupSchema } from "../gen/p2prc/client/v1/group_pb.js";
import { addConfigFlags, clientSettings, configFlagsOf } from "./config-flags.js";
import { findContainer, listAllContainers, listAllGroups, type ListOptions } from "./list-containers.js";
import { plainText } from "./plain-text.js";
import { printContainers, printGroups } from "./print-containers.js";
import { printJsonLine } from "./print-json.js";
import { type SessionOptions, withSession } from "./session.js";
import type { Surroundings } from "./surroundings.js";

type Options = Readonly<Record<string, unknown>>;

interface ListFlags {
  readonly filter?: string;
  readonly orderBy?: string;
  readonly removed?: boolean;
  readonly json?: boolean;
}

export function addListFlags(command: Command): Command {
  command
    .option("--filter <FILTER>", "which of them, as docs/filters.md says (default all)")
    .option("--order-by <FIELDS>", "in which order, such as 'create_time desc' (default by name)")
    .option("--json", "print each as a line of JSON");
  return addGatewayFlags(command);
}

export function addGatewayFlags(command: Command): Command {
  command.option("--gateway <URL>", "a gateway that runs; else the one of the base folder");
  addConfigFlags(command, clientSettings);
  return command;
}

export async function runContainers(options: Options, surroundings: Surroundings): Promise<number> {
  const { stdout } = surroundings.output;
  await withSession(sessionOf(options), surroundings, async ({ client }) => {
    const containers = await listAllContainers(client, listOptionsOf(options), surroundings.signal);
    if (options["json"] !== true) printContainers(stdout, containers);
    else for (const container of containers) printJsonLine(stdout, toJson(ContainerSchema, container));
  });
  return 0;
}

export async function runGroups(options: Options, surroundings: Surroundings): Promise<number> {
  const { stdout } = surroundings.output;
  await withSession(sessionOf(options), surroundings, async ({ client }) => {
    const groups = await listAllGroups(client, listOptionsOf(options), surroundings.signal);
    if (options["json"] !== true) printGroups(stdout, groups);
    else for (const group of groups) printJsonLine(stdout, toJson(GroupSchema, group));
  });
  return 0;
}

/** @param typed name or id of the container */
export async function runForget(
  typed: string,
  options: Options,
  surroundings: Surroundings,
): Promise<number> {
  const { output, signal } = surroundings;
  await withSession(sessionOf(options), surroundings, async ({ client }) => {
    const name = await findContainer(client, typed, "forget", signal);
    const { container } = await client.removeContainer({ container: name, forgetOnly: true }, { signal });
    output.stdout.write(
      `forgot ${plainText(container?.name ?? name)}; its node was not asked: it may go on running there\n`,
    );
  });
  return 0;
}

function listOptionsOf(flags: ListFlags): ListOptions {
  const { filter = "", orderBy = "", removed = false } = flags;
  return { filter, orderBy, showRemoved: removed };
}

const sessionOf = (options: Options): SessionOptions => ({
  gateway: options["gateway"] as string | undefined,
  flags: configFlagsOf(options),
});

/** The original's flags for containers and groups. Passwords and keys go to stdout only. */
import type { Group } from "../gen/p2prc/client/v1/group_pb.js";
import {
  findContainer,
  forEachOf,
  isResolved,
  listAllContainers,
  listAllGroups,
  openContainers,
  readGroup,
  reasonOf,
  requireId,
} from "./list-containers.js";
import { readWhole } from "./measures.js";
import { toOriginalContainer, toOriginalGroup, toOriginalTracked } from "./original-container-shapes.js";
import type { OriginalOperation } from "./original-flags.js";
import { isGiven, type Stage, textOption } from "./original-stage.js";
import { plainText } from "./plain-text.js";
import { printJson } from "./print-json.js";
import type { GatewayClient } from "./session.js";
import { withPort } from "./typed-address.js";

export const containerOperations = {
  createContainer: async ({ value, options, client, surroundings: { output, signal } }) => {
    const spec = {
      portCount: readWhole("-p", textOption(options, "p") ?? "0"),
      gpu: isGiven(options, "gpu"),
      image: textOption(options, "cn") ?? "",
      baseImage: textOption(options, "bi") ?? "",
    };
    const placement = { case: "node" as const, value: withPort(value, undefined) };
    const { container, access } = await (await client()).createContainer({ placement, spec }, { signal });
    if (container !== undefined && access !== undefined)
      printJson(output.stdout, toOriginalContainer({ container, access }));
  },
  removeContainer: async ({ value, options, client, surroundings: { output, signal } }) => {
    const id = requireId(textOption(options, "id") ?? "", "--id");
    const name = `nodes/${withPort(value, undefined)}/containers/${id}`;
    const { nodeMessage } = await (await client()).removeContainer({ container: name }, { signal });
    // The node's word, then the original's.
    output.stdout.write(`${plainText(nodeMessage)}\nSuccess\n`);
  },
  listContainers: async ({ client, surroundings: { output, signal } }) => {
    const containers = await listAllContainers(await client(), {}, signal);
    printJson(output.stdout, toOriginalTracked(await openContainers(await client(), containers, signal)));
    const unresolved = containers.filter((container) => !isResolved(container));
    if (unresolved.length > 0) {
      const count = unresolved.length === 1 ? "1 creation is" : `${unresolved.length} creations are`;
      const names = unresolved.map(({ name }) => plainText(name)).join(", ");
      output.stderr.write(`${count} unresolved: ${names}\n`);
    }
  },
  createGroup: async ({ client, surroundings: { output, signal } }) => {
    const { group } = await (await client()).createGroup({}, { signal });
    if (group !== undefined) printJson(output.stdout, toOriginalGroup(group, []));
  },
  group: async ({ value: group, options, client, surroundings }) => {
    const { signal } = surroundings;
    const id = textOption(options, "id");
    if (id !== undefined) {
      const containers = [await findContainer(await client(), id, "--id", signal)];
      const asked = { group, containers };
      if (isGiven(options, "rmcgroup")) await (await client()).removeContainersFromGroup(asked, { signal });
      else await (await client()).addContainersToGroup(asked, { signal });
    }
    const found = await readGroup(await client(), group, signal);
    const [shown] = await toOriginalGroups(await client(), [found], signal);
    printJson(surroundings.output.stdout, shown);
  },
  listGroups: async ({ client, surroundings: { output, signal } }) => {
    const groups = await listAllGroups(await client(), {}, signal);
    const found = await readGroups(await client(), groups, signal);
    printJson(output.stdout, { Groups: await toOriginalGroups(await client(), found, signal) });
  },
  removeGroup: async ({ value: group, client, surroundings: { output, signal } }) => {
    await (await client()).removeGroup({ group }, { signal });
    output.stdout.write("Success\n");
  },
} as const satisfies Partial<Record<OriginalOperation, (stage: Stage) => Promise<void>>>;

type FoundGroup = Awaited<ReturnType<typeof readGroup>>;

/** Reads groups with their members. One that was removed meanwhile is left out. */
async function readGroups(
  client: GatewayClient,
  groups: readonly Group[],
  signal: AbortSignal,
): Promise<readonly FoundGroup[]> {
  const found = await forEachOf(groups, async ({ name: group }) => {
    try {
      return await readGroup(client, group, signal);
    } catch (error) {
      if (reasonOf(error) === "GROUP_NOT_FOUND") return undefined;
      throw error;
    }
  });
  return found.filter((one) => one !== undefined);
}

/** Asks how to log in to the members of groups: once for a container of several groups. */
async function toOriginalGroups(
  client: GatewayClient,
  groups: readonly FoundGroup[],
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const members = new Map(groups.flatMap(({ containers }) => containers.map((one) => [one.name, one])));
  const opened = await openContainers(client, [...members.values()], signal);
  const openedOf = new Map(opened.map((one) => [one.container.name, one]));
  return groups.flatMap(({ group, containers }) => {
    const known = containers.map(({ name }) => openedOf.get(name)).filter((one) => one !== undefined);
    return group === undefined ? [] : [toOriginalGroup(group, known)];
  });
}

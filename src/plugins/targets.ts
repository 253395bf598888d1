import type { PluginContainers, RunTargets } from "./contract.js";
import { PluginError } from "./errors.js";
import { pluginLimits } from "./limits.js";

/** Finds the containers that a run is to work on, in order. @throws {ContainerError}; {PluginError} TOO_MANY_TARGETS */
export async function findTargets(
  containers: PluginContainers,
  targets: RunTargets,
): Promise<readonly string[]> {
  const found = await containersOf(containers, targets);
  if (found.length > pluginLimits.maxTargets) {
    throw new PluginError("TOO_MANY_TARGETS", `a run has at most ${pluginLimits.maxTargets} targets`, {
      field: "filter",
    });
  }
  return found;
}

async function containersOf(containers: PluginContainers, targets: RunTargets): Promise<readonly string[]> {
  switch (targets.kind) {
    case "container":
      return [(await containers.get(targets.container)).name];
    case "group":
      return (await containers.getGroup(targets.group)).group.containers;
    case "filter":
      return await passing(containers, targets.filter);
  }
}

/** What has no id cannot be logged in to, and stays out. */
async function passing(containers: PluginContainers, filter: string): Promise<readonly string[]> {
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await containers.list({
      filter,
      orderBy: "",
      pageSize: 1_000,
      pageToken,
      showsRemoved: false,
    });
    found.push(...page.entries.flatMap(({ id, name }) => (id === "" ? [] : [name])));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length <= pluginLimits.maxTargets);
  return found;
}

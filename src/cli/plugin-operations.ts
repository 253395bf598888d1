/** The original's flags for plugins. */
import { UsageError } from "./errors.js";
import type { OriginalOperation } from "./original-flags.js";
import { type Stage, textOption } from "./original-stage.js";
import { plainText } from "./plain-text.js";
import { printJson } from "./print-json.js";
import { followRun, targetOf } from "./run-plugin.js";

export const pluginOperations = {
  runPlugin: async ({ value: plugin, options, client, surroundings }) => {
    const { output, signal } = surroundings;
    const isJson = options["json"] === true;
    const target = await targetOf(await client(), textOption(options, "id") ?? "", "--id", signal);
    await followRun(await client(), { plugin, target }, isJson, surroundings);
    if (!isJson) output.stdout.write("Success\n");
  },
  listPlugins: async ({ client, surroundings: { output, signal } }) => {
    const { plugins } = await (await client()).listPlugins({}, { signal });
    const detected = plugins.map(({ name, description, portCount }) => ({
      FolderName: name.replace(/^plugins\//, ""),
      PluginDescription: description,
      Execute: null,
      NumOfPorts: portCount,
    }));
    printJson(output.stdout, { PluginsDetected: detected });
    for (const { name, brokenReason } of plugins) {
      if (brokenReason !== "")
        output.stderr.write(`${plainText(name)} cannot run: ${plainText(brokenReason)}\n`);
    }
  },
  installPlugin: async ({ value: url, client, surroundings: { output, signal } }) => {
    const { plugin } = await (await client()).installPlugin({ url }, { signal });
    output.stderr.write(`installed ${plainText(plugin?.name ?? "")}\n`);
    output.stdout.write("Success\n");
  },
  removePlugin: async ({ value: plugin, client, surroundings: { output, signal } }) => {
    await (await client()).removePlugin({ plugin }, { signal });
    output.stdout.write("Success\n");
  },
} as const satisfies Partial<Record<OriginalOperation, (stage: Stage) => Promise<void>>>;

/** @throws {UsageError} nothing prints events */
export function requireRunForJson(options: Stage["options"], isRun: boolean): void {
  if (options["json"] === true && !isRun) throw new UsageError("--json belongs to --plugin");
}

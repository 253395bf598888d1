import { PluginError } from "./errors.js";

/** A folder's name: one that needs no quoting anywhere, and hides nothing. */
const folderPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

export const isPluginFolder = (name: string): boolean => folderPattern.test(name);

export const pluginName = (folder: string): string => `plugins/${folder}`;

/** Reads `plugins/FOLDER` or `FOLDER`. @returns the folder @throws {PluginError} INVALID_PLUGIN_NAME */
export function readPluginName(text: string, field: string): string {
  const folder = text.startsWith("plugins/") ? text.slice("plugins/".length) : text;
  if (isPluginFolder(folder)) return folder;
  throw new PluginError(
    "INVALID_PLUGIN_NAME",
    `${field} is no plugins/FOLDER of letters, digits, _, . and -`,
    {
      field,
    },
  );
}

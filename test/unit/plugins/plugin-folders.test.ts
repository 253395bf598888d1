import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { pluginLimits } from "../../../src/plugins/limits.js";
import { readPluginName } from "../../../src/plugins/names.js";
import { findPlugin, listPlugins } from "../../../src/plugins/plugin-folders.js";
import { copyFolder } from "../../../src/plugins/snapshot.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "plugin-folders-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const sample = (name: string): Promise<string> =>
  readFile(new URL(`../../fixtures/samples/${name}`, import.meta.url), "utf8");

async function write(name: string, text: string | Buffer): Promise<void> {
  await mkdir(dirname(join(root, name)), { recursive: true });
  await writeFile(join(root, name), text);
}

async function aPlugin(
  folder: string,
  changes: Readonly<Record<string, string | Buffer | null>> = {},
): Promise<void> {
  const files: Record<string, string | Buffer | null> = {
    "description.txt": "Simple test play\n",
    "ports.json": await sample("plugin-ports.2021-10.json"),
    hosts: await sample("plugin-hosts.2021-07.yml"),
    "site.yml": "- hosts: all\n",
    ...changes,
  };
  for (const [name, text] of Object.entries(files)) if (text !== null) await write(`${folder}/${name}`, text);
}

const reasonOf = async (folder: string): Promise<string | undefined> =>
  (await listPlugins(root)).find((plugin) => plugin.folder === folder)?.brokenReason;

describe("the plugins", () => {
  it("are listed as the original lists them", async () => {
    await aPlugin("TestAnsible");
    const { PluginsDetected } = JSON.parse(await sample("plugins-list.2021-10.json")) as {
      PluginsDetected: { FolderName: string; PluginDescription: string; NumOfPorts: number }[];
    };
    const [plugin] = await listPlugins(root);
    expect([plugin?.folder, plugin?.description, plugin?.portCount]).toEqual([
      PluginsDetected[0]?.FolderName,
      PluginsDetected[0]?.PluginDescription,
      PluginsDetected[0]?.NumOfPorts,
    ]);
    expect(plugin).toMatchObject({ name: "plugins/TestAnsible", brokenReason: "" });
    expect((await findPlugin(root, "TestAnsible")).pythonInterpreter).toBe("/usr/bin/python3");
  });

  it("are none where there is no folder", async () => {
    expect(await listPlugins(join(root, "nothing"))).toEqual([]);
  });

  it.each([
    ["lacks its description", { "description.txt": null }, "description.txt is missing"],
    ["lacks its ports", { "ports.json": null }, "ports.json is missing"],
    ["lacks its playbook", { "site.yml": null }, "site.yml is missing"],
    ["has ports that are no JSON", { "ports.json": "{" }, "ports.json is not JSON"],
    ["has no number of ports", { "ports.json": "null" }, "ports.json has no NumOfPorts of 0..64"],
    ["takes half a port", { "ports.json": '{"NumOfPorts": 0.5}' }, "ports.json has no NumOfPorts of 0..64"],
    ["takes too many ports", { "ports.json": '{"NumOfPorts": 65}' }, "ports.json has no NumOfPorts of 0..64"],
    ["has a template that is none of ours", { "site.yml": "{{range .}}" }, /^site\.yml, line 1: only/],
    ["takes fewer ports than it uses", { "site.yml": "{{index . 1}}" }, /^site\.yml, line 1: port 1 of 1/],
    [
      "has a playbook of 10 MiB",
      { "site.yml": Buffer.alloc(10 * 1024 * 1024, "x") },
      /larger than 1048576 bytes/,
    ],
    [
      "has a description that is no text",
      { "description.txt": Buffer.from([0xff]) },
      "description.txt is not UTF-8",
    ],
  ])("of which one %s hurt no other, and it says why", async (_, changes, reason) => {
    await aPlugin("broken", changes);
    await aPlugin("sound");
    expect(await reasonOf("broken")).toEqual(
      typeof reason === "string" ? reason : expect.stringMatching(reason),
    );
    expect(await reasonOf("sound")).toBe("");
    await expect(findPlugin(root, "broken")).rejects.toMatchObject({ reason: "PLUGIN_BROKEN" });
  });

  it("of which one is a link out of the folder, or holds one, cannot run", async () => {
    await aPlugin("elsewhere/real");
    await mkdir(join(root, "plugins"));
    await symlink(join(root, "elsewhere/real"), join(root, "plugins/link"));
    await aPlugin("plugins/inner");
    await rm(join(root, "plugins/inner/description.txt"));
    await symlink("/etc/hostname", join(root, "plugins/inner/description.txt"));
    const plugins = await listPlugins(join(root, "plugins"));
    expect(plugins.map(({ folder, brokenReason }) => [folder, brokenReason])).toEqual([
      ["inner", "description.txt is a link"],
      ["link", "it is a link, not a folder"],
    ]);
    await expect(findPlugin(join(root, "plugins"), "link")).rejects.toMatchObject({
      reason: "PLUGIN_BROKEN",
    });
  });

  it("of which one has a name that needs quoting are shown, and cannot be named", async () => {
    await aPlugin("a;b");
    expect(await listPlugins(root)).toMatchObject([
      { folder: "a?b", brokenReason: expect.stringContaining("name") },
    ]);
  });

  it.each([
    "../x",
    "a/b",
    "a;b",
    "a\0b",
    ".",
    "..",
    ".git",
    "",
    "plugins/",
    "plugins/../x",
    "%2e%2e",
    "-x",
    "a".repeat(129),
  ])("have no name like %j", (name) => {
    expect(() => readPluginName(name, "plugin")).toThrow(
      expect.objectContaining({ reason: "INVALID_PLUGIN_NAME", field: "plugin" }),
    );
  });

  it("that are not there are not found", async () => {
    await expect(findPlugin(root, "nothing")).rejects.toMatchObject({ reason: "PLUGIN_NOT_FOUND" });
  });
});

describe("the copy for a run", () => {
  it("holds folders and files, and not what git keeps", async () => {
    await aPlugin("sound", { "roles/a/tasks/main.yml": "[]", ".git/config": "x", empty: "" });
    await copyFolder(join(root, "sound"), join(root, "copy"));
    expect((await readdir(join(root, "copy"), { recursive: true })).sort()).toEqual(
      ["description.txt", "empty", "hosts", "ports.json", "roles", "site.yml"]
        .concat(["roles/a", "roles/a/tasks", "roles/a/tasks/main.yml"])
        .sort(),
    );
    expect(await readFile(join(root, "copy/roles/a/tasks/main.yml"), "utf8")).toBe("[]");
  });

  it("is refused for a link anywhere inside, and for what is too large", async () => {
    await aPlugin("linked");
    await mkdir(join(root, "linked/roles"));
    await symlink("/etc", join(root, "linked/roles/etc"));
    await aPlugin("large", { big: Buffer.alloc(pluginLimits.maxFolderBytes) });
    for (const name of ["linked", "large"]) {
      const copying = copyFolder(join(root, name), join(root, `${name}-copy`));
      await expect(copying).rejects.toMatchObject({ reason: "PLUGIN_BROKEN" });
    }
  });
});

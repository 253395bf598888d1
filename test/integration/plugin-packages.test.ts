/** Plugins out of git repositories: a real git, repositories on this disk. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { PluginPackages, readPluginUrl } from "../../src/plugins/packages.js";
import { systemClock } from "../../src/system/clock.js";

let root: string;
let pluginPath: string;
let packages: PluginPackages;
const never = new AbortController().signal;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "packages-"));
  pluginPath = join(root, "deploy");
  packages = new PluginPackages({
    pluginPath,
    clock: systemClock,
    searchPath: "/usr/local/bin:/usr/bin:/bin",
    home: "",
  });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const plugin = {
  "description.txt": "Renders\n",
  "ports.json": '{"NumOfPorts": 1}',
  "site.yml": "- hosts: all\n",
};

/** Makes a repository with one commit. @returns its URL */
async function repository(
  name: string,
  files: Readonly<Record<string, string | Buffer>>,
  links: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  for (const [file, target] of Object.entries(links)) await symlink(target, join(folder, file));
  const git = (...args: string[]): unknown => execFileSync("git", args, { cwd: folder, stdio: "ignore" });
  git("init", "--quiet");
  git("add", "--all", "--force");
  git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "all");
  return `file://${folder}`;
}

const install = (url: string) => packages.install(url, "operator", never);
/** What is left beside the plugins: nothing of a failure may be. */
const below = async (): Promise<string[]> => await readdir(pluginPath).catch(() => []);

describe("a plugin from a repository", () => {
  it("is installed under the name of its path, without what git keeps, and is removed again", async () => {
    const url = await repository("render.git", { ...plugin, "roles/a/tasks/main.yml": "[]\n" });
    expect(await install(url)).toMatchObject({
      name: "plugins/render",
      description: "Renders\n",
      portCount: 1,
    });
    expect(await below()).toEqual(["render"]);
    expect((await readdir(join(pluginPath, "render"))).sort()).toEqual([
      "description.txt",
      "ports.json",
      "roles",
      "site.yml",
    ]);
    await expect(install(url)).rejects.toMatchObject({ reason: "PLUGIN_EXISTS" });
    await packages.remove("plugins/render", "operator");
    expect(await below()).toEqual([]);
    await expect(packages.remove("render", "operator")).rejects.toMatchObject({ reason: "PLUGIN_NOT_FOUND" });
  });

  it.each([
    ["holds no plugin", { "README.md": "x" }, {}],
    ["holds a link", plugin, { passwords: "/etc/passwd" }],
    ["is larger than a plugin may be", { ...plugin, big: Buffer.alloc(65 * 1024 * 1024) }, {}],
    ["has a template that is none of ours", { ...plugin, "site.yml": "{{range .}}" }, {}],
  ])("that %s leaves nothing behind", async (_, files, links) => {
    const url = await repository("odd", files, links);
    await expect(install(url)).rejects.toMatchObject({ reason: "INSTALL_FAILED" });
    expect(await below()).toEqual([]);
  });

  it("brings in no submodule, and runs nothing that its attributes name", async () => {
    const other = await repository("other", plugin);
    const url = await repository("outer", {
      ...plugin,
      ".gitmodules": `[submodule "inner"]\n\tpath = inner\n\turl = ${other}\n`,
      ".gitattributes": "* filter=evil\n",
    });
    await install(url);
    expect((await readdir(join(pluginPath, "outer"))).sort()).not.toContain("inner");
    expect(await readFile(join(pluginPath, "outer/site.yml"), "utf8")).toBe(plugin["site.yml"]);
  });

  it("that is not there is a failure of the installation, in git's words", async () => {
    await expect(install(`file://${root}/nothing`)).rejects.toMatchObject({
      reason: "INSTALL_FAILED",
      message: expect.stringMatching(/fatal: /),
    });
    expect(await below()).toEqual([]);
  });

  it("ends with its caller", async () => {
    const url = await repository("render", plugin);
    const leaving = new AbortController();
    const installing = packages.install(url, "operator", leaving.signal);
    leaving.abort();
    await expect(installing).rejects.toMatchObject({ reason: "INSTALL_FAILED" });
    expect(await below()).toEqual([]);
  });

  it("that was cut short by the gateway's end is cleared away at the next start", async () => {
    await mkdir(join(pluginPath, ".p2prc-staging-1/clone"), { recursive: true });
    await packages.clearAway();
    expect(await below()).toEqual([]);
  });

  it("is for an operator alone", async () => {
    const refused = { reason: "PERMISSION" };
    await expect(packages.install("https://example.org/a/b", "remote", never)).rejects.toMatchObject(refused);
    await expect(packages.remove("a", "remote")).rejects.toMatchObject(refused);
  });

  it("needs git, and says so", async () => {
    const without = new PluginPackages({ pluginPath, clock: systemClock, searchPath: root, home: "" });
    const installing = without.install("https://example.org/a/b", "operator", never);
    await expect(installing).rejects.toMatchObject({ reason: "GIT_MISSING" });
  });
});

describe("the URL of a repository", () => {
  it.each([
    ["https://github.com/example/plugin-blender", "example_plugin-blender"],
    ["https://github.com/example/plugin-blender/", "example_plugin-blender"],
    ["https://git.example.org:8443/plugin.git", "plugin"],
    ["file:///srv/git/plugin.git", "plugin"],
  ])("%s names the folder %s", (url, folder) => {
    expect(readPluginUrl(url).folder).toBe(folder);
  });

  it.each([
    "",
    "plugin",
    "git@github.com:example/plugin",
    "http://example.org/plugin",
    "ssh://example.org/plugin",
    "ext::sh -c touch% /tmp/x",
    "--upload-pack=touch /tmp/x",
    "https://user:secret@example.org/plugin",
    "https://example.org/plugin?x",
    "https://example.org/plugin#x",
    "https://example.org/",
    "https://example.org/a/%2e%2e%2fb",
    "https://example.org/a;b",
    "file://host/plugin",
    "file:///..",
    "file:///.hidden",
  ])("is not %j", (url) => {
    expect(() => readPluginUrl(url)).toThrow(expect.objectContaining({ reason: "INVALID_PLUGIN_URL" }));
  });
});

/** Plugins out of git repositories: a real git, repositories on this disk. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { markVariable } from "../../src/plugins/ansible-program.js";
import { markedProcesses } from "../../src/plugins/marked-processes.js";
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
    draining: never,
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

/** Resolves when a script of ours has written its file `begun`. */
const begins = (folder: string): Promise<void> =>
  new Promise((resolve) => {
    const watcher = watch(folder, (_, name) => {
      if (name !== "begun") return;
      watcher.close();
      resolve();
    });
  });

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

  /** @returns packages that are fetched by a script of ours in git's place */
  async function withGit(script: string, draining = never): Promise<PluginPackages> {
    await mkdir(join(root, "bin"), { recursive: true });
    await writeFile(join(root, "bin/git"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return new PluginPackages({
      pluginPath,
      clock: systemClock,
      searchPath: `${join(root, "bin")}:/usr/bin:/bin`,
      home: "",
      draining,
    });
  }
  const url = "https://example.org/a/b";

  it("is neither fetched nor removed while the gateway drains", async () => {
    const late = await withGit("exit 1", AbortSignal.abort());
    const refused = { reason: "DRAINING" };
    await expect(late.install(url, "operator", never)).rejects.toMatchObject(refused);
    await expect(late.remove("a", "operator")).rejects.toMatchObject(refused);
  });

  it("ends with the gateway: no git, nor whom it started, and no folder is left", async () => {
    const held = await withGit("setsid sleep 1000 &\n: >../begun\nexec sleep 1000");
    await mkdir(pluginPath);
    const begun = begins(pluginPath);
    const installing = held.install(url, "operator", never);
    const refused = expect(installing).rejects.toMatchObject({ reason: "DRAINING" });
    await begun;
    const [staging = ""] = (await below()).filter((name) => name.startsWith(".p2prc-staging-"));
    expect(await markedProcesses(staging)).not.toEqual([]);
    await held.close();
    await refused;
    expect(await markedProcesses(staging)).toEqual([]);
    expect(await below()).toEqual(["begun"]);
  });

  it("that a killed gateway was fetching is ended at the next start", async () => {
    const staging = ".p2prc-staging-2";
    await mkdir(join(pluginPath, staging), { recursive: true });
    const orphan = spawn("sleep", ["1000"], { env: { [markVariable]: staging }, stdio: "ignore" });
    const ended = once(orphan, "exit");
    await once(orphan, "spawn");
    await packages.clearAway();
    expect(await ended).toEqual([null, "SIGKILL"]);
    expect(await below()).toEqual([]);
  });

  it("tells what git says without what moves a terminal's cursor, and no more than a line of it", async () => {
    const long = "x".repeat(3_000);
    const odd = await withGit(`printf 'fatal: a\\033[2Jb\\342\\200\\256c ${long}\\n' >&2; exit 128`);
    const error: unknown = await odd.install(url, "operator", never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: "INSTALL_FAILED" });
    const { message } = error as Error;
    expect(message).toMatch(/: fatal: a\[2Jbc x+$/);
    expect(message.length).toBeLessThan(300);
  });

  it("that cannot be written or removed is refused with a reason that names no path", async () => {
    await writeFile(pluginPath, "a file where the folder should be");
    const odd = await withGit("exit 0");
    const told = { reason: "INSTALL_FAILED", message: expect.not.stringContaining(root) };
    await expect(odd.install(url, "operator", never)).rejects.toMatchObject(told);
    const kept = { reason: "PLUGIN_PATH_UNREADABLE", message: expect.not.stringContaining(root) };
    await expect(odd.remove("a", "operator")).rejects.toMatchObject(kept);
  });

  it("is for an operator alone", async () => {
    const refused = { reason: "PERMISSION" };
    await expect(packages.install("https://example.org/a/b", "remote", never)).rejects.toMatchObject(refused);
    await expect(packages.remove("a", "remote")).rejects.toMatchObject(refused);
  });

  it("needs git, and says so", async () => {
    const without = new PluginPackages({
      pluginPath,
      clock: systemClock,
      searchPath: root,
      home: "",
      draining: never,
    });
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

import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError } from "../../src/config/errors.js";
import { readOriginalConfig } from "../../src/config/original-config.js";

const samples = fileURLToPath(new URL("../fixtures/samples/", import.meta.url));
const home = "/home/user/p2prc";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "p2prc-original-"));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

const write = (content: unknown): void =>
  writeFileSync(join(base, "config.json"), typeof content === "string" ? content : JSON.stringify(content));
const touch = (path: string): void => {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), "");
};

/** What each sample says. Absent = it says nothing, and the default under the base folder holds. */
const told: Readonly<Record<string, object>> = {
  "config.2021-04.json": { ipTablePath: "/etc/p2p-rendering/ip_table.json" },
  "config.2021-06.json": { ipTablePath: `${home}/p2p/ip_table.json` },
  "config.2021-08.json": { ...paths(), serverPort: 8088 },
  "config.2023-01.json": { ...paths(), serverPort: 8088, machineName: "render-box" },
  "config.2023-03.json": { ...paths(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2023-08.json": { ...paths(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2023-09.json": { ...paths(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2023-12-20.json": { ...paths(), ...keys(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2024-11.json": { ...paths(), ...keys(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2025-04.json": { ...paths(), ...keys(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
  "config.2025-06.json": { ...paths(), ...keys(), serverPort: 8088, machineName: "render-box-a1B2c3D" },
};

function paths(): object {
  return {
    ipTablePath: `${home}/p2p/iptable/ip_table.json`,
    trackContainersPath: `${home}/client/trackcontainers/trackcontainers.json`,
    groupTrackContainersPath: `${home}/client/trackcontainers/grouptrackcontainers.json`,
    groupTrackContainersNames: undefined,
    pluginPath: `${home}/plugin/deploy`,
  };
}

function keys(): object {
  return { publicKeyFile: `${home}/p2prc.publicKey`, privateKeyFile: `${home}/p2prc.privateKey` };
}

const defaults = (): object => ({
  machineName: "",
  serverPort: undefined,
  ipTablePath: join(base, "p2p/iptable/ip_table.json"),
  trackContainersPath: join(base, "client/trackcontainers/trackcontainers.json"),
  groupTrackContainersPath: join(base, "client/trackcontainers/grouptrackcontainer.json"),
  groupTrackContainersNames: {
    plural: join(base, "client/trackcontainers/grouptrackcontainers.json"),
    singular: join(base, "client/trackcontainers/grouptrackcontainer.json"),
  },
  pluginPath: join(base, "plugin/deploy"),
  publicKeyFile: join(base, "p2prc.publicKey"),
  privateKeyFile: join(base, "p2prc.privateKey"),
  isTest: false,
});

describe("config.json of the original", () => {
  it("has a sample for every version that is listed here, and no other", () => {
    expect(readdirSync(samples).filter((name) => name.startsWith("config."))).toEqual(Object.keys(told));
  });

  it.each(Object.keys(told))("is read as %s has it", (sample) => {
    copyFileSync(join(samples, sample), join(base, "config.json"));
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: true, ...told[sample] });
  });

  it("that is not there means defaults under the base folder", () => {
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: false });
    write("");
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: false });
    write({});
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: true });
  });

  it("names paths from the base folder on, unless they are absolute", () => {
    write({ IPTable: "table.json", PluginPath: "../plugins", PublicKeyFile: "/keys/public" });
    expect(readOriginalConfig(base)).toMatchObject({
      ipTablePath: join(base, "table.json"),
      pluginPath: join(dirname(base), "plugins"),
      publicKeyFile: "/keys/public",
    });
  });

  it("says nothing with an empty text, null or a port of 0", () => {
    write({ IPTable: "", PluginPath: null, MachineName: null, ServerPort: "0", Test: null });
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: true });
    write({ ServerPort: "", Test: "" });
    expect(readOriginalConfig(base)).toEqual({ ...defaults(), present: true });
  });

  it("does not take the key of the table for its path", () => {
    write({ IPTableKey: "Zx81", IPTable: "/a" });
    expect(readOriginalConfig(base).ipTablePath).toBe("/a");
  });

  it("counts the later one of two keys that differ in case only", () => {
    write('{"iptable": "/a", "IPTable": "/b", "SERVERPORT": "1"}');
    expect(readOriginalConfig(base)).toMatchObject({ ipTablePath: "/b", serverPort: 1 });
  });

  it.each([
    [true, true],
    ["True", true],
    ["true", true],
    ["False", false],
    [false, false],
    ["0", false],
    ["1", true],
    [0, false],
    [1, true],
  ])("is of a test when Test is %j: %p", (value, isTest) => {
    write({ Test: value });
    expect(readOriginalConfig(base).isTest).toBe(isTest);
  });

  it.each([
    ["8090", 8090],
    [8090, 8090],
    ["65535", 65_535],
  ])("names its server's port as text or number: %j", (value, port) => {
    write({ serverport: value });
    expect(readOriginalConfig(base).serverPort).toBe(port);
  });

  it.each([
    ["IPTable", 5],
    ["TrackContainersPath", {}],
    ["MachineName", true],
    ["ServerPort", "http"],
    ["ServerPort", "65536"],
    ["ServerPort", -1],
    ["ServerPort", 80.5],
    ["ServerPort", {}],
    ["Test", "maybe"],
    ["Test", 2],
    ["Test", "2"],
  ])("is refused by file and key when %s is %j", (key, value) => {
    write({ [key]: value });
    expect(() => readOriginalConfig(base)).toThrow(ConfigError);
    expect(() => readOriginalConfig(base)).toThrow(`key "${key}" of ${join(base, "config.json")}: that is n`);
  });

  it.each([
    [" ", "is not JSON"],
    ["{", "is not JSON"],
    ["[]", "does not hold a JSON object"],
    [`{}${" ".repeat(1024 * 1024)}`, "is larger than 1 MiB"],
  ])("is refused by name when it cannot be parsed", (content, reason) => {
    write(content);
    expect(() => readOriginalConfig(base)).toThrow(`${join(base, "config.json")} ${reason}`);
  });

  it("is not quoted when it is refused: it holds keys", () => {
    write('{"IPTableKey": hunter2}');
    let error: unknown;
    try {
      readOriginalConfig(base);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect([(error as Error).message, (error as Error).cause]).toEqual([
      expect.not.stringContaining("hunter"),
      undefined,
    ]);
  });

  it("leaves the files where some versions put them", () => {
    const other = "client/trackcontainers/grouptrackcontainer.json";
    touch(other);
    touch("p2prc.PublicKeyBareMetal");
    expect(readOriginalConfig(base)).toMatchObject({
      groupTrackContainersPath: join(base, other),
      publicKeyFile: join(base, "p2prc.PublicKeyBareMetal"),
    });
    touch("client/trackcontainers/grouptrackcontainers.json");
    touch("p2prc.publicKey");
    expect(readOriginalConfig(base)).toEqual({
      ...defaults(),
      groupTrackContainersPath: join(base, "client/trackcontainers/grouptrackcontainers.json"),
      present: false,
    });
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { dialectNames, dialects, type Dialect } from "../../src/devnet/dialects.js";
import {
  encodeVm,
  type Generation,
  type GenerationName,
  generationNames,
  generations,
  type VmRecord,
} from "../../src/devnet/docker-vm.js";
import { createSimulatedRuntime } from "../../src/devnet/simulated-runtime.js";
import { base64ErrorAt, readOrder, readQuery, scanInteger } from "../../src/devnet/start-query.js";

const sampleText = (name: string): string =>
  readFileSync(new URL(`../fixtures/samples/docker-vm.${name}.json`, import.meta.url), "utf8").trim();

const longId = "b4d1f00c9e8a7766554433221100ffeeddccbbaa99887766554433221100aabb";
const autoGen = { name: "AutoGen Port", isUsed: false, description: "Auto generated TCP port" };
const ssh = { name: "SSH", internal: 22, isUsed: true, description: "SSH Port" };

/** The container of the samples of 2021-04. */
const oldest: VmRecord = {
  id: longId,
  folder: "docker-ubuntu-sshd",
  tagName: "p2p-ubuntu",
  ports: [
    { ...ssh, external: 41731 },
    { ...autoGen, internal: 38121, external: 38121 },
    { ...autoGen, internal: 39207, external: 39207 },
  ],
  vncPort: 35541,
  gpu: "false",
  baseImage: "",
  publicKey: "",
};
const [, firstAsked] = oldest.ports;
const of2021May: VmRecord = { ...oldest, vncPort: 0, ports: oldest.ports.slice(0, 2) };
const of2021July: VmRecord = { ...of2021May, ports: [{ ...ssh, external: 44269 }, firstAsked!] };
const of2023: VmRecord = {
  ...of2021July,
  id: "eqLNDEiVeXBBXHRpcpCBtU",
  tagName: "8a1d6f1e-2b3c-4d5e-8f90-123456789abc_p2p-ubuntu",
  baseImage: "ubuntu:20.04",
  publicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==\n",
};

const keysOf = (json: string): string[] => Object.keys(JSON.parse(json) as object);
const spell = (name: GenerationName, vm: VmRecord): string => encodeVm(generations[name], vm);

describe("the devnet's containers", () => {
  it.each<[GenerationName, VmRecord]>([
    ["2021-04-07", oldest],
    ["2021-04-10", oldest],
    ["2021-05", of2021May],
    ["2021-07", of2021July],
    ["2023-08", of2023],
    ["2023-12", of2023],
  ])("are the sample of %s, byte for byte", (name, vm) => {
    expect(spell(name, vm)).toBe(sampleText(name));
  });

  it("have the keys of 2021-04-02, whose id nobody filled", () => {
    const json = spell("2021-04-02", oldest);
    expect(keysOf(json)).toEqual(keysOf(sampleText("2021-04-02")));
    expect(JSON.parse(json)).toMatchObject({ ID: "", SSHPort: 41731, VNCPort: 35541 });
  });

  it("say from 2021-10 on which ports are used, before the description", () => {
    const { Ports } = JSON.parse(spell("2021-10", of2021July)) as { Ports: { Port: object[] } };
    expect(keysOf(spell("2021-10", of2021July))).toEqual(keysOf(sampleText("2021-07")));
    expect(Object.keys(Ports.Port[0]!)).toEqual([
      "PortName",
      "InternalPort",
      "Type",
      "ExternalPort",
      "IsUsed",
      "Description",
    ]);
  });

  it("tell for hours of 2023-12-15 where both keys are on the server", () => {
    expect(keysOf(spell("2023-12-15", of2023)).slice(0, 3)).toEqual([
      "SSHUsername",
      "SSHPublicKey",
      "SSHPrivateKey",
    ]);
    expect(keysOf(spell("2023-12-15", of2023)).at(-1)).toBe("SSHCommand");
  });

  it("have null for the open ports of an old one that nobody asked for any", () => {
    const vm = { ...oldest, ports: oldest.ports.slice(0, 1) };
    expect(JSON.parse(spell("2021-04-07", vm))).toMatchObject({ OpenPorts: null });
  });

  it("are spelled by each dialect as on the day it begins", () => {
    const spelled = dialectNames.map((name): [string, string | null] => {
      const dialect: Dialect = dialects[name];
      return [name, dialect.containers === undefined ? "2023-12" : dialect.containers];
    });
    expect(Object.fromEntries(spelled)).toMatchObject({
      "2021-03-20": null,
      "2021-03-21": null,
      "2021-06": "2021-05",
      "2021-07": "2021-07",
      "2022-12": "2021-10",
      "2023-03": "2021-10",
      "2023-09": "2023-08",
      "2023-12": "2023-12",
      "2026-01": "2023-12",
    });
  });
});

const makeContainer = async (name: GenerationName, query: string, isProxied = false): Promise<VmRecord> => {
  const generation: Generation = generations[name];
  const options = { host: "127.0.0.1", generation, isProxied, listens: false, hasGpu: true, sshDelayMs: 0 };
  const order = readOrder(generation, readQuery(`/startcontainer?${query}`));
  return (await createSimulatedRuntime(options).create(order)).vm;
};

describe("a container's id and names", () => {
  it.each<[GenerationName, string, RegExp]>([
    ["2021-07", "", /^[0-9a-f]{64}$/],
    ["2021-07", "GPU=true", /^[0-9A-Za-z]{22}$/],
    ["2021-07", "GPU=True", /^[0-9a-f]{64}$/],
    ["2023-08", "", /^[0-9A-Za-z]{22}$/],
    ["2023-12", "GPU=true", /^[0-9A-Za-z]{22}$/],
  ])("%s with %j has an id like %s", async (name, query, shape) => {
    expect((await makeContainer(name, query)).id).toMatch(shape);
  });

  it("has the image's folder as its tag, with a UUID from 2023-08 on", async () => {
    expect((await makeContainer("2021-10", "")).tagName).toBe("p2p-ubuntu");
    expect((await makeContainer("2021-10", "ContainerName=horovod-cpu")).tagName).toBe("horovod-cpu");
    expect((await makeContainer("2023-08", "ContainerName=horovod-cpu")).tagName).toMatch(
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_horovod-cpu$/,
    );
  });

  it("has the ports of its image first, whose names may repeat", async () => {
    const { ports } = await makeContainer("2023-12", "ContainerName=blender-gpu&ports=1");
    expect(ports.map(({ name }) => name)).toEqual(["SSH", "NoVNC", "NoVNC", "AutoGen Port"]);
    expect(ports.at(-1)).toMatchObject({ internal: ports.at(-1)!.external, isUsed: false });
  });
});

describe("the ports of a container behind a proxy", () => {
  it("are others outside than inside", async () => {
    const { ports } = await makeContainer("2023-12", "ports=8", true);
    expect(ports.some(({ internal, external, isUsed }) => !isUsed && internal !== external)).toBe(true);
  });
});

describe("the query of a container route", () => {
  it("is unescaped as Go does it, pair by pair, the first of a name counts", () => {
    const query = readQuery("/startcontainer?a=1+2&b=%2B%C3%A4&a=3&c=%zz&d&e=x=y&f=1;g=2&&%68=i");
    expect(Object.fromEntries(query)).toEqual({ a: "1 2", b: "+ä", d: "", e: "x=y", h: "i" });
  });

  it.each<[string, number]>([
    ["abc", 0],
    ["3x", 3],
    [" 7", 7],
    ["-2", -2],
    ["", 0],
    ["1e3", 1],
  ])("has %j ports read as %d", (text, count) => {
    expect(scanInteger(text)).toBe(count);
  });

  it.each<[string, number | undefined]>([
    ["c3No", undefined],
    ["c3NoLQ==", undefined],
    ["c3No\r\nLXI=\n", undefined],
    ["c3 oLQ==", 2],
    ["c3NoLQ=", 7],
    ["c3NoLQ", 4],
    ["c3NoL", 4],
    ["c3NoLQ==c3No", 8],
    ["c3NoLXI=x", 8],
    ["=", 0],
    ["c3N-", 3],
    ["c3NoLQ=x", 6],
  ])("has the public key %j refused at byte %s", (text, position) => {
    expect(base64ErrorAt(text)).toBe(position);
  });

  it("is read only as far as the version knows it", () => {
    const query = readQuery("/startcontainer?ports=2&GPU=true&ContainerName=a&BaseImage=b&PublicKey=!");
    const nothing = { portCount: 0, gpu: "false", containerName: "", baseImage: "", publicKey: "" };
    const read = generationNames.map((name) => readOrder(generations[name], query));
    expect(read).toMatchObject([
      nothing,
      { ...nothing, portCount: 2 },
      { ...nothing, portCount: 2, gpu: "true" },
      { portCount: 2, gpu: "true", containerName: "a", baseImage: "" },
      { portCount: 2, gpu: "true", containerName: "a", baseImage: "" },
      { portCount: 2, gpu: "true", containerName: "a", baseImage: "" },
      { containerName: "a", baseImage: "b" },
      { containerName: "a", baseImage: "b" },
      { baseImage: "b", publicKey: "", keyError: "illegal base64 data at input byte 0" },
    ]);
  });
});

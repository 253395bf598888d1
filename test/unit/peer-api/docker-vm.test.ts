import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { NodeContainer } from "../../../src/peer-api/contract.js";
import { isContainerId, parseDockerVm } from "../../../src/peer-api/docker-vm.js";
import { maxContainerPorts } from "../../../src/peer-api/limits.js";

const sample = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../fixtures/samples/docker-vm.${name}.json`, import.meta.url), "utf8"));

function read(value: unknown): NodeContainer {
  const container = parseDockerVm(value);
  if (container === undefined) throw new Error("no description");
  return container;
}

const nothingTold = {
  id: "",
  sshUsername: "",
  sshPassword: "",
  sshPublicKey: "",
  sshPort: 0,
  vncPort: 0,
  vncPassword: "",
  image: "",
  baseImage: "",
  gpu: false,
  ports: [],
};

const longId = "b4d1f00c9e8a7766554433221100ffeeddccbbaa99887766554433221100aabb";
const barePort = (number: number): unknown => ({
  name: "",
  internalPort: number,
  externalPort: number,
  protocol: "",
  isUsed: false,
  description: "",
});
const first = {
  ...nothingTold,
  id: longId,
  sshUsername: "master",
  sshPassword: "password",
  sshPort: 41_731,
  vncPort: 35_541,
  vncPassword: "vncpassword",
  image: "p2p-ubuntu",
};
const named = (isUsed: boolean): unknown[] => [
  {
    name: "SSH",
    internalPort: 22,
    externalPort: 44_269,
    protocol: "tcp",
    isUsed,
    description: "SSH Port",
  },
  {
    name: "AutoGen Port",
    internalPort: 38_121,
    externalPort: 38_121,
    protocol: "tcp",
    isUsed: false,
    description: "Auto generated TCP port",
  },
];
const shortId = {
  id: "eqLNDEiVeXBBXHRpcpCBtU",
  sshPort: 44_269,
  image: "8a1d6f1e-2b3c-4d5e-8f90-123456789abc_p2p-ubuntu",
  baseImage: "ubuntu:20.04",
  ports: named(true),
};

describe("a container's description", () => {
  it.each([
    ["2021-04-02", first],
    ["2021-04-07", { ...first, ports: [barePort(38_121), barePort(39_207)] }],
    ["2021-04-10", { ...first, ports: [barePort(38_121), barePort(39_207)] }],
    ["2021-05", { ...first, vncPort: 0, vncPassword: "", ports: [barePort(38_121)] }],
    [
      "2021-07",
      {
        ...first,
        sshPort: 44_269,
        vncPort: 0,
        vncPassword: "",
        ports: named(false),
      },
    ],
    ["2023-08", { ...nothingTold, ...shortId, sshUsername: "master", sshPassword: "password" }],
    [
      "2023-12",
      {
        ...nothingTold,
        ...shortId,
        sshUsername: "root",
        sshPublicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==",
      },
    ],
    ["2023-12.zero", nothingTold],
  ])("of %s is read whole", (name, expected) => {
    const value = sample(name);
    expect(read(value)).toEqual({ ...expected, raw: value });
    expect(read(value).raw).toBe(value);
  });

  it("of the first days has null for its ports", () => {
    expect(read({ SSHPort: 5, OpenPorts: null, Ports: null }).ports).toEqual([]);
  });

  it("has keys in any case, the exact one first", () => {
    expect(read({ id: "wrong-one", ID: "right-one", sshusername: "u", PORTS: { port: [] } })).toMatchObject({
      id: "right-one",
      sshUsername: "u",
    });
    const Ports = { PORT: [{ portname: "SSH", EXTERNALPORT: 7 }] };
    expect(read({ Ports }).sshPort).toBe(7);
  });

  it.each([undefined, null, 5, "x", true, [], [{ ID: "abc" }]])("is not %j", (value) => {
    expect(parseDockerVm(value)).toBeUndefined();
  });

  it("tells nothing in fields of the wrong type", () => {
    const wire = Object.fromEntries(Object.keys(sample("2023-12") as object).map((key) => [key, { a: 1 }]));
    expect(read(wire)).toEqual({ ...nothingTold, raw: wire });
    const lists = Object.fromEntries(Object.keys(sample("2021-05") as object).map((key) => [key, ["5"]]));
    expect(read(lists)).toMatchObject({ ...nothingTold, ports: [barePort(5)] });
  });

  it.each([
    ["true", true],
    [true, true],
    ["false", false],
    ["True", false],
    [1, false],
    ["", false],
  ])("says GPU %j", (GPU, gpu) => {
    expect(read({ GPU }).gpu).toBe(gpu);
  });

  it.each([0, -1, 65_536, 1.5, 1e300, "0", "22x", "", null, true, {}, [22]])(
    "has no port with the external number %j",
    (ExternalPort) => {
      expect(
        read({ Ports: { Port: [{ PortName: "SSH", ExternalPort }] }, SSHPort: ExternalPort }),
      ).toMatchObject({ ports: [], sshPort: 0 });
    },
  );

  it("keeps a port whose inside is not told, and numbers that came as text", () => {
    const Port = [{ PortName: "SSH", InternalPort: 70_000, ExternalPort: "44269" }];
    expect(read({ Ports: { Port } })).toMatchObject({
      sshPort: 44_269,
      ports: [{ internalPort: 0, externalPort: 44_269 }],
    });
  });

  it("takes the first of several ports of one name", () => {
    const Port = [4, 5].map((ExternalPort) => ({ PortName: "SSH", ExternalPort }));
    const vnc = [6, 7].map((ExternalPort) => ({ PortName: "VNC", ExternalPort }));
    expect(read({ Ports: { Port: [...Port, ...vnc] } })).toMatchObject({ sshPort: 4, vncPort: 6 });
  });

  it("skips ports that are none, and stops at 128", () => {
    const Port = [null, 5, "x", [], ...Array.from({ length: 1_000 }, () => ({ ExternalPort: 5 }))];
    const container = read({ Ports: { Port }, OpenPorts: Array.from({ length: 1_000 }, () => 6) });
    expect(container.ports).toHaveLength(maxContainerPorts);
  });

  it("is clean and bounded, whatever a node writes", () => {
    const nasty = `\u001b[31m\u202e${"x".repeat(100_000)}`;
    const container = read({
      SSHUsername: nasty,
      SSHPassword: nasty,
      TagName: nasty,
      SSHPublicKey: `${nasty}\n`,
      Ports: { Port: [{ PortName: nasty, Type: nasty, Description: nasty, ExternalPort: 1 }] },
    });
    const { raw, ...told } = container;
    const text = JSON.stringify(told);
    expect(text).not.toMatch(/\\u001b|\u202e/);
    expect(text.length).toBeLessThan(12_000);
    expect(raw["SSHUsername"]).toBe(nasty);
  });

  it("has one key on a line", () => {
    expect(read({ SSHPublicKey: "a b\r\n\n\tc d\u200b\n" }).sshPublicKey).toBe("a b\nc d");
  });

  it.each(["a\u200bbcd", "abc\n", "\u001babc", "x".repeat(129)])(
    "has no id where cleaning would make another of it: %j",
    (ID) => {
      expect(read({ ID }).id).toBe("");
    },
  );

  it("may lie 16 deep and no deeper, so that it can be written again", () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });
    expect(parseDockerVm(nested(16))).toBeDefined();
    expect(parseDockerVm(nested(17))).toBeUndefined();
    expect(parseDockerVm(JSON.parse(`{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`))).toBeUndefined();
  });

  it("changes no prototype", () => {
    const wire: unknown = JSON.parse(
      '{"__proto__":{"x":1,"ID":"evil"},"constructor":{"prototype":{"x":1}},"Ports":{"__proto__":{"Port":[{"ExternalPort":5}]}}}',
    );
    const container = read(wire);
    expect(container).toMatchObject({ id: "", ports: [] });
    expect(({} as { x?: unknown }).x).toBeUndefined();
    expect(JSON.stringify(container.raw)).toBe(JSON.stringify(wire));
  });

  it("never throws, keeps its bounds, and can be written again", () => {
    const key = fc.constantFrom("ID", "id", "Ports", "Port", "OpenPorts", "SSHPort", "GPU", "SSHPublicKey");
    const value = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(key, fc.oneof(fc.jsonValue(), fc.dictionary(key, fc.jsonValue()))),
    );
    fc.assert(
      fc.property(value, (any) => {
        const container = parseDockerVm(any);
        if (container === undefined) return;
        JSON.stringify(container);
        expect(container.ports.every(({ externalPort }) => externalPort >= 1 && externalPort <= 65_535)).toBe(
          true,
        );
        expect(container.id.length).toBeLessThanOrEqual(128);
      }),
    );
  });
});

describe("the id of a container", () => {
  it.each([longId, "eqLNDEiVeXBBXHRpcpCBtU", "abc", "grp4Nf7d", "a_b.c-d", "x".repeat(128)])(
    "can be %s",
    (id) => {
      expect(isContainerId(id)).toBe(true);
    },
  );

  it.each([
    "",
    "ab",
    "-abc",
    ".abc",
    "_abc",
    "abc;reboot",
    "abc def",
    "abc\n",
    "abc/../def",
    "a$(b)",
    "äbc",
    "x".repeat(129),
  ])("cannot be %j", (id) => {
    expect(isContainerId(id)).toBe(false);
  });
});

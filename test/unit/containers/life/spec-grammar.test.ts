import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { ContainerSpec } from "../../../../src/containers/contract.js";
import { ContainerError } from "../../../../src/containers/errors.js";
import {
  containerIdPattern,
  isGroupId,
  readContainerName,
  readGroupName,
} from "../../../../src/containers/names.js";
import { makeKeyPair } from "../../../../src/containers/keys/openssh-key.js";
import { checkSpec, isSshPublicKey } from "../../../../src/containers/life/spec-grammar.js";
import { isContainerId } from "../../../../src/peer-api/docker-vm.js";
import { injections } from "../../../support/injections.js";

const plain: ContainerSpec = {
  portCount: 0,
  gpu: false,
  image: "",
  baseImage: "",
  sshPublicKey: "",
  labels: new Map(),
};

/** Whether an order passes. Anything but a typed refusal is a fault of ours. */
function passes(overrides: Partial<ContainerSpec>): boolean {
  try {
    checkSpec({ ...plain, ...overrides });
    return true;
  } catch (error) {
    if (error instanceof ContainerError && error.reason === "INVALID_SPEC" && error.field !== undefined)
      return false;
    throw error;
  }
}

function reads(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof ContainerError) return false;
    throw error;
  }
}

const someKey = makeKeyPair("me@host").publicLine;
const [bareKey = ""] = /^\S+ \S+/.exec(someKey) ?? [];

/** Every text of a caller or a node that reaches a node, or a name of ours, and what takes it. */
const gates: Readonly<Record<string, { readonly takes: (text: string) => boolean; readonly valid: string }>> =
  {
    image: { takes: (image) => image !== "" && passes({ image }), valid: "p2p-ubuntu" },
    baseImage: { takes: (baseImage) => baseImage !== "" && passes({ baseImage }), valid: "ubuntu:22.04" },
    sshPublicKey: {
      takes: (sshPublicKey) => sshPublicKey !== "" && passes({ sshPublicKey }),
      valid: someKey,
    },
    labelKey: { takes: (key) => passes({ labels: new Map([[key, "value"]]) }), valid: "example.com/role" },
    containerId: { takes: (id) => containerIdPattern.test(id), valid: "eqLNDEiVeXBBXHRpcpCBtU" },
    idForNodes: { takes: isContainerId, valid: "eqLNDEiVeXBBXHRpcpCBtU" },
    containerName: {
      // `~` begins the name of what has no id yet, which is another grammar's.
      takes: (id) =>
        !id.startsWith("~") &&
        reads(() => readContainerName(`nodes/45.0.0.1:8088/containers/${id}`, "container")),
      valid: "eqLNDEiVeXBBXHRpcpCBtU",
    },
    groupId: { takes: isGroupId, valid: "grp3f2b1c9e-2b3c-4d5e-8f90-123456789abc" },
    groupName: {
      takes: (id) => reads(() => readGroupName(id, "group")),
      valid: "groups/grp3f2b1c9e-2b3c-4d5e-8f90-123456789abc",
    },
  };

describe.each(Object.entries(gates))("%s", (_, { takes, valid }) => {
  it("takes what is valid, and none of 500 texts that a shell, a URL or a terminal could misread", () => {
    expect(takes(valid)).toBe(true);
    const tried = [...injections(valid)].filter(([, text]) => text !== "");
    expect(tried.length).toBeGreaterThanOrEqual(500);
    const startMs = performance.now();
    const passed = tried.filter(([, text]) => takes(text));
    expect(passed).toEqual([]);
    // No pattern that tries every way to read a text.
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});

const safe: Readonly<Record<string, RegExp>> = {
  image: /^[A-Za-z0-9_.-]+$/,
  baseImage: /^[A-Za-z0-9_./:@-]+$/,
  sshPublicKey: /^[A-Za-z0-9_.@+/=: -]+$/,
  labelKey: /^[A-Za-z0-9_./-]+$/,
  containerId: /^[A-Za-z0-9_.-]+$/,
  idForNodes: /^[A-Za-z0-9_.-]+$/,
  groupId: /^[A-Za-z0-9-]+$/,
  groupName: /^[A-Za-z0-9/-]+$/,
};

describe.each(Object.entries(safe))("whatever passes as %s", (name, alphabet) => {
  const { takes, valid } = gates[name]!;
  const nearly = fc
    .tuple(
      fc.nat(valid.length),
      fc.nat(3),
      fc.oneof(fc.string({ maxLength: 3 }), fc.string({ unit: "binary", maxLength: 2 })),
    )
    .map(([at, cutCount, part]) => valid.slice(0, at) + part + valid.slice(at + cutCount));
  const letters = Array.from("abzAZ019_.-/:@+= ;$`'\"\\\n\0~*?&|<>(){}[]!#%^,é");
  const anything = fc.oneof(
    nearly,
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.constantFrom(...letters), maxLength: 12 }),
  );

  it("is made of characters that mean nothing to a shell, begins with a letter or digit, and leads nowhere", () => {
    const property = fc.property(anything, (text) => {
      if (!takes(text)) return;
      expect(text).toMatch(alphabet);
      expect(text).toMatch(/^[A-Za-z0-9]/);
      expect(text).not.toMatch(/(?:^|\/)\.\.(?:\/|$)/);
    });
    fc.assert(property, { numRuns: 3_000 });
  });
});

const digest = "0123456789abcdef".repeat(4);

describe("orders as people write them", () => {
  it.each([
    "ubuntu",
    "ubuntu:22.04",
    "library/ubuntu",
    "nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04",
    "docker.io/library/alpine:3.20",
    "ghcr.io/akilan1999/p2p-rendering-computation:latest",
    "quay.io/jupyter/pytorch-notebook:cuda12-2024-11-04",
    "registry.example.com:5000/team/app:1.2.3",
    "localhost:5000/app",
    "localhost/app:dev",
    "127.0.0.1:5000/app",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/my-app:build-17",
    "europe-docker.pkg.dev/my-project/repo/image:v1",
    "registry.gitlab.com/group/sub-group/project/image__x:0.1",
    "Registry.Example.com/app",
    "a/b_c/d.e/f--g",
    `alpine@sha256:${digest}`,
    `registry.example.com:5000/team/app:1.2.3@sha256:${digest}`,
    `app@sha512:${digest}${digest}`,
  ])("takes the image reference %s", (baseImage) => {
    expect(passes({ baseImage })).toBe(true);
  });

  it.each([
    "Ubuntu",
    "ubuntu:",
    ":22.04",
    "ubuntu@",
    "ubuntu@sha256:abc",
    "http://registry/app",
    "a//b",
    "/a",
    "a/",
    "a__",
    "a___b",
    "-a",
    "a..b",
    "registry..example.com/app",
    "a:b:c",
    `ubuntu@md5:${digest}`,
    "a".repeat(256),
  ])("does not take %s for one", (baseImage) => {
    expect(passes({ baseImage })).toBe(false);
  });

  it.each(["p2p-ubuntu", "docker-ubuntu-sshd", "cuda_12.4", "A", "0", "horovod-cpu", "x".repeat(128)])(
    "takes the image name %s",
    (image) => {
      expect(passes({ image })).toBe(true);
    },
  );

  const keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqFbhB0LZkVf4wCkYLYqLPpVbpzRfjPdGrTNTQgUgsE",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBJk5Y2WGrCyrH3X9lOJyzN2FSTBWzJBLTWoPNGFyBZtLNxHm0nkhrxSNYKTcGx5T2GxHsRYnMHxQ3a4lVxVzKzo=",
    rsaLine(),
  ];
  const comments = [
    "",
    " me",
    " user@host.example.com",
    " me+work@example.com",
    " eddsa-key-20240101",
    " cardno:000612345678",
    " root@DESKTOP-1234",
  ];
  it.each(comments)("takes a key of each kind with the comment '%s'", (comment) => {
    expect(
      keys.filter((key) => !isSshPublicKey(key + comment) || !passes({ sshPublicKey: key + comment })),
    ).toEqual([]);
  });

  it.each([
    ["two keys", `${someKey}\n${someKey}`],
    ["a line's end", `${someKey}\n`],
    ["options before it", `command="reboot" ${someKey}`],
    ["a restriction before it", `no-pty ${someKey}`],
    ["a kind that it is not", bareKey.replace("ssh-ed25519", "ssh-rsa")],
    ["a private key", makeKeyPair("x").privateText],
    ["a key cut short", bareKey.slice(0, -4)],
    ["a key cut short inside", bareKey.slice(0, 60)],
    ["more than a key", `${bareKey}AAAA`],
    [
      "a kind that OpenSSH has given up",
      "ssh-dss AAAAB3NzaC1kc3MAAACBAJqFbhB0LZkVf4wCkYLYqLPpVbpzRfjPdGrTNTQgUgsE",
    ],
    ["two spaces", bareKey.replace(" ", "  ")],
    ["a comment of many words", `${bareKey} me and you`],
  ])("does not take %s", (_, sshPublicKey) => {
    expect(passes({ sshPublicKey })).toBe(false);
  });

  it("takes labels as people write them, and names the one that it does not take", () => {
    const labels = new Map([
      ["role", "render"],
      ["example.com/owner", "Ärzte & Söhne; $(nothing) `here` is run 😀"],
      ["a.b-c_d", ""],
    ]);
    expect(passes({ labels })).toBe(true);
    expect(passes({ labels: new Map([["a/../b", ""]]) })).toBe(false);
    expect(passes({ labels: new Map([["__proto__", "x"]]) })).toBe(false);
    expect(passes({ labels: new Map([["", "x"]]) })).toBe(false);
    for (const hidden of ["a\nb", "a\0b", "a\u202eb", "a\u200bb", "\u001b[2J", "\ud800"]) {
      const call = (): void => checkSpec({ ...plain, labels: new Map([["role", hidden]]) });
      expect(call).toThrow(expect.objectContaining({ field: 'spec.labels["role"]' }));
    }
  });

  it("keeps labels and ports within their limits", () => {
    const many = (count: number): Map<string, string> =>
      new Map(Array.from({ length: count }, (_, at) => [`key${at}`, "v"]));
    expect([passes({ labels: many(64) }), passes({ labels: many(65) })]).toEqual([true, false]);
    const ofBytes = (count: number): Map<string, string> => new Map([["k", "é".repeat(count / 2)]]);
    expect([passes({ labels: ofBytes(2_046) }), passes({ labels: ofBytes(2_048) })]).toEqual([true, false]);
    const counts = [0, 64, 65, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY];
    expect(counts.map((portCount) => passes({ portCount }))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});

/** A key as `ssh-keygen` writes it. */
function rsaLine(): string {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const { e = "", n = "" } = publicKey.export({ format: "jwk" });
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const parts = [
    Buffer.from("ssh-rsa"),
    Buffer.from(e, "base64url"),
    Buffer.from(`00${Buffer.from(n, "base64url").toString("hex")}`, "hex"),
  ];
  return `ssh-rsa ${Buffer.concat(parts.map(field)).toString("base64")}`;
}

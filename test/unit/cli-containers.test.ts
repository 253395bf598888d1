import { readFileSync } from "node:fs";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "@jest/globals";
import { UsageError } from "../../src/cli/errors.js";
import { failureOf } from "../../src/cli/failure-text.js";
import { forEachOf, type OpenedContainer, requireId } from "../../src/cli/list-containers.js";
import {
  toOriginalContainer,
  toOriginalGroup,
  toOriginalTracked,
} from "../../src/cli/original-container-shapes.js";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import { AccessSchema, ContainerSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";

interface Entry {
  readonly Container: Record<string, unknown>;
}
const sample = (name: string): { TrackContainer: Entry[]; Groups: { TrackContainer: Entry[] }[] } =>
  JSON.parse(readFileSync(new URL(`../fixtures/samples/${name}`, import.meta.url), "utf8")) as never;
/** What the contract does not tell is empty. */
const untold = { TagName: "", ImagePath: "", TempPath: "", LogsPath: "" };

/** The container of the samples of 2023-12. */
function opened(access: MessageInitShape<typeof AccessSchema> = {}): OpenedContainer {
  return {
    container: create(ContainerSchema, {
      name: "nodes/203.0.113.7:8088/containers/eqLNDEiVeXBBXHRpcpCBtU",
      id: "eqLNDEiVeXBBXHRpcpCBtU",
      node: "nodes/203.0.113.7:8088",
      spec: { baseImage: "ubuntu:20.04" },
      ports: [
        port("SSH", 22, 44269, true, "SSH Port"),
        port("AutoGen Port", 38121, 38121, false, "Auto generated TCP port"),
      ],
    }),
    access: create(AccessSchema, {
      host: "203.0.113.7",
      sshUsername: "root",
      sshPublicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==",
      ...access,
    }),
  };
}

const port = (
  name: string,
  internalPort: number,
  externalPort: number,
  used: boolean,
  description: string,
) => ({
  name,
  internalPort,
  externalPort,
  used,
  description,
  protocol: "tcp",
});

describe("a container as the original prints it", () => {
  it("has the keys of the tracking file in their order, and what nobody told is empty", () => {
    const expected = sample("trackcontainers.2023-12.json");
    Object.assign(expected.TrackContainer[0]!.Container, untold);
    expect(JSON.stringify(toOriginalTracked([opened()]))).toBe(JSON.stringify(expected));
  });

  it("is the same within a group, and a group without members has null", () => {
    const expected = sample("grouptrackcontainers.2023-12.json").Groups[0]!;
    Object.assign(expected.TrackContainer[0]!.Container, untold);
    const group = create(GroupSchema, { id: "grp3f0c2d5e-7a4b-4c1e-9b6d-0a1b2c3d4e5f" });
    expect(JSON.stringify(toOriginalGroup(group, [opened()]))).toBe(JSON.stringify(expected));
    const empty = sample("grouptrackcontainers.new-group.json").Groups[0];
    expect(JSON.stringify(toOriginalGroup(group, []))).toBe(JSON.stringify(empty));
  });

  it("is an empty list, not null, in a group whose members have left", () => {
    const group = create(GroupSchema, { id: "grp1", emptied: true });
    expect(JSON.stringify(toOriginalGroup(group, []))).toBe('{"ID":"grp1","TrackContainer":[]}');
  });

  it("has the password in the place of the key where there is one, and the VNC of old nodes", () => {
    const shown = toOriginalContainer(
      opened({ sshPassword: "password", sshPublicKey: "", vncPort: 5901, vncPassword: "vncpassword" }),
    ) as Record<string, unknown>;
    expect(Object.keys(shown).slice(0, 3)).toEqual(["SSHUsername", "SSHPassword", "ID"]);
    expect(shown).toMatchObject({ SSHPassword: "password", VNCPort: 5901, VNCPassword: "vncpassword" });
    expect(shown).not.toHaveProperty("SSHPublicKey");
  });

  it("has null for no ports, the GPU as text, and how to log in as far as it is known", () => {
    const { container, access } = opened({ sshCommand: "ssh -p 44269 root@203.0.113.7" });
    Object.assign(container, { ports: [], spec: { gpu: true, baseImage: "" } });
    expect(toOriginalContainer({ container, access })).toMatchObject({
      Ports: { Port: null },
      GPU: "true",
      SSHCommand: "ssh -p 44269 root@203.0.113.7",
    });
  });

  it("is a list all the same when there are none", () => {
    expect(toOriginalTracked([])).toEqual(sample("trackcontainers.empty-list.json"));
  });
});

describe("the id of a container as it is typed", () => {
  it("is refused where a filter or a resource name would read something else", () => {
    expect(requireId("eqLNDEiVeXBBXHRpcpCBtU", "--id")).toBe("eqLNDEiVeXBBXHRpcpCBtU");
    for (const typed of ["", "*", 'a" OR id:*', "a/b", "~0190", "..", "a b", "-rf"])
      expect(() => requireId(typed, "--id")).toThrow(UsageError);
  });
});

describe("the text of a creation that may have come to something", () => {
  it("names the container and the word that closes it", () => {
    const intent = "nodes/203.0.113.7:8088/containers/~0190";
    for (const reason of ["CREATE_OUTCOME_UNKNOWN", "NODE_REFUSED_REQUEST"]) {
      const info = { reason, domain: "client.p2prc", metadata: { intent } };
      const error = new ConnectError("a container may run", Code.Unknown, undefined, [
        { desc: ErrorInfoSchema, value: info },
      ]);
      const { text, exitCode } = failureOf(error);
      expect([text.startsWith(`a container may run (${reason}); `), exitCode]).toEqual([true, 1]);
      expect(text).toContain(`\`p2prc forget ${intent}\``);
    }
  });

  it("says nothing of it where nothing can have come of it", () => {
    const info = { reason: "NODE_REFUSED_REQUEST", domain: "client.p2prc", metadata: { http_status: "404" } };
    const error = new ConnectError("refused", Code.FailedPrecondition, undefined, [
      { desc: ErrorInfoSchema, value: info },
    ]);
    expect(failureOf(error).text).toBe("refused (NODE_REFUSED_REQUEST)");
  });
});

describe("many calls", () => {
  it("are made at most 16 at a time, and answered in the order of the list", async () => {
    let running = 0;
    let most = 0;
    const list = Array.from({ length: 100 }, (_, index) => index);
    const results = await forEachOf(list, async (index) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return index * 2;
    });
    expect([most, results]).toEqual([16, list.map((index) => index * 2)]);
  });

  it("end with the first failure", async () => {
    const fail = () => Promise.reject(new Error("no"));
    await expect(forEachOf([1, 2, 3], fail)).rejects.toThrow("no");
  });
});

import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import {
  checkVariables,
  inventoryHost,
  inventoryText,
  variablesText,
} from "../../../src/plugins/inventory.js";
import { secretHider } from "../../../src/plugins/secrets.js";
import { sshFailure } from "../../../src/plugins/ssh-failures.js";

const access = {
  host: "203.0.113.7",
  sshPort: 44_269,
  sshUsername: "root",
  sshPassword: "",
  sshPublicKey: "",
  sshCommand: "",
  vncPort: 0,
  vncPassword: "",
};
const rest = { alias: "host1", privateKeyPath: "/base/id", knownHostsPath: "/base/known 50%" };

describe("an inventory", () => {
  it("logs in by key where the node told no password, and asks for nothing", () => {
    const text = inventoryText([inventoryHost(access, rest)], "/usr/bin/python3");
    expect(text).toContain('"ansible_ssh_private_key_file": !unsafe "/base/id"');
    expect(text).toContain(`-o 'UserKnownHostsFile=\\"/base/known 50%%\\"'`);
    expect(text).toContain("PreferredAuthentications=publickey");
    expect(text).not.toContain("password");
  });

  it("logs in by password where the node told one", () => {
    const old = { ...access, sshUsername: "master", sshPassword: "{{ trap }}" };
    const text = inventoryText([inventoryHost(old, { ...rest, privateKeyPath: "" })], "auto");
    expect(text).toContain('"ansible_password": !unsafe "{{ trap }}"');
    expect(text).toContain('"ansible_become_password": !unsafe "{{ trap }}"');
    expect(text).not.toContain("private_key");
  });

  it.each([
    ["no port", { sshPort: 0 }],
    ["no user", { sshUsername: "" }],
    ["a user that is an option", { sshUsername: "-oProxyCommand=x" }],
    ["a user that is a template", { sshUsername: "{{ x }}" }],
    ["a user with a NUL", { sshUsername: "root\0" }],
    ["a host that is an option", { host: "-oProxyCommand=x" }],
  ])("is not written for %s", (_, change) => {
    expect(() => inventoryHost({ ...access, ...change }, rest)).toThrow(
      expect.objectContaining({ reason: "SSH_NOT_OFFERED" }),
    );
  });

  it("marks every text as unsafe, in one line of printable characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const text = variablesText(new Map([["word", value]]));
        const [, written] = /\n"word": !unsafe ("[^\n]*")\}\n$/.exec(text) ?? [];
        expect(JSON.parse(written ?? "")).toBe(value);
        expect(written).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff]/);
      }),
    );
  });
});

describe("a variable", () => {
  it.each(["", "1a", "a-b", "a b", "ansible_user", "ANSIBLE_user", "p2prc_user", "a\0", "_a", "__proto__"])(
    "is not called %j",
    (name) => {
      expect(() => checkVariables(new Map([[name, ""]]))).toThrow(
        expect.objectContaining({ reason: "INVALID_VARIABLE", field: "variables" }),
      );
    },
  );

  it("may be called scene_2", () => {
    expect(() => checkVariables(new Map([["scene_2", ""]]))).not.toThrow();
  });
});

describe("a password", () => {
  it("is taken out of what is printed, the longer one first", () => {
    const hide = secretHider(["s3cret", "s3cret-and-more", ""]);
    expect(hide("a s3cret-and-more and a s3cret")).toBe("a [hidden] and a [hidden]");
  });

  it("that every node of 2021 had is an ordinary word", () => {
    expect(secretHider(["password"])("the password is wrong")).toBe("the password is wrong");
  });
});

describe("what ssh says", () => {
  it.each([
    ["@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", false, "HOST_KEY_CHANGED"],
    ["root@203.0.113.7: Permission denied (publickey).", false, "CONTAINER_KEY_NOT_HELD"],
    ["Invalid/incorrect password: Permission denied, please try again.", true, "SSH_PASSWORD_REFUSED"],
    ["connect to host 203.0.113.7 port 44269: Connection refused", false, "SSH_UNREACHABLE"],
    ["", true, "SSH_UNREACHABLE"],
  ])("%j means what it means", (message, isByPassword, reason) => {
    expect(sshFailure(message, isByPassword)).toMatchObject({ reason });
  });
});

import { describe, expect, it } from "@jest/globals";
import { createAddressPolicy } from "../../../src/p2p/address-policy.js";
import { P2pError } from "../../../src/p2p/errors.js";
import { findNode, originOf, readAddress, requireAllowed } from "../../../src/p2p/node-lookup.js";
import { aRecord, tableOf } from "../../support/peers.js";

const at = (host: string, port = 8088) => aRecord({ address: { host, port } });

function errorOf(work: () => unknown): P2pError {
  try {
    work();
  } catch (error) {
    if (error instanceof P2pError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("an address to add", () => {
  it.each([
    ["45.0.0.1:9000", { host: "45.0.0.1", port: 9000 }],
    ["45.0.0.1", { host: "45.0.0.1", port: 8088 }],
    ["[2A00::0:1]:9000", { host: "2a00::1", port: 9000 }],
    ["2a00::1", { host: "2a00::1", port: 8088 }],
    ["Node.Example:9", { host: "node.example", port: 9 }],
  ])("%s is read", (text, address) => {
    expect(readAddress(text, "address")).toEqual(address);
  });

  it.each([
    "",
    "nodes/45.0.0.1:8088",
    "45.0.0.1:0",
    "45.0.0.1:70000",
    "127.1",
    "0.0.0.0",
    "0.0.0.0:8088",
    "[::]:8088",
    "a b",
  ])("%j is refused with the field at fault", (text) => {
    expect(errorOf(() => readAddress(text, "seed_addresses[2]"))).toMatchObject({
      reason: "INVALID_ADDRESS",
      field: "seed_addresses[2]",
    });
  });
});

describe("an address that a caller brings in", () => {
  const policy = createAddressPolicy(["10.1.0.0/16"]);
  const judge = (host: string, caller: "remote" | "operator") => () =>
    requireAllowed({ host, port: 8088 }, "address", caller, policy);

  it.each(["45.0.0.1", "10.1.2.3", "2a00::1"])("may be %s over TCP", (host) => {
    expect(judge(host, "remote")).not.toThrow();
  });

  it.each(["127.0.0.1", "10.2.0.1", "::1", "fe80::1", "node.example", "localhost"])(
    "may not be %s over TCP",
    (host) => {
      expect(errorOf(judge(host, "remote"))).toMatchObject({ reason: "ADDRESS_BLOCKED", field: "address" });
    },
  );

  it.each(["127.0.0.1", "::1", "localhost"])("may be %s for an operator", (host) => {
    expect(judge(host, "operator")).not.toThrow();
  });

  it("makes the row its own", () => {
    expect([originOf("operator"), originOf("remote")]).toEqual(["operator", "peer"]);
  });
});

describe("a node that a caller names", () => {
  const nodes = tableOf(at("45.0.0.1", 9000), at("45.0.0.2"), at("45.0.0.2", 9000), at("2a00::1", 7));

  it.each([
    ["nodes/45.0.0.1:9000", 9000],
    ["45.0.0.1:9000", 9000],
    ["45.0.0.1", 9000],
    ["nodes/45.0.0.1", 9000],
    ["[2A00::1]", 7],
    ["45.0.0.2:8088", 8088],
  ])("%s is found", (text, port) => {
    const { address, record } = findNode(text, nodes, "remote");
    expect([address.port, record?.address]).toEqual([port, address]);
  });

  it("without a port is refused where several rows have its address, with their names", () => {
    const error = errorOf(() => findNode("45.0.0.2", nodes, "operator"));
    expect(error.reason).toBe("INVALID_ADDRESS");
    expect(error.message).toBe("node names several nodes: nodes/45.0.0.2:8088, nodes/45.0.0.2:9000");
  });

  it("is refused with a message that stays short, however many share the address", () => {
    const many = tableOf(...Array.from({ length: 500 }, (_, n) => at("45.0.0.3", n + 1)));
    const error = errorOf(() => findNode("45.0.0.3", many, "remote"));
    expect(error.message).toContain(", and 490 more");
    expect(error.message.length).toBeLessThan(500);
  });

  it("without a port and a row means port 8088, for an operator", () => {
    expect(findNode("45.0.0.9", nodes, "operator")).toEqual({
      address: { host: "45.0.0.9", port: 8088 },
      record: undefined,
    });
  });

  it.each(["45.0.0.9", "45.0.0.1:8088", "node.example", "nodes/127.0.0.1:8088"])(
    "must be in the table over TCP: %s",
    (text) => {
      expect(errorOf(() => findNode(text, nodes, "remote"))).toMatchObject({
        reason: "NODE_NOT_FOUND",
        field: "node",
      });
    },
  );

  it.each(["", "nodes/", "nodes/nodes/45.0.0.1", "45.0.0.1:x", "../etc"])("is not %j", (text) => {
    expect(errorOf(() => findNode(text, nodes, "operator")).reason).toBe("INVALID_ADDRESS");
  });
});

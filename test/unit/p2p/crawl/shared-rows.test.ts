import { describe, expect, it } from "@jest/globals";
import { createAddressPolicy } from "../../../../src/p2p/address-policy.js";
import { buildSharedTable, chooseSharedRows } from "../../../../src/p2p/crawl/shared-rows.js";
import type { PeerRow } from "../../../../src/peer-api/contract.js";
import { aRecord, anAddress, aRow } from "../../../support/peers.js";

const anyone = (): boolean => true;
const active = (n: number, latencyNs: number, overrides: Partial<PeerRow> = {}) =>
  aRecord({
    row: aRow({ address: anAddress(n), ...overrides }),
    state: "ACTIVE",
    measurement: { latencyNs, sampleCount: 3 },
  });
const hosts = (rows: readonly PeerRow[]): string[] => rows.map(({ address }) => address.host);

describe("the rows that nodes are sent", () => {
  it("are those that answered, nearest first, and no more than asked for", () => {
    const records = [active(1, 30), active(2, 10), active(3, 20)];
    expect(hosts(chooseSharedRows(records, 2, anyone))).toEqual([anAddress(2).host, anAddress(3).host]);
    expect(chooseSharedRows(records, 0, anyone)).toEqual([]);
  });

  it("are none of a node that was silent or never asked", () => {
    const records = (["UNREACHABLE", "UNPROBED"] as const).map((state) => ({ ...active(1, 5), state }));
    expect(chooseSharedRows(records, 10, anyone)).toEqual([]);
  });

  it("carry our measurement, and nothing that their owners did not give to us", () => {
    const [row] = chooseSharedRows(
      [
        active(1, 77, {
          publicKey: "k",
          machineUsername: "u",
          customInformation: "c",
          machineName: "n",
          latencyNs: 5,
        }),
      ],
      1,
      anyone,
    );
    expect(row).toMatchObject({
      latencyNs: 77,
      publicKey: "",
      machineUsername: "",
      customInformation: "",
      machineName: "n",
    });
  });

  it("are none that strangers may not learn of: private addresses and names stay with us", async () => {
    const deps = { policy: createAddressPolicy([]), findOwnRow: async () => undefined };
    const sent: PeerRow[][] = [];
    const buildTableForm = (rows: readonly PeerRow[]) => {
      sent.push([...rows]);
      return { contentType: "", body: Buffer.alloc(0) };
    };
    const at = (host: string) => active(1, 5, { address: { host, port: 1 } });
    const records = [at("10.0.0.1"), at("node.example"), at("45.0.0.1"), at("::1")];
    await buildSharedTable(records, 10, "", { ...deps, buildTableForm });
    expect(hosts(sent[0]!)).toEqual(["45.0.0.1"]);
  });

  it("are followed by our own, where others can reach us, and go without it if that cannot be told", async () => {
    const policy = createAddressPolicy([]);
    const buildTableForm = (rows: readonly PeerRow[]) => ({
      contentType: hosts(rows).join(),
      body: Buffer.alloc(0),
    });
    const ownRow = aRow({ address: { host: "45.9.9.9", port: 8088 } });
    const build = async (findOwnRow: (ip: string) => Promise<PeerRow | undefined>) =>
      (await buildSharedTable([active(1, 5)], 1, "45.9.9.9", { policy, buildTableForm, findOwnRow }))
        .contentType;
    expect(await build(async (ip) => (ip === "45.9.9.9" ? ownRow : undefined))).toBe("45.0.0.1,45.9.9.9");
    expect(await build(async () => Promise.reject(new Error("no")))).toBe("45.0.0.1");
  });
});

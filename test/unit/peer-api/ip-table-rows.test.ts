import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { canonicalIp } from "../../../src/peer-api/address.js";
import type { PeerRow } from "../../../src/peer-api/contract.js";
import { bareRow, knownKeys, readRow, spelledTexts, toWireRow } from "../../../src/peer-api/ip-table-rows.js";
import { aRow } from "../../support/peers.js";

const samples = new URL("../../fixtures/samples/", import.meta.url);
const tableSamples = readdirSync(samples).filter((name) => name.startsWith("ip-table."));
const rowsOf = (name: string): unknown[] =>
  (JSON.parse(readFileSync(new URL(name, samples), "utf8")) as { ip_address: unknown[] | null }).ip_address ??
  [];

/** Reads a row that must be one. */
function read(value: Record<string, unknown>, options = {}): PeerRow {
  const row = readRow(value, options);
  if (typeof row === "string") throw new Error(`refused as ${row}`);
  return row;
}
const at = (overrides: Record<string, unknown>): Record<string, unknown> => ({
  IPV4: "45.0.0.1",
  ...overrides,
});

describe("the rows of every version's table", () => {
  it("are all there as samples", () => {
    expect(tableSamples).toHaveLength(13);
  });

  it.each(tableSamples.filter((name) => !name.includes("null")))("%s: both nodes are read alike", (name) => {
    const [first, second] = rowsOf(name).map((row) => read(row as Record<string, unknown>));
    const hasPort = !["2021-03", "2021-06"].some((date) => name.includes(date));
    expect(first!.address).toEqual({ host: "203.0.113.7", port: 8088 });
    expect(second!.address).toEqual({ host: "198.51.100.23", port: hasPort ? 40733 : 8088 });
    expect(first!.downloadMbps).toBe(738.25);
    expect(first!.uploadMbps).toBe(1715.5);
    expect(first!.nat).toBe(false);
    expect([first!.machineName, second!.machineName]).toEqual(
      name.includes("2021") ? ["", ""] : ["Node1", "render-box-a1B2c3D"],
    );
    if (!name.includes("2021-03-20")) expect(first!.latencyNs).toBe(145_800_903);
  });

  it("carry latencies without meaning in the first version, which are read as not measured", () => {
    const rows = rowsOf("ip-table.2021-03-20.json").map((row) => row as Record<string, unknown>);
    expect(rows.map((row) => row["latency"])).toEqual([3, 12.5]);
    expect(rows.map((row) => read(row).latencyNs)).toEqual([0, 0]);
    expect([999, 999.4, 1_000].map((latency) => read(at({ Latency: latency })).latencyNs)).toEqual([
      0, 0, 1_000,
    ]);
  });

  it("tell a proxy server by text in 2024 and by a boolean in 2025", () => {
    const told = (name: string): boolean[] =>
      rowsOf(name).map((row) => read(row as Record<string, unknown>).proxyServer);
    expect(told("ip-table.2024-08.json")).toEqual([true, false]);
    expect(told("ip-table.2025-04.json")).toEqual([true, false]);
    expect(told("ip-table.2023-12.json")).toEqual([false, false]);
  });

  it("carry custom information as null, as base64 for half of 2023, and as text since", () => {
    const told = (name: string): string => read(rowsOf(name)[1] as Record<string, unknown>).customInformation;
    expect(told("ip-table.2023-01-24.json")).toBe("");
    expect(told("ip-table.2023-03.json")).toBe("role=render");
    expect(told("ip-table.2023-12.json")).toBe("role=render");
    expect(told("ip-table.2026-01.json")).toBe("role=render");
    expect(read(rowsOf("ip-table.2023-03.json")[0] as Record<string, unknown>).customInformation).toBe("");
  });

  it("carry a public key, ports and unsafe mode where today's nodes write them", () => {
    const row = read(rowsOf("ip-table.2026-01.json")[1] as Record<string, unknown>);
    expect(row).toMatchObject({ bareMetalSshPort: 40734, unsafeMode: true, machineUsername: "user" });
    expect(row.publicKey).toBe("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==");
  });

  it("ignore proxyport of 2022, which is nobody's address", () => {
    const row = read({ ipv4: "45.0.0.1", ipv6: "", latency: 5, serverport: "8081", proxyport: "40000" });
    expect(row.address).toEqual({ host: "45.0.0.1", port: 8081 });
    expect(JSON.stringify(row)).not.toContain("40000");
  });
});

describe("the address of a row", () => {
  it.each([
    [undefined, 8088],
    ["", 8088],
    [null, 8088],
    ["8081", 8081],
    [8081, 8081],
    ["65535", 65_535],
    ["1", 1],
  ])("takes port %j as %d", (value, port) => {
    expect(read(at({ ServerPort: value })).address.port).toBe(port);
  });

  it.each([
    0,
    "0",
    70_000,
    "70000",
    -1,
    "-1",
    80.5,
    "80.5",
    "abc",
    "8088 ",
    " ",
    "0x50",
    true,
    {},
    [],
    1e21,
    "１２",
  ])("refuses port %j", (value) => {
    expect(readRow(at({ ServerPort: value }))).toBe("INVALID_PORT");
  });

  it.each([
    [{ IPV4: "45.0.0.1", IPV6: "2a00::1" }, "45.0.0.1"],
    [{ IPV4: "", IPV6: "2A00:0::0:1" }, "2a00::1"],
    [{ IPV6: "2a00::1" }, "2a00::1"],
    [{ IPV4: null, IPV6: "2a00::1" }, "2a00::1"],
    [{ IPV4: 7, IPV6: "2a00::1" }, "2a00::1"],
    [{ IPV4: "", IPV6: "::ffff:45.0.0.1" }, "45.0.0.1"],
    [{ IPV4: "::ffff:2d00:1" }, "45.0.0.1"],
  ])("of %j is %s", (value, host) => {
    expect(read(value).address).toEqual({ host, port: 8088 });
  });

  it.each([
    {},
    { IPV4: "" },
    { IPV4: null, IPV6: null },
    { IPV4: 757_071_873 },
    { IPV4: "127.1" },
    { IPV4: "0x2d.0.0.1" },
    { IPV4: "055.0.0.1" },
    { IPV4: "45.0.0.1:8088" },
    { IPV4: "[2a00::1]" },
    { IPV4: "fe80::1%eth0" },
    { IPV4: "node.example" },
    { IPV4: "http://45.0.0.1" },
    { IPV4: " 45.0.0.1" },
    { IPV4: "45.0.0.1\u0000" },
    { IPV4: ["45.0.0.1"] },
    // The text that is there counts; another address behind it does not rescue it.
    { IPV4: "nonsense", IPV6: "2a00::1" },
  ])("of %j is none", (value) => {
    expect(readRow(value)).toBe("INVALID_ADDRESS");
  });

  it.each([{ IPV4: "0.0.0.0" }, { IPV6: "::" }, { IPV6: "0:0::0" }, { IPV4: "::ffff:0.0.0.0" }])(
    "is unspecified in %j: nobody to contact, and no sign of hostility",
    (value) => {
      expect(readRow(value)).toBe("UNSPECIFIED_ADDRESS");
    },
  );

  it("may be a name only in our own table", () => {
    expect(read({ IPV4: "Node.Example." }, { allowNames: true }).address).toEqual({
      host: "node.example",
      port: 8088,
    });
    expect(readRow({ IPV4: "Node.Example." })).toBe("INVALID_ADDRESS");
  });

  it.each([null, undefined, 1, "x", true, [], [{}]])("is not looked for in %j, which is no row", (value) => {
    expect(readRow(value)).toBe("NOT_A_ROW");
  });
});

describe("the keys of a row", () => {
  it("are read in any case", () => {
    const row = read({
      iPv4: "45.0.0.1",
      SERVERPORT: "9000",
      name: "a",
      unsafemode: true,
      udpserverport: "7",
    });
    expect(row).toMatchObject({ machineName: "a", unsafeMode: true, udpServerPort: 7 });
    expect(row.address.port).toBe(9000);
  });

  it("count in their exact spelling before any other, whatever their order", () => {
    expect(read({ name: "folded", IPV4: "45.0.0.1", Name: "exact" }).machineName).toBe("exact");
    expect(read({ Name: "exact", IPV4: "45.0.0.1", NAME: "folded" }).machineName).toBe("exact");
    expect(read({ ipv4: "45.0.0.9", IPV4: "45.0.0.1" }).address.host).toBe("45.0.0.1");
  });

  it("reach neither a prototype nor the row when they are __proto__ or constructor", () => {
    const text =
      '{"IPV4":"45.0.0.1","__proto__":{"nat":true,"x":1},"constructor":{"prototype":{"y":1}},"toString":1}';
    const row = read(JSON.parse(text) as Record<string, unknown>);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(row).toEqual(aRow({ address: { host: "45.0.0.1", port: 8088 } }));
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
    expect(({} as Record<string, unknown>)["y"]).toBeUndefined();
  });

  it("are not looked up in a prototype", () => {
    expect(
      read(Object.setPrototypeOf(at({}), { Name: "inherited" }) as Record<string, unknown>).machineName,
    ).toBe("");
  });

  it("that are unknown are dropped", () => {
    expect(Object.keys(read(at({ Secret: "s" })))).toHaveLength(Object.keys(bareRow(aRow().address)).length);
  });
});

describe("the fields of a row", () => {
  it.each([
    [true, true],
    ["True", true],
    ["true", true],
    ["TRUE", true],
    [false, false],
    ["False", false],
    ["", false],
    ["0", false],
    ["1", false],
    ["yes", false],
    [1, false],
    [null, false],
    [{}, false],
    [undefined, false],
  ])("read the flag %j as %j", (value, flag) => {
    expect(read(at({ NAT: value, ProxyServer: value, UnSafeMode: value }))).toMatchObject({
      nat: flag,
      proxyServer: flag,
      unsafeMode: flag,
    });
  });

  it.each([
    ["", 0],
    ["22", 22],
    [22, 22],
    ["0", 0],
    [70_000, 0],
    ["abc", 0],
    [null, 0],
    [{}, 0],
  ])("read the side port %j as %d and keep the row", (value, port) => {
    expect(read(at({ UDPServerPort: value, BareMetalSSHPort: value }))).toMatchObject({
      udpServerPort: port,
      bareMetalSshPort: port,
    });
  });

  it.each([
    [145_800_903, 145_800_903],
    [12_345.5, 12_346],
    [12.5, 0],
    [0, 0],
    [-5, 0],
    [1e300, 3.6e12],
    ["145", 0],
    [null, 0],
    [{}, 0],
  ])("read the latency %j as %d ns", (value, latencyNs) => {
    expect(read(at({ Latency: value })).latencyNs).toBe(latencyNs);
  });

  it.each([5, null, true, {}, ["a"]])("of the wrong type are skipped, the rest is kept: %j", (wrong) => {
    const texts = { Name: wrong, MachineUsername: wrong, PublicKey: wrong, CustomInformation: wrong };
    expect(read(at({ ...texts, EscapeImplementation: "FRP" }))).toEqual(
      aRow({ address: { host: "45.0.0.1", port: 8088 }, escapeImplementation: "FRP" }),
    );
  });

  it("are cut: a name to 128 characters, a key to 8,192, other texts to 256", () => {
    const long = "x".repeat(100_000);
    const row = read(
      at({ Name: long, PublicKey: long, CustomInformation: long, EscapeImplementation: long }),
    );
    expect(
      [row.machineName, row.publicKey, row.customInformation, row.escapeImplementation].map((t) => t.length),
    ).toEqual([128, 8192, 256, 256]);
  });
});

describe("custom information", () => {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");

  it("is decoded in rows of Go's key names without BareMetalSSHPort, and in no other", () => {
    const value = base64("role=render");
    expect(read(at({ CustomInformation: value })).customInformation).toBe("role=render");
    expect(read({ ipv4: "45.0.0.1", custominformation: value }).customInformation).toBe(value);
    expect(read(at({ CustomInformation: value, BareMetalSSHPort: "" })).customInformation).toBe(value);
    expect(read(at({ CustomInformation: value, BareMetalSSHPort: null })).customInformation).toBe(value);
  });

  it.each(["role=render", "test", "abc", "a b c d", "dGVzdA", "dGVzdA==x", "/+//", "===="])(
    "that is not base64 of text stays as it is: %s",
    (text) => {
      expect(read(at({ CustomInformation: text })).customInformation).toBe(text);
    },
  );

  it("is decoded before it is cut", () => {
    expect(read(at({ CustomInformation: base64("é".repeat(1000)) })).customInformation).toBe("é".repeat(256));
  });

  it("is cleaned after it is decoded", () => {
    expect(read(at({ CustomInformation: base64("a\u001b[2Jb") })).customInformation).toBe("a[2Jb");
  });
});

describe("a row on the wire", () => {
  it("has today's 16 keys in their order", () => {
    expect(Object.keys(toWireRow(aRow()))).toEqual(
      Object.keys(rowsOf("ip-table.2026-01.json")[0] as Record<string, unknown>),
    );
    expect(knownKeys.size).toBe(16);
  });

  it("spells ports as text, and one that is not told as no text", () => {
    expect(toWireRow(aRow({ udpServerPort: 9 }))).toMatchObject({
      ServerPort: "8088",
      UDPServerPort: "9",
      BareMetalSSHPort: "",
    });
  });

  it("carries a name that an operator typed, also beside an IPv6 address", () => {
    const address = { host: "node.example", port: 9 };
    expect(toWireRow(aRow({ address }))).toMatchObject({ IPV4: "node.example" });
    const both = aRow({ address, ipv6: "2a00::1" });
    expect(readRow(toWireRow(both), { allowNames: true })).toEqual(both);
  });

  const address = fc.record({
    host: fc.oneof(
      fc.ipV4().filter((ip) => ip !== "0.0.0.0"),
      fc
        .ipV6()
        .map((ip) => canonicalIp(ip)!)
        .filter((ip) => ip !== "::" && ip !== "0.0.0.0"),
      fc.constantFrom("node.example", "localhost"),
    ),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  const plain = (maxLength: number): fc.Arbitrary<string> =>
    fc.stringMatching(/^[ -~À-ɏ]*$/).map((text) => text.slice(0, maxLength));
  const port = fc.integer({ min: 0, max: 65_535 });
  const speed = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0);
  const anyRow = address.chain((where) =>
    fc.record({
      address: fc.constant(where),
      machineName: plain(128),
      machineUsername: plain(128),
      ipv4: fc.constant(bareRow(where).ipv4),
      ipv6: fc.oneof(
        fc.constant(bareRow(where).ipv6),
        fc.constant(where.host.includes(":") ? where.host : "2a00::1"),
      ),
      udpServerPort: port,
      bareMetalSshPort: port,
      nat: fc.boolean(),
      escapeImplementation: plain(256),
      proxyServer: fc.boolean(),
      unsafeMode: fc.boolean(),
      publicKey: plain(8192),
      customInformation: plain(256),
      latencyNs: fc.oneof(fc.constant(0), fc.integer({ min: 1_000, max: 3.6e12 })),
      downloadMbps: speed,
      uploadMbps: speed,
    } satisfies { [K in keyof PeerRow]: fc.Arbitrary<PeerRow[K]> }),
  );

  it("is read back as the row it was made from", () => {
    fc.assert(
      fc.property(anyRow, (row) => {
        expect(readRow(JSON.parse(JSON.stringify(toWireRow(row))), { allowNames: true })).toEqual(row);
      }),
    );
  });

  it("settles after one reading: whatever was read is written so that the next reading agrees", () => {
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "True", "8088", "2a00::1", "45.0.0.1"),
    );
    const anyValue = fc.oneof(anyText, fc.double(), fc.boolean(), fc.constant(null));
    const anyKey = fc.constantFrom(
      ...Object.keys(toWireRow(aRow())).flatMap((key) => [key, key.toLowerCase()]),
    );
    fc.assert(
      fc.property(fc.dictionary(anyKey, anyValue), (value) => {
        const row = readRow(value, { allowNames: true });
        fc.pre(typeof row !== "string");
        expect(readRow(toWireRow(row), { allowNames: true })).toEqual(row);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("the spelling of a row that stands in a file", () => {
  it("is kept where only our cleaning tells the texts apart", () => {
    const standing = at({ name: "a\u0007b", PublicKey: "ssh-rsa AAAA\n" });
    expect(spelledTexts(read(standing), standing)).toEqual({ Name: "a\u0007b", PublicKey: "ssh-rsa AAAA\n" });
  });

  it("gives way to a text that has changed since", () => {
    const standing = at({ Name: "old" });
    expect(spelledTexts({ ...read(standing), machineName: "new" }, standing)).toEqual({});
  });

  it("gives way for base64 of 2023, which in today's row would be read as it stands", () => {
    const standing = rowsOf("ip-table.2023-03.json")[1] as Record<string, unknown>;
    expect(spelledTexts(read(standing), standing)).not.toHaveProperty("CustomInformation");
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { dialectNames, dialects, encodeTable, tellsIpv6, tellsPort } from "../../src/devnet/dialects.js";
import type { Dialect, DialectName, PeerRecord } from "../../src/devnet/dialects.js";
import { goJson } from "../../src/devnet/go-json.js";
import { encodeImages, encodeSpecs, type Machine } from "../../src/devnet/machine.js";

type Row = Record<string, unknown>;
interface Table {
  ip_address: Row[] | null;
}

const sampleText = (name: string): string =>
  readFileSync(new URL(`../fixtures/samples/${name}`, import.meta.url), "utf8");
const sampleTable = (name: string): Table => JSON.parse(sampleText(name)) as Table;

/** The two peers of the samples, as a node knows them. */
const first: PeerRecord = {
  name: "Node1",
  machineUsername: "",
  ipv4: "203.0.113.7",
  ipv6: "",
  latencyNs: 145_800_903,
  downloadMbps: 738.25,
  uploadMbps: 1715.5,
  serverPort: 8088,
  bareMetalSshPort: "",
  nat: false,
  escapeImplementation: "None",
  isProxy: true,
  isUnsafe: false,
  publicKey: "",
  customInformation: "",
};
const second: PeerRecord = {
  ...first,
  name: "render-box-a1B2c3D",
  machineUsername: "user",
  ipv4: "198.51.100.23",
  latencyNs: 9_320_246,
  downloadMbps: 0,
  uploadMbps: 0,
  serverPort: 40733,
  bareMetalSshPort: "40734",
  escapeImplementation: "FRP",
  isProxy: false,
  isUnsafe: true,
  publicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==\n",
  customInformation: "role=render",
};

const spell = (name: DialectName, peers: readonly PeerRecord[]): Row[] =>
  (JSON.parse(encodeTable(dialects[name], peers)) as Table).ip_address!;

const withSample = dialectNames.filter((name) => !["2022-12", "2023-09", "foreign"].includes(name));

describe("the dialects of the devnet's tables", () => {
  it.each(withSample)("spell %s with the keys, the order and the types of the sample", (name) => {
    const sample = sampleTable(`ip-table.${name}.json`).ip_address!;
    for (const [index, row] of spell(name, [first, second]).entries()) {
      const types = Object.entries(row).map(([key, value]) => [key, value === null ? "null" : typeof value]);
      expect(types).toEqual(
        Object.entries(sample[index]!).map(([key, value]) => [key, value === null ? "null" : typeof value]),
      );
    }
  });

  it.each(withSample.filter((name) => name >= "2021-03-21" && name !== "2023-01-17"))(
    "emit the sample of %s byte for byte, without its indent",
    (name) => {
      const sample = sampleTable(`ip-table.${name}.json`);
      expect(encodeTable(dialects[name], [first, second])).toBe(goJson(sample));
    },
  );

  it("spell 2022-12, which has no sample, with a proxy port behind the server's port", () => {
    expect(Object.keys(spell("2022-12", [first])[0]!)).toEqual([
      "ipv4",
      "ipv6",
      "latency",
      "download",
      "upload",
      "serverport",
      "proxyport",
    ]);
    expect(spell("2022-12", [first])[0]).toMatchObject({ serverport: "8088", proxyport: "" });
  });

  it("spell 2023-09, which has no sample, like 2023-03 with custom information as plain text", () => {
    const keysOf = (name: DialectName): string[] => Object.keys(spell(name, [second])[0]!);
    expect(keysOf("2023-09")).toEqual(keysOf("2023-03"));
    expect(spell("2023-09", [first, second]).map((row) => row["CustomInformation"])).toEqual([
      "",
      "role=render",
    ]);
  });

  it.each(dialectNames)("%s writes a table without rows as null", (name) => {
    const dialect: Dialect = dialects[name];
    expect(JSON.parse(encodeTable(dialect, []))).toEqual(JSON.parse(sampleText("ip-table.null.json")));
  });

  it("know which of them tell a port and an IPv6 address", () => {
    expect(dialectNames.filter((name) => !tellsPort(name))).toEqual(["2021-03-20", "2021-03-21", "2021-06"]);
    expect(dialectNames.filter((name) => !tellsIpv6(name))).toEqual(["2021-03-20", "2021-03-21"]);
  });
});

describe("what the devnet's machines tell", () => {
  const machine: Machine = {
    name: "render-box",
    platform: "ubuntu",
    cpu: "AMD EPYC 7543P 32-Core Processor",
    memoryMib: 64216,
    diskMib: 468417,
    gpu: null,
    images: [
      ["docker-ubuntu-sshd", "Plain Ubuntu with an SSH server\n"],
      ["horovod-cpu", "CPU training image\n"],
    ],
  };

  it("is the sample of 2021-02, without a GPU key", () => {
    expect(encodeSpecs(machine, dialects["2021-03-20"])).toBe(sampleText("server-info.2021-02.json").trim());
  });

  it("is the sample of 2021-04, with GPU null", () => {
    expect(encodeSpecs(machine, dialects["2021-06"])).toBe(
      sampleText("server-info.2021-04.nogpu.json").trim(),
    );
  });

  it("is the sample of 2026, with the GPU's report", () => {
    const specs = encodeSpecs({ ...machine, gpu: "NVIDIA RTX A4000" }, dialects["2026-01"]);
    expect(specs).toBe(sampleText("server-info.2026.json").trim());
  });

  it("lists images as the sample does, and none as null", () => {
    expect(encodeImages(machine)).toBe(sampleText("show-images.2021-06.json").trim());
    expect(encodeImages({ ...machine, images: [] })).toBe(
      sampleText("show-images.2021-06.empty.json").trim(),
    );
  });

  it("escapes what is unsafe in HTML, as Go does", () => {
    expect(goJson({ text: "<&>\u2028" })).toBe(String.raw`{"text":"\u003c\u0026\u003e\u2028"}`);
  });
});

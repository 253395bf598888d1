import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { PeerError } from "../../../src/peer-api/errors.js";
import { parseImages } from "../../../src/peer-api/images-reply.js";
import { maxImages, maxTableRows, maxTableValues } from "../../../src/peer-api/limits.js";
import { measure } from "../../../src/peer-api/probe.js";
import { parseSpecs } from "../../../src/peer-api/specs-reply.js";
import { parseTable } from "../../../src/peer-api/table-reply.js";

const sample = (name: string): Buffer =>
  readFileSync(new URL(`../../fixtures/samples/${name}`, import.meta.url));
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const asJson = "application/json; charset=utf-8";

/** The failure of a reading that must fail. */
function failureOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof PeerError) return error.failure;
    throw error;
  }
  throw new Error("nothing failed");
}

const noJson: [string, Buffer][] = [
  ["nothing", Buffer.alloc(0)],
  ["white space", Buffer.from("  \n")],
  ["HTML", Buffer.from("<html>")],
  ["a cut object", Buffer.from('{"Hostname":"a"')],
  ["two objects", Buffer.from("{}{}")],
  ["an object after text", Buffer.from('error: x{"Hostname":"a","Platform":"b"}')],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ["a list", Buffer.from("[]")],
  ["null", Buffer.from("null")],
  ["a number", Buffer.from("7")],
  ["a text", Buffer.from('"x"')],
  ["100,000 open lists", Buffer.from("[".repeat(100_000))],
  ["100,000 open objects", Buffer.from('{"a":'.repeat(100_000))],
];

describe("a node's specs", () => {
  it("are read from 2021, when nobody told of GPUs", () => {
    expect(parseSpecs(sample("server-info.2021-02.json"))).toEqual({
      hostname: "render-box",
      platform: "ubuntu",
      cpuModel: "AMD EPYC 7543P 32-Core Processor",
      memoryMib: 64_216,
      diskMib: 468_417,
      gpus: [],
    });
  });

  it("tell of no GPU with null", () => {
    expect(parseSpecs(sample("server-info.2021-04.nogpu.json")).gpus).toEqual([]);
  });

  it("tell of a GPU with numbers in texts with units", () => {
    expect(parseSpecs(sample("server-info.2026.json")).gpus).toEqual([
      {
        model: "NVIDIA RTX A4000",
        driverVersion: "535.183.01",
        biosVersion: "94.04.57.00.05",
        fanSpeedPercent: 41,
        utilizationPercent: 7,
        memoryUtilizationPercent: 3,
        temperatureCelsius: 38,
        clockMhz: 210,
        memoryClockMhz: 405,
      },
    ]);
  });

  it("leave out what a GPU does not tell, or not as a number", () => {
    const GPU = {
      Gpu: {
        GpuName: "A",
        FanSpeed: "[N/A]",
        Temperature: null,
        Clock: { GpuClock: "1e9", GpuMemClock: "99999999999 MHz" },
      },
    };
    expect(parseSpecs(json({ Hostname: "a", Platform: "b", GPU })).gpus).toEqual([
      { model: "A", driverVersion: "", biosVersion: "", clockMhz: 1 },
    ]);
  });

  it.each([null, "x", 5, [], {}, { Gpu: null }, { Gpu: [] }, { Gpu: "x" }])("have no GPU in %j", (GPU) => {
    expect(parseSpecs(json({ Hostname: "a", Platform: "b", GPU })).gpus).toEqual([]);
  });

  it.each([-1, 1.5, "64216", null, {}, 1e300, Number.MAX_SAFE_INTEGER + 1])(
    "take memory %j as not told",
    (RAM) => {
      expect(parseSpecs(json({ Hostname: "a", Platform: "b", RAM, Disk: 5 }))).toMatchObject({
        memoryMib: 0,
        diskMib: 5,
      });
    },
  );

  it("are clean and bounded, whatever a node writes", () => {
    const specs = parseSpecs(
      json({ hostname: `\u001b[31m${"x".repeat(10_000)}`, PLATFORM: "a\u202eb", CPU: 5 }),
    );
    expect(specs.hostname).toBe(`[31m${"x".repeat(252)}`);
    expect(specs).toMatchObject({ platform: "ab", cpuModel: "" });
  });

  it.each(noJson)("are not those of a node in %s", (_, body) => {
    expect(failureOf(() => parseSpecs(body))).toBe("BAD_BODY");
  });

  it.each([
    {},
    { Hostname: "a" },
    { Platform: "b" },
    { Hostname: 5, Platform: "b" },
    { Hostname: null, Platform: null },
  ])("are not those of a node without its name and platform: %j", (value) => {
    expect(failureOf(() => parseSpecs(json(value)))).toBe("BAD_BODY");
  });
});

describe("a node's images", () => {
  it("are read with their descriptions, without the line end", () => {
    expect(parseImages(sample("show-images.2021-06.json"))).toEqual([
      { name: "docker-ubuntu-sshd", description: "Plain Ubuntu with an SSH server" },
      { name: "horovod-cpu", description: "CPU training image" },
    ]);
  });

  it("are none with null", () => {
    expect(parseImages(sample("show-images.2021-06.empty.json"))).toEqual([]);
  });

  it("skip entries that are none, and stop at a thousand and some", () => {
    const list = [null, 5, "x", [], ...Array.from({ length: 2_000 }, () => ({ DockerContainerName: "a" }))];
    expect(parseImages(json({ DockerContainer: list }))).toHaveLength(maxImages - 4);
  });

  it.each([...noJson, ["no list", json({ DockerContainer: {} })], ["no key", json({ x: 1 })]] as [
    string,
    Buffer,
  ][])("are not read from %s", (_, body) => {
    expect(failureOf(() => parseImages(body))).toBe("BAD_BODY");
  });
});

describe("a node's table", () => {
  interface ErrorBody {
    readonly route: string;
    readonly case: string;
    readonly status: number;
    readonly contentType: string | null;
    readonly body: string;
  }
  const ofTable = (JSON.parse(sample("error-bodies.json").toString()) as ErrorBody[]).filter(
    ({ route }) => route === "POST /IpTable",
  );
  const errors = ofTable.filter(({ contentType }) => contentType?.startsWith("text/plain"));

  it("comes as an error text with status 200 in three known cases", () => {
    expect(errors).toHaveLength(3);
  });

  it.each(errors.map((entry) => [entry.case, entry] as const))(
    "is not there: %s",
    (_, { body, contentType }) => {
      expect(failureOf(() => parseTable(Buffer.from(body), contentType ?? "", 1))).toBe("BAD_BODY");
    },
  );

  it("comes all the same when the node ignored what it was sent", () => {
    const entry = ofTable.find(({ contentType }) => contentType?.startsWith("application/json"))!;
    expect(parseTable(Buffer.from(entry.body), asJson, 3)).toMatchObject({ entryCount: 1, elapsedMs: 3 });
  });

  it("is taken from a server that calls its JSON text", () => {
    expect(parseTable(json({ ip_address: [{ IPV4: "45.0.0.1" }] }), "text/plain", 1).rows).toHaveLength(1);
  });

  it.each([
    ["null", sample("ip-table.null.json")],
    ["an empty list", json({ ip_address: [] })],
    ["an empty object", json({})],
    ["a folded key", json({ IP_Address: null })],
  ])("is empty with %s", (_, body) => {
    expect(parseTable(body, asJson, 1)).toMatchObject({ rows: [], entryCount: 0, bodyBytes: body.length });
  });

  it.each([
    ...noJson,
    ["no list", json({ ip_address: "x" })],
    ["an object for a list", json({ ip_address: {} })],
    ["another object", json({ Hostname: "a" })],
  ] as [string, Buffer][])("is not %s", (_, body) => {
    expect(failureOf(() => parseTable(body, asJson, 1))).toBe("BAD_BODY");
  });

  it("counts each row left out under its reason", () => {
    const rows = [
      { IPV4: "45.0.0.1" },
      { IPV4: "45.0.0.1", ServerPort: "8088" },
      { IPV6: "::ffff:45.0.0.1", ServerPort: 8088 },
      { IPV4: "45.0.0.1", ServerPort: "8089" },
      null,
      { IPV4: "x" },
      { IPV4: "45.0.0.2", ServerPort: "x" },
      { IPV4: "0.0.0.0" },
    ];
    const reply = parseTable(json({ ip_address: rows }), asJson, 1);
    expect(reply.rows.map(({ address }) => address.port)).toEqual([8088, 8089]);
    expect(reply.entryCount).toBe(8);
    expect(Object.fromEntries(reply.rejected)).toEqual({
      DUPLICATE: 2,
      NOT_A_ROW: 1,
      INVALID_ADDRESS: 1,
      INVALID_PORT: 1,
      UNSPECIFIED_ADDRESS: 1,
    });
  });

  it("keeps the first of several rows about one node", () => {
    const rows = ["first", "second"].map((Name) => ({ Name, IPV4: "45.0.0.1" }));
    expect(parseTable(json({ ip_address: rows }), asJson, 1).rows.map((row) => row.machineName)).toEqual([
      "first",
    ]);
  });

  it("is read to its 4,096th row, and the rest counted", () => {
    const rows = Array.from({ length: maxTableRows + 7 }, (_, n) => ({ IPV4: `45.0.${n >> 8}.${n & 255}` }));
    const whole = parseTable(json({ ip_address: rows.slice(0, maxTableRows) }), asJson, 1);
    expect([whole.rows.length, whole.rejected.size]).toEqual([4_096, 0]);
    const cut = parseTable(json({ ip_address: rows }), asJson, 1);
    expect([cut.rows.length, cut.entryCount, cut.rejected.get("TOO_MANY_ROWS")]).toEqual([4_096, 4_103, 7]);
  });

  it("is refused when its rows hold more values than any table needs", () => {
    const deep = { IPV4: "45.0.0.1", Extra: Array.from({ length: maxTableValues }, () => ({})) };
    expect(failureOf(() => parseTable(json({ ip_address: [deep] }), asJson, 1))).toBe("TOO_LARGE");
  });
});

describe("the measurement of round trips", () => {
  it.each([
    [[3_000, 1_000, 2_000], { latencyNs: 500, jitterNs: 2_000, sampleCount: 3 }],
    [[1_000, 1_000], { latencyNs: 500, jitterNs: 0, sampleCount: 2 }],
    [[7], { latencyNs: 4, sampleCount: 1 }],
    [[1], { latencyNs: 1, sampleCount: 1 }],
  ])("of %j: half of the best, and the spread", (samples, measured) => {
    expect(measure(samples)).toEqual(measured);
  });
});

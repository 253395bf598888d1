import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { openBars } from "../../src/cli/crawl-bars.js";
import { openLines } from "../../src/cli/crawl-lines.js";
import { NoGatewayError, UsageError } from "../../src/cli/errors.js";
import { requireValidated } from "../../src/cli/follow-crawl.js";
import { failureOf } from "../../src/cli/failure-text.js";
import { formatMs, msOf, readDuration, readWhole } from "../../src/cli/measures.js";
import { toOriginalImages, toOriginalSpecs, toOriginalTable } from "../../src/cli/original-shapes.js";
import { printJson, printJsonLine } from "../../src/cli/print-json.js";
import { printNodes, printSpecs } from "../../src/cli/print-table.js";
import { BadRequestSchema, ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import {
  CrawlCompleted_EndReason,
  CrawlCompletedSchema,
  FailureReason,
  NodeFailed_Step,
  type UpdateIpTableResponse,
  UpdateIpTableResponseSchema,
} from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { ImageSchema } from "../../src/gen/p2prc/client/v1/node_info_pb.js";
import { type Node, Node_State, NodeSchema, SpecsSchema } from "../../src/gen/p2prc/client/v1/node_pb.js";
import { WrittenOutput } from "../support/cli.js";

const sample = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../fixtures/samples/${name}`, import.meta.url), "utf8"));
const latency = (ms: number) => ({ latency: { seconds: 0n, nanos: ms * 1e6 } });
const aNode = (init: MessageInitShape<typeof NodeSchema>): Node =>
  create(NodeSchema, { name: "nodes/203.0.113.7:8088", ipv4: "203.0.113.7", serverPort: 8088, ...init });

describe("the original's JSON", () => {
  const gpu = {
    model: "NVIDIA RTX A4000",
    driverVersion: "535.183.01",
    biosVersion: "94.04.57.00.05",
    fanSpeedPercent: 41,
    utilizationPercent: 7,
    memoryUtilizationPercent: 3,
    temperatureCelsius: 38,
    clockMhz: 210,
    memoryClockMhz: 405,
  };
  const specs = {
    hostname: "render-box",
    platform: "ubuntu",
    cpuModel: "AMD EPYC 7543P 32-Core Processor",
    memoryMib: 64216n,
    diskMib: 468417n,
  };

  it("prints the table with today's 16 keys in their order", () => {
    const nodes = [
      aNode({
        machineName: "Node1",
        measurement: { latency: { seconds: 0n, nanos: 145_800_903 } },
        escapeImplementation: "None",
        proxyServer: true,
      }),
      aNode({
        name: "nodes/198.51.100.23:40733",
        ipv4: "198.51.100.23",
        serverPort: 40733,
        bareMetalSshPort: 40734,
        machineName: "render-box-a1B2c3D",
        machineUsername: "user",
        measurement: { latency: { seconds: 0n, nanos: 9_320_246 } },
        escapeImplementation: "FRP",
        unsafeMode: true,
        publicKey: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDexample+sample/key==\n",
        customInformation: "role=render",
      }),
    ];
    const expected = sample("ip-table.2026-01.json") as {
      ip_address: { Download: number; Upload: number }[];
    };
    // The contract has no bandwidth yet.
    for (const row of expected.ip_address) Object.assign(row, { Download: 0, Upload: 0 });
    expect(JSON.stringify(toOriginalTable(nodes))).toBe(JSON.stringify(expected));
  });

  it("puts a DNS name where the table file has it", () => {
    const named = aNode({ name: "nodes/node.example:8088", ipv4: "" });
    expect(toOriginalTable([named])).toMatchObject({
      ip_address: [{ IPV4: "node.example", ServerPort: "8088" }],
    });
  });

  it("prints specs with a GPU and without one", () => {
    const withGpu = create(SpecsSchema, { ...specs, gpus: [gpu] });
    expect(JSON.stringify(toOriginalSpecs(withGpu))).toBe(JSON.stringify(sample("server-info.2026.json")));
    expect(JSON.stringify(toOriginalSpecs(create(SpecsSchema, specs)))).toBe(
      JSON.stringify(sample("server-info.2021-04.nogpu.json")),
    );
  });

  it("prints images, and null where a node offers none", () => {
    const images = [
      create(ImageSchema, { name: "docker-ubuntu-sshd", description: "Plain Ubuntu with an SSH server\n" }),
      create(ImageSchema, { name: "horovod-cpu", description: "CPU training image\n" }),
    ];
    expect(toOriginalImages(images)).toEqual(sample("show-images.2021-06.json"));
    expect(toOriginalImages([])).toEqual(sample("show-images.2021-06.empty.json"));
  });

  it("is indented by tabs and has a space before the newline", () => {
    const { stdout, ...written } = print();
    printJson(stdout, { ip_address: [{ Name: "a" }] });
    expect(written.out()).toBe('{\n\t"ip_address": [\n\t\t{\n\t\t\t"Name": "a"\n\t\t}\n\t]\n} \n');
  });

  it("escapes what a terminal would act upon, and stays the same value", () => {
    const { stdout, ...written } = print();
    const value = { Name: "\u001b]0;x\u0007\u009b2J\u202eevil<b>&\ud800", list: [1] };
    printJson(stdout, value);
    printJsonLine(stdout, value);
    expect(written.out()).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e<>&\ud800]/);
    const [line] = written.out().split("\n").slice(-2);
    expect(JSON.parse(line!)).toEqual(value);
    expect(JSON.parse(written.out().slice(0, -(line!.length + 1)))).toEqual(value);
  });
});

describe("the table for people", () => {
  it("shows the nearest node first and nodes of unknown latency last", () => {
    const { stdout, ...written } = print();
    printNodes(stdout, [
      aNode({ name: "nodes/203.0.113.1:8088", state: Node_State.UNREACHABLE }),
      aNode({ name: "nodes/203.0.113.2:8088", measurement: latency(20), state: Node_State.ACTIVE }),
      aNode({
        name: "nodes/203.0.113.3:8088",
        measurement: latency(3),
        provenance: { hopCount: 2 },
        specs: { platform: "debian" },
      }),
    ]);
    const [head, ...rows] = written.out().trimEnd().split("\n");
    expect(head).toMatch(/^NODE +NAME +LATENCY +JITTER +DOWN +UP +STATE +HOP +PLATFORM$/);
    expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual([
      "203.0.113.3:8088",
      "203.0.113.2:8088",
      "203.0.113.1:8088",
    ]);
    expect(rows[0]).toMatch(/3\.00 ms .* 2 +debian$/);
    expect(rows[2]).toContain("unreachable");
  });

  it("lets no text of a node move the cursor", () => {
    const { stdout, ...written } = print();
    const hostile = "a\u001b[2J\nb\u202ec";
    printNodes(stdout, [aNode({ machineName: hostile, specs: { platform: hostile } })]);
    printSpecs(
      stdout,
      create(SpecsSchema, { hostname: hostile, cpuModel: hostile, gpus: [{ model: hostile }] }),
    );
    expect(written.out()).not.toMatch(/[\u001b\u202e]/);
    expect(written.out().trimEnd().split("\n")).toHaveLength(2 + 3);
  });
});

describe("the progress of a crawl", () => {
  afterEach(() => void jest.useRealTimers());

  const failed = eventOf(1, 2, 1, {
    case: "nodeFailed",
    value: {
      node: "nodes/203.0.113.9:8088",
      step: NodeFailed_Step.PROBE,
      reason: FailureReason.CONNECTION_REFUSED,
      message: "nothing listens there",
    },
  });
  const crawl: readonly UpdateIpTableResponse[] = [
    eventOf(0, 0, 0, { case: "started", value: { knownCount: 1 } }),
    eventOf(0, 1, 0, { case: "hopStarted", value: { hop: 0 } }),
    eventOf(0, 0, 1, { case: "hopCompleted", value: { hop: 0, elapsed: { nanos: 5_000_000 } } }),
    eventOf(1, 3, 0, { case: "hopStarted", value: { hop: 1 } }),
    failed,
    eventOf(1, 0, 3, { case: "hopCompleted", value: { hop: 1, newCount: 2, failedCount: 1 } }),
    eventOf(1, 0, 3, {
      case: "completed",
      value: {
        activeCount: 2,
        addedCount: 2,
        unreachable: ["nodes/203.0.113.9:8088"],
        endReason: CrawlCompleted_EndReason.LIMIT,
      },
    }),
  ];

  it("is one line for each hop and each failed node where there is no terminal", () => {
    const { stdout, ...written } = print();
    const lines = openLines(stdout);
    for (const event of crawl) lines.show(event);
    lines.end();
    expect(written.out().split("\n")).toEqual([
      "hop 0: 0 new, 0 failed, 5.00 ms",
      "hop 1: 203.0.113.9:8088: probe failed, CONNECTION_REFUSED: nothing listens there",
      "hop 1: 2 new, 1 failed",
      "crawl: 2 active, 2 added, 0 removed, 1 unreachable; ended early: LIMIT",
      "",
    ]);
  });

  it("is one bar for each hop on a terminal, with the failed nodes named above them", () => {
    // Bars are redrawn by a clock, 20 times a second.
    jest.useFakeTimers();
    const terminal = new FakeTerminal();
    const bars = openBars(terminal);
    for (const event of crawl) {
      bars.show(event);
      jest.advanceTimersByTime(60);
    }
    bars.end();
    expect(terminal.text).toMatch(/hop 0 \u2588+ 1\/1 0 new, 0 failed, 5\.00 ms/);
    expect(terminal.text).toMatch(/hop 1 \u2591+ 0\/3/);
    expect(terminal.text).toMatch(/hop 1 \u2588+\u2591+ 1\/3/);
    expect(terminal.text).toMatch(/hop 1 \u2588+ 3\/3 2 new, 1 failed/);
    expect(terminal.text).toContain("203.0.113.9:8088: probe failed, CONNECTION_REFUSED");
    expect(terminal.text).toContain("ended early: LIMIT");
  });

  it("gives the cursor back when the crawl breaks off, and loses no line", () => {
    const terminal = new FakeTerminal();
    const bars = openBars(terminal);
    bars.show(failed);
    bars.end();
    expect(terminal.text).toContain("203.0.113.9:8088: probe failed");
    expect(terminal.text.lastIndexOf("\u001b[?25h")).toBeGreaterThan(
      terminal.text.lastIndexOf("\u001b[?25l"),
    );
    expect(terminal.text.lastIndexOf("\u001b[?7h")).toBeGreaterThan(terminal.text.lastIndexOf("\u001b[?7l"));
  });

  it("writes nothing when the crawl never began", () => {
    const terminal = new FakeTerminal();
    openBars(terminal).end();
    expect(terminal.text).toBe("");
  });
});

describe("the text of a failure", () => {
  it("is the gateway's message with the reason", () => {
    const info = { desc: ErrorInfoSchema, value: { reason: "NODE_UNREACHABLE", domain: "client.p2prc" } };
    const error = new ConnectError("nothing listens there", Code.Unavailable, undefined, [info]);
    expect(failureOf(error)).toEqual({ text: "nothing listens there (NODE_UNREACHABLE)", exitCode: 1 });
  });

  it("names the field of a refused request, and counts as usage", () => {
    const error = new ConnectError("the request is not accepted", Code.InvalidArgument, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "INVALID_REQUEST", domain: "client.p2prc" } },
      {
        desc: BadRequestSchema,
        value: { fieldViolations: [{ field: "max_hops", description: "at most 10" }] },
      },
    ]);
    expect(failureOf(error)).toEqual({
      text: "the request is not accepted; max_hops: at most 10 (INVALID_REQUEST)",
      exitCode: 2,
    });
  });

  it("says so when nobody is there, and names the code when the answer is no gateway's", () => {
    const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
    const nobody = new ConnectError("unavailable", Code.Unavailable, undefined, undefined, cause);
    expect(failureOf(nobody).text).toBe("no gateway answers: connect ECONNREFUSED 127.0.0.1:1");
    Object.assign(cause, { address: "127.0.0.1", port: 1 });
    expect(failureOf(nobody).text).toBe("no gateway answers at 127.0.0.1:1 (ECONNREFUSED)");
    const gone = Object.assign(new Error("connect ENOENT /b/s"), { code: "ENOENT", address: "/b/s" });
    const noSocket = new ConnectError("connect ENOENT /b/s", Code.Internal, undefined, undefined, gone);
    expect(failureOf(noSocket).text).toBe("no gateway answers at /b/s (ENOENT)");
    expect(failureOf(new NoGatewayError("/b/s", noSocket))).toEqual({
      text: "no gateway answers at /b/s",
      exitCode: 1,
    });
    expect(failureOf(new ConnectError("HTTP 404", Code.Unimplemented)).text).toBe("HTTP 404 (UNIMPLEMENTED)");
    expect(failureOf(new ConnectError("no", Code.PermissionDenied)).text).toBe("no (PERMISSION_DENIED)");
  });

  it("is one line without control characters, and never a stack", () => {
    const { text, exitCode } = failureOf(new Error("first\n  second\u001b[31m"));
    expect(text).toBe("first second[31m");
    expect(exitCode).toBe(1);
    expect(failureOf(new UsageError("--zap")).exitCode).toBe(2);
    expect(failureOf("thrown text").text).toBe("thrown text");
  });
});

describe("durations", () => {
  it.each([
    ["20ms", 20],
    ["1.5s", 1_500],
    ["2m", 120_000],
  ])("reads %s as %d ms", (text, ms) => {
    expect(msOf(readDuration("--delay", text))).toBe(ms);
  });

  it("names the flag and the value it cannot read", () => {
    expect(() => readDuration("--node-timeout", "3")).toThrow('--node-timeout "3": not a duration such as');
    expect(() => readWhole("--hops", "-1")).toThrow('--hops "-1": not a whole number');
  });

  it("are shown with three digits", () => {
    expect([0.4312, 20.41, 1_239].map(formatMs)).toEqual(["0.43 ms", "20.4 ms", "1.24 s"]);
  });
});

function print(): { stdout: WrittenOutput["stdout"]; out: () => string } {
  const output = new WrittenOutput();
  return { stdout: output.stdout, out: () => output.out };
}

function eventOf(
  hop: number,
  hopOpenCount: number,
  hopDoneCount: number,
  event: NonNullable<MessageInitShape<typeof UpdateIpTableResponseSchema>["event"]>,
): UpdateIpTableResponse {
  return create(UpdateIpTableResponseSchema, {
    progress: { hop, maxHops: 3, hopOpenCount, hopDoneCount },
    event,
  });
}

describe("a gateway that is older than --validate-only", () => {
  it("is found out by how its stream ends", () => {
    const report = (endReason: CrawlCompleted_EndReason) => ({
      completed: create(CrawlCompletedSchema, { endReason }),
      failures: [],
    });
    expect(() => requireValidated(report(CrawlCompleted_EndReason.VALIDATED))).not.toThrow();
    expect(() => requireValidated(report(CrawlCompleted_EndReason.FINISHED))).toThrow(/it has crawled/);
  });
});

/** A stream that claims to be a terminal and keeps what is drawn. */
class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  readonly columns = 120;
  text = "";

  override write(chunk: unknown): boolean {
    this.text += String(chunk);
    return true;
  }
}

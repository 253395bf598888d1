import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Interruption } from "../../src/cli/surroundings.js";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import { UpdateIpTableResponseSchema } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import { CliBench, runCli, type WrittenOutput } from "../support/cli.js";

const bench = new CliBench();
/** The gateway in process, as the command line opens it, may contact loopback. */
const env = { P2PRC_GATEWAY_ALLOW_CIDR: "127.0.0.0/8", P2PRC_GATEWAY_PUBLIC_IP: "off" };

describe("the original's flags against a network", () => {
  let devnet: Devnet;
  let entry: string;
  let ip: string;
  let port: string;

  beforeAll(async () => {
    devnet = await openDevnet({ nodes: 12, seed: 3, faults: { refuse: 1 } });
    entry = devnet.entryAddresses[0]!;
    [ip, port] = entry.split(":") as [string, string];
  });
  afterAll(() => devnet.close());
  afterEach(() => bench.release());

  const run = (cwd: string, ...argv: string[]) => runCli(argv, { cwd, env });
  const rowsOf = (json: string) => (JSON.parse(json) as { ip_address: Record<string, unknown>[] }).ip_address;

  it("adds a node without a word on stdout and lists it with 16 keys", async () => {
    const base = await bench.folder();
    expect(await run(base, "-as", ip, "-p", port)).toEqual({
      code: 0,
      out: "",
      err: `added nodes/${entry}\n`,
    });
    const { code, out } = await run(base, "--ls");
    expect(code).toBe(0);
    expect(out).toMatch(/^\{\n\t"ip_address": \[\n[^]*\} \n$/);
    expect(rowsOf(out)).toMatchObject([{ IPV4: ip, ServerPort: port, Latency: 0 }]);
    expect(Object.keys(rowsOf(out)[0]!)).toHaveLength(16);
  });

  it("crawls, names what failed on stderr, and prints and keeps the table", async () => {
    const base = await bench.folder();
    await run(base, "--as", entry);
    const { code, out, err } = await run(base, "--us");
    expect(code).toBe(0);
    // A node that never answered does not enter the table.
    const refusing = devnet.nodes.find(({ fault }) => fault !== undefined)!;
    const answering = devnet.nodes.filter((node) => node !== refusing).map(({ address }) => address);
    const listed = rowsOf(out).map(({ IPV4, ServerPort }) => `${String(IPV4)}:${String(ServerPort)}`);
    expect(listed.sort()).toEqual(answering.sort());
    expect(rowsOf(out).every(({ Latency }) => typeof Latency === "number" && Latency > 0)).toBe(true);
    expect(err).toContain(`${refusing.address}: probe failed, CONNECTION_REFUSED`);
    expect(err).toMatch(/^hop 3: \d+ new, \d+ failed, /m);
    const file = JSON.parse(readFileSync(join(base, "p2p/iptable/ip_table.json"), "utf8")) as {
      ip_address: unknown[];
    };
    expect(file.ip_address).toHaveLength(answering.length);
    expect((await run(base, "--ListServers")).out).toBe(out);
  });

  it("prints a node's specs and images as the node sends them", async () => {
    const base = await bench.folder();
    const specs = await run(base, `--specs=${entry}`);
    const raw = (await (await fetch(`http://${entry}/server_info`)).json()) as Record<string, unknown>;
    expect(JSON.parse(specs.out)).toEqual(raw);
    expect(Object.keys(JSON.parse(specs.out) as object)).toEqual([
      "Hostname",
      "Platform",
      "CPU",
      "RAM",
      "Disk",
      "GPU",
    ]);
    const images = await run(base, "--vi", entry);
    expect(JSON.parse(images.out)).toHaveProperty("DockerContainer");
    expect([specs.code, images.code]).toEqual([0, 0]);
  });

  it("makes one node the only one", async () => {
    const base = await bench.folder();
    await run(base, "--as", "127.0.1.9", "-p", port);
    expect(await run(base, "--arn", "--ip", ip, "-p", port)).toEqual({ code: 0, out: "Success\n", err: "" });
    expect(rowsOf((await run(base, "--ls")).out)).toMatchObject([{ IPV4: ip }]);
  });

  it("carries out several operations in the original's order", async () => {
    const base = await bench.folder();
    const { out } = await run(base, "--specs", entry, "--as", entry, "--ls");
    const [table, specs] = out.split(/(?<=^\} \n)/m);
    expect(rowsOf(table!)).toEqual([]);
    expect(JSON.parse(specs!)).toHaveProperty("Hostname");
  });

  it("crawls from seeds and shows the nodes by latency", async () => {
    const base = await bench.folder();
    const { code, out } = await run(base, "crawl", "--hops", "1", "--seed", entry, "--node-timeout", "2s");
    expect(code).toBe(0);
    const latencies = out
      .split("\n")
      .flatMap((line) => / ([0-9.]+) ms /.exec(line)?.slice(1) ?? [])
      .map(Number);
    expect(latencies.length).toBeGreaterThan(1);
    expect(latencies).toEqual([...latencies].sort((a, b) => a - b));
  });

  it("only checks a crawl, and prints whom it would ask first", async () => {
    const base = await bench.folder();
    await run(base, "--as", entry);
    const seed = devnet.nodes[1]!.address;
    const askedCount = devnet.ledger.calls.length;
    const checked = await run(base, "crawl", "--validate-only", "--seed", seed);
    expect(checked).toEqual({
      code: 0,
      out: `${entry}\n${seed}\n`,
      err: "crawl: only checked; nobody was contacted\n",
    });
    const { code, out } = await run(base, "crawl", "--validate-only", "--json");
    expect([code, out.split("\n")[1]]).toEqual([0, expect.stringContaining('"nodeDiscovered"')]);
    expect(devnet.ledger.calls).toHaveLength(askedCount);
    expect(rowsOf((await run(base, "--ls")).out)).toHaveLength(1);
    expect(await run(base, "crawl", "--validate-only", "--seed", "0x7f.1")).toMatchObject({
      code: 2,
      out: "",
    });
  });

  it("prints each event of a crawl as a line of JSON", async () => {
    const base = await bench.folder();
    const { code, out } = await run(base, "--base", base, "crawl", "--json", "--seed", entry);
    expect(code).toBe(0);
    const events = out
      .trimEnd()
      .split("\n")
      .map((line) => fromJson(UpdateIpTableResponseSchema, JSON.parse(line) as JsonValue));
    expect(events.map(({ sequence }) => Number(sequence))).toEqual(events.map((_, index) => index + 1));
    expect(events.at(0)?.event.case).toBe("started");
    expect(events.at(-1)?.event.case).toBe("completed");
  });

  it("ends with 130 when Ctrl-C comes in the middle of a crawl", async () => {
    const hanging = await openDevnet({ nodes: 3, faults: { hang: 1 }, firstAddress: "127.0.2.1" });
    bench.defer(() => hanging.close());
    const base = await bench.folder();
    const leaving = new AbortController();
    const onWritten = ({ err }: WrittenOutput) => {
      // The hanging node keeps the hop of the seeds open.
      if (/^hop 0: /m.test(err)) leaving.abort(new Interruption("SIGINT"));
    };
    const argv = ["crawl", ...hanging.nodes.flatMap(({ address }) => ["--seed", address])];
    expect(await runCli(argv, { cwd: base, env, signal: leaving.signal, onWritten })).toMatchObject({
      code: 130,
      out: "",
    });
    expect(existsSync(join(base, ".p2prc/gateway.sock"))).toBe(false);
  });
});

describe("what goes wrong", () => {
  afterEach(() => bench.release());

  it.each([
    [["--zap"], "unknown flag --zap; `p2prc --help` lists all"],
    [
      ["sevre"],
      'unknown word "sevre"; words are serve, crawl, containers, groups, watch, run, forget, state, devnet, demo, help',
    ],
    [
      ["help", "sevre"],
      'unknown word "sevre"; words are serve, crawl, containers, groups, watch, run, forget, state, devnet, demo, help',
    ],
    [["--as"], "--as needs a value"],
    [["--arn"], "--arn needs --ip HOST"],
    [["--ip", "203.0.113.7"], "--ip belongs to --arn"],
    [["--ls", "-p", "8088"], "-p belongs to --as, --arn or --touch"],
    [["--plugin", "site"], "--plugin needs --id ID"],
    [["--ls", "--json"], "--json belongs to --plugin"],
    [["crawl", "--hop", "2"], "unknown option '--hop' (Did you mean --hops?)"],
    [["crawl", "--hops", "many"], '--hops "many": not a whole number'],
    [["devnet", "--nodes", "few"], '--nodes "few": not a whole number'],
    [["--gateway", "nope", "--ls"], '--gateway "nope": not a URL such as http://127.0.0.1:8089'],
    [
      ["--gateway", "http://127.0.0.1:8089", "--base", "/", "--ls"],
      "--base names the gateway of a folder, and --gateway another one: give one of them",
    ],
    [
      ["--gateway", "http://127.0.0.1:8089", "--public-ip", "off", "--ls"],
      "--public-ip configures a gateway, and --gateway names one that runs already",
    ],
  ])("is said in one line, with exit code 2: %j", async (argv, line) => {
    const base = await bench.folder();
    expect(await runCli(argv, { cwd: base })).toEqual({ code: 2, out: "", err: `p2prc: ${line}\n` });
  });

  it("is said with the gateway's reason", async () => {
    const base = await bench.folder();
    expect(await runCli(["--specs", "127.0.1.250:1"], { cwd: base })).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(/^p2prc: [^\n]*nothing listens there \(NODE_UNREACHABLE\)\n$/),
    });
    const refused = await runCli(["crawl", "--hops", "99"], { cwd: base });
    expect(refused).toMatchObject({ code: 2, err: expect.stringMatching(/^p2prc: [^\n]*max_hops[^\n]*\n$/) });
  });

  it("shows the usage on stderr when nothing is asked for, and on stdout when help is", async () => {
    const base = await bench.folder();
    const nothing = await runCli([], { cwd: base });
    expect(nothing).toMatchObject({ code: 2, out: "", err: expect.stringContaining("Usage: p2prc WORD") });
    const help = await runCli(["--help"], { cwd: base });
    expect(help).toEqual({ code: 0, out: nothing.err, err: "" });
    expect((await runCli(["help", "crawl"], { cwd: base })).out).toContain("--seed <HOST:PORT>");
    expect(await runCli(["--version"], { cwd: base })).toEqual({ code: 0, out: "1.2.3\n", err: "" });
  });

  it("shows the configuration as it counts, without opening anything", async () => {
    const base = await bench.folder();
    const { code, out } = await runCli(["-vc", "-base", base], { cwd: "/", env });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      IPTable: join(base, "p2p/iptable/ip_table.json"),
      Gateway: { base, allowCidr: ["127.0.0.0/8"], publicIp: "off", listen: "127.0.0.1:8089" },
    });
    expect(existsSync(join(base, ".p2prc"))).toBe(false);
  });
});

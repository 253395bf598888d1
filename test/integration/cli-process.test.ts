/** The program as users start it: processes of their own, real signals, sockets that outlive nobody. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "@jest/globals";
import { openDevnet } from "../../src/devnet/devnet.js";
import { CliBench, runCli } from "../support/cli.js";
import { RawNode } from "../support/raw-node.js";

const bench = new CliBench();
const serveFlags = ["--listen", "127.0.0.1:0", "--public-ip", "off", "--log-level", "warn"];

afterEach(() => bench.release());

describe("p2prc serve", () => {
  it("says in one line where it serves, and ends with 0 and no socket left after a signal", async () => {
    const base = await bench.folder();
    const gateway = bench.start(["serve", "--base", base, ...serveFlags], base);
    const [line, url] = await gateway.until(/^p2prc gateway ready: (http:\S+) and socket (\S+)\n/);
    expect(gateway.out).toBe(line);
    const answer = await fetch(`${url!}/p2prc.client.v1.ClientService/ListNodes`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect([answer.status, await answer.json()]).toEqual([200, {}]);
    gateway.child.kill("SIGTERM");
    expect(await gateway.ended).toMatchObject({ code: 0, out: line, err: "" });
    expect(existsSync(join(base, ".p2prc/gateway.sock"))).toBe(false);
  });

  it("is what the command line talks to while it runs, over the socket or by URL", async () => {
    const base = await bench.folder();
    const gateway = bench.start(["serve", "--base", base, ...serveFlags], base);
    const [, url] = await gateway.until(/ready: (http:\S+) /);
    // The gateway does not allow this address over TCP: only its own socket takes what an operator types.
    const added = await runCli(["--as", "127.0.1.1"], { cwd: base });
    expect(added).toEqual({ code: 0, out: "", err: "added nodes/127.0.1.1:8088\n" });
    const elsewhere = await bench.folder();
    const listed = await runCli(["--gateway", url!, "--ls"], { cwd: elsewhere });
    expect(listed.out).toContain('"IPV4": "127.0.1.1"');
    const blocked = await runCli(["--gateway", url!, "--as", "127.0.1.2"], { cwd: elsewhere });
    expect([blocked.code, blocked.err]).toEqual([1, expect.stringContaining("(ADDRESS_BLOCKED)")]);
    const idle = await runCli(["--allow-cidr", "10.0.0.0/8", "--ls"], { cwd: base });
    expect(idle.err).toContain("--allow-cidr changes nothing there");
    const second = bench.start(["serve", "--base", base, ...serveFlags], base);
    expect(await second.ended).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining("another gateway owns"),
    });
  });

  it("leaves a socket behind when it is killed, which the next one takes over", async () => {
    const base = await bench.folder();
    const gateway = bench.start(["serve", "--base", base, ...serveFlags], base);
    await gateway.until(/ready/);
    gateway.child.kill("SIGKILL");
    await gateway.ended;
    expect(existsSync(join(base, ".p2prc/gateway.sock"))).toBe(true);
    const listed = await runCli(["--ls"], { cwd: base });
    expect(listed).toEqual({ code: 0, out: '{\n\t"ip_address": []\n} \n', err: "" });
    const next = bench.start(["serve", "--base", base, ...serveFlags], base);
    await next.until(/ready/);
  });
});

describe("commands at the same time", () => {
  const nodesOf = (json: string): string[] =>
    (JSON.parse(json) as { ip_address: { IPV4: string }[] }).ip_address.map(({ IPV4 }) => IPV4);

  it("all succeed without a server: each talks to one of the others or opens the gateway itself", async () => {
    const base = await bench.folder();
    const addresses = Array.from({ length: 8 }, (_, index) => `127.0.9.${index + 1}`);
    const added = addresses.map((address) => bench.start(["--as", address, "-p", "7", "--base", base], base));
    const ends = await Promise.all(added.map(({ ended }) => ended));
    expect(ends).toEqual(
      addresses.map((address) => ({ code: 0, out: "", err: `added nodes/${address}:7\n` })),
    );
    expect(nodesOf((await runCli(["--ls"], { cwd: base })).out).sort()).toEqual(addresses);
    const left = await readdir(join(base, ".p2prc"));
    expect(left.filter((name) => name.startsWith("gateway"))).toEqual([]);
  }, 120_000);
});

describe("containers, from one process to the next", () => {
  it("are started, watched, grouped and removed while a gateway serves, and are still there after it", async () => {
    const network = await openDevnet({
      nodes: 2,
      shape: "mesh",
      firstAddress: "127.0.34.1",
      dialects: ["2026-01"],
    });
    bench.defer(() => network.close());
    const node = network.nodes[0]!.address;
    const base = await bench.folder();
    const gateway = bench.start(["serve", "--base", base, ...serveFlags], base);
    await gateway.until(/ready/);
    const run = (...argv: string[]) => bench.start(argv, base).ended;
    const idOf = ({ out }: { out: string }): string => (JSON.parse(out) as { ID: string }).ID;

    const kept = idOf(await run("--touch", node));
    const watch = bench.start(["watch", "--initial"], base);
    await watch.until(new RegExp(`ADDED container nodes/${node}/containers/${kept} ACTIVE`));
    const [started, made] = await Promise.all([run("--touch", node, "-p", "1"), run("--cgroup")]);
    const [removed, group] = [idOf(started), idOf(made)];
    expect((await run("--group", group, "--id", removed)).code).toBe(0);
    expect(await run("--rm", node, "--id", removed)).toEqual({ code: 0, out: "success\nSuccess\n", err: "" });
    await watch.until(
      new RegExp(`MODIFIED group groups/${group} 0 members, -nodes/${node}/containers/${removed}`),
    );
    watch.child.kill("SIGINT");
    expect(await watch.ended).toMatchObject({ code: 130, err: expect.stringMatching(/--from \S+\n$/) });
    expect(await run("--touch", "127.0.34.250:1")).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(/^p2prc: [^\n]*\(NODE_UNREACHABLE\)\n$/),
    });

    gateway.child.kill("SIGKILL");
    await gateway.ended;
    const tracked = JSON.parse((await run("--tc")).out) as { TrackContainer: { ID: string }[] };
    expect(tracked.TrackContainer.map(({ ID }) => ID)).toEqual([kept]);
    expect(JSON.parse((await run("--group", group)).out)).toEqual({ ID: group, TrackContainer: [] });
  }, 120_000);
});

describe("a creation that somebody interrupts", () => {
  it("is waited for, says so, and is listed as unknown after a second signal", async () => {
    let isAsked!: () => void;
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const node = await RawNode.open((_, { path }) => {
      if (path.startsWith("/startcontainer")) isAsked();
    });
    bench.defer(() => node.close());
    const address = `127.0.0.1:${String(node.port)}`;
    const base = await bench.folder();
    await bench.start(["--as", address], base).ended;
    const creation = bench.start(["--touch", address], base);
    await asked;
    creation.child.kill("SIGINT");
    await creation.until(/^p2prc: ending; .* A second signal ends at once\.\n$/);
    creation.child.kill("SIGINT");
    expect(await creation.ended).toMatchObject({ code: 130, out: "" });
    const { out } = await bench.start(["containers", "--json"], base).ended;
    expect(JSON.parse(out)).toMatchObject({ state: "STATE_UNKNOWN", node: `nodes/${address}` });
  });
});

describe("p2prc devnet", () => {
  it("says how to crawl it, and the crawl it names finds its nodes; Ctrl-C in the middle ends with 130", async () => {
    const cwd = await bench.folder();
    const devnet = bench.start(["devnet", "--nodes", "8", "--seed", "7", "--faults", "hang=1"], cwd);
    const [, flags] = await devnet.until(/p2prc crawl --base "\$\(mktemp -d\)" (.*)\n/);
    const argv = ["crawl", ...flags!.split(" ")];
    const crawl = bench.start([...argv, "--node-timeout", "5s"], await bench.folder());
    const { code, out } = await crawl.ended;
    expect([code, out.match(/ active /g)?.length]).toEqual([0, 7]);
    const endless = bench.start([...argv, "--node-timeout", "60s"], await bench.folder());
    await endless.until(/^hop 0: /m);
    endless.child.kill("SIGINT");
    expect(await endless.ended).toMatchObject({ code: 130, out: "" });
    devnet.child.kill("SIGINT");
    expect(await devnet.ended).toMatchObject({ code: 0, err: "" });
  });
});

describe("p2prc demo", () => {
  it("crawls a network without internet, shows it, and cleans up", async () => {
    const temporary = await bench.folder();
    const { code, out, err } = await bench.start(["demo"], await bench.folder(), { TMPDIR: temporary }).ended;
    expect([code, err]).toEqual([0, expect.stringMatching(/^hop 3: /m)]);
    expect(out).toMatch(/^NODE +NAME +LATENCY +JITTER +DOWN +UP +STATE +HOP +PLATFORM$/m);
    expect(out.match(/ active /g)?.length).toBeGreaterThan(30);
    expect(out).toMatch(/probe failed, CONNECTION_REFUSED/);
    expect(out).toMatch(/probe failed, TIMEOUT/);
    expect(out).toMatch(/^specs of nodes\/127\.0\.1\.\d+:\d+:\n {2}hostname/m);
    expect(out.match(/^ {2}[0-9:]{8} ADDED container nodes\S+ ACTIVE$/gm)).toHaveLength(3);
    expect(out).toMatch(/^ {2}[0-9:]{8} MODIFIED group groups\/grp\S+ 2 members, -nodes\/\S+$/m);
    expect(out.match(/^ {2}ssh -p \d+ (?:root|master)@127\.0\.1\.\d+$/gm)).toHaveLength(2);
    expect(out + err).not.toContain("password");
    expect(out).toContain('grpcurl -plaintext -d \'{"maxHops":3,');
    expect(await readdir(temporary)).toEqual([]);
  }, 120_000);

  it("keeps the gateway on request, and the lines it shows repeat it", async () => {
    const demo = bench.start(["demo", "--keep"], await bench.folder());
    const [, curls] = await demo.until(/runs until Ctrl-C\):\n[^]*?((?: {2}curl .*\n){2})/);
    for (const line of curls!.trim().split("\n")) {
      const { stdout } = await promisify(execFile)("sh", ["-c", line]);
      expect(JSON.parse(stdout)).toMatchObject(line.includes("ListNodes") ? { nodes: {} } : { specs: {} });
    }
    demo.child.kill("SIGINT");
    expect((await demo.ended).code).toBe(0);
  }, 120_000);
});

it("ends quietly when the reader of its output goes away", async () => {
  const base = await bench.folder();
  const program = join(import.meta.dirname, "../../dist/cli/main.js");
  const line = `"${process.execPath}" "${program}" --help | head -n 1`;
  const { stdout, stderr } = await promisify(execFile)("sh", ["-c", line], { cwd: base });
  expect([stdout, stderr]).toEqual(["Usage: p2prc WORD [flags]\n", ""]);
});

it("names the gateway that does not answer", async () => {
  const cwd = await bench.folder();
  const { code, err } = await bench.start(["--gateway", "http://127.0.0.1:1", "--ls"], cwd).ended;
  expect([code, err]).toEqual([1, "p2prc: no gateway answers at 127.0.0.1:1 (ECONNREFUSED)\n"]);
});

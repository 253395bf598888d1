/** Containers and groups with the original's flags: each command opens the gateway of the base folder, and closes it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import { CliBench, type Ended, runCli } from "../support/cli.js";

const bench = new CliBench();
const env = { P2PRC_GATEWAY_PUBLIC_IP: "off" };

interface Vm {
  readonly ID: string;
  readonly Ports: { readonly Port: readonly { readonly PortName: string }[] };
}
interface Tracked {
  readonly TrackContainer: readonly { ID: string; Container: Vm; IpAddress: string }[] | null;
}
interface Group extends Tracked {
  readonly ID: string;
}
const read = ({ code, out }: Ended): unknown => {
  expect([code, out]).toEqual([0, expect.stringMatching(/^\{\n\t"[^]*\} \n$/)]);
  return JSON.parse(out);
};
const readVm = (ended: Ended): Vm => read(ended) as Vm;
const readGroup = (ended: Ended): Group => read(ended) as Group;
const readTracked = (ended: Ended): Tracked => read(ended) as Tracked;
const idsOf = ({ TrackContainer }: Tracked): string[] | undefined => TrackContainer?.map(({ ID }) => ID);

describe("the original's flags for containers and groups", () => {
  let devnet: Devnet;
  let nodes: readonly string[];

  beforeAll(async () => {
    devnet = await openDevnet({
      nodes: 4,
      shape: "mesh",
      firstAddress: "127.0.31.1",
      dialects: ["2026-01"],
      containers: { generations: ["2023-12", "2021-10", "2023-12", "2023-12"] },
    });
    nodes = devnet.nodes.map(({ address }) => address);
  });
  afterAll(() => devnet.close());
  afterEach(async () => {
    for (const address of nodes) {
      const node = devnet.node(address);
      if (!node.isListening) await node.start();
      node.setFault(undefined);
    }
    await bench.release();
  });

  const run = (cwd: string, ...argv: string[]) => runCli(argv, { cwd, env });
  const touch = async (cwd: string, node: string): Promise<string> =>
    readVm(await run(cwd, "--touch", node)).ID;

  it("tell one story: started, tracked, grouped, taken out, removed", async () => {
    const base = await bench.folder();
    const first = readVm(await run(base, "-touch", nodes[0]!, "-p", "2", "--bi", "ubuntu:22.04"));
    expect(Object.keys(first).slice(0, 3)).toEqual(["SSHUsername", "SSHPublicKey", "ID"]);
    expect(first).toMatchObject({ SSHUsername: "root", GPU: "false", BaseImage: "ubuntu:22.04" });
    expect(first.Ports.Port.map(({ PortName }) => PortName)).toEqual(["SSH", "AutoGen Port", "AutoGen Port"]);
    const second = readVm(await run(base, "--CreateVM", nodes[1]!, "-cn", "docker-ubuntu-sshd"));
    expect(second).toMatchObject({ SSHUsername: "master", SSHPassword: "password" });
    const query = devnet.ledger.creates.slice(-2).map((create) => create.query);
    expect(query).toMatchObject([
      { ports: "2", GPU: "false", BaseImage: "ubuntu:22.04" },
      { ports: "0", GPU: "false", ContainerName: "docker-ubuntu-sshd" },
    ]);

    const tracked = readTracked(await run(base, "--tc"));
    expect(tracked.TrackContainer).toEqual([
      { ID: first.ID, Container: first, IpAddress: nodes[0] },
      { ID: second.ID, Container: second, IpAddress: nodes[1] },
    ]);

    const group = readGroup(await run(base, "--cgroup"));
    expect(group).toEqual({ ID: expect.stringMatching(/^grp/), TrackContainer: null });
    const added = readTracked(await run(base, "--group", group.ID, "--id", first.ID));
    expect(added).toEqual({ ID: group.ID, TrackContainer: tracked.TrackContainer!.slice(0, 1) });
    const named = `nodes/${nodes[1]!}/containers/${second.ID}`;
    const both = readTracked(await run(base, "--group", group.ID, "--id", named));
    expect(both.TrackContainer).toEqual(tracked.TrackContainer);
    expect(read(await run(base, "--group", group.ID))).toEqual(both);
    expect(read(await run(base, "--groups"))).toEqual({ Groups: [both] });
    const one = readTracked(await run(base, "--rmcgroup", "--group", group.ID, "--id", second.ID));
    expect(idsOf(one)).toEqual([first.ID]);

    expect(await run(base, "--rm", nodes[0]!, "--id", first.ID)).toEqual({
      code: 0,
      out: "success\nSuccess\n",
      err: "",
    });
    expect(read(await run(base, "--group", group.ID))).toEqual({ ID: group.ID, TrackContainer: [] });
    expect(idsOf(readTracked(await run(base, "--tc")))).toEqual([second.ID]);
    expect(await run(base, "--rmgroup", group.ID)).toEqual({ code: 0, out: "Success\n", err: "" });
    expect(read(await run(base, "--groups"))).toEqual({ Groups: [] });
    // The node's port is not typed: it is the only one with that address.
    const [host = ""] = nodes[1]!.split(":");
    expect((await run(base, "--rm", host, "--id", second.ID)).out).toBe("success\nSuccess\n");
    expect(read(await run(base, "--tc"))).toEqual({ TrackContainer: [] });
  }, 120_000);

  it("remove a container that is not tracked here, as the original does, and print what the node said", async () => {
    const id = await touch(await bench.folder(), nodes[0]!);
    const elsewhere = await bench.folder();
    expect(await run(elsewhere, "--rm", nodes[0]!, "--id", id)).toEqual({
      code: 0,
      out: "success\nSuccess\n",
      err: "",
    });
    expect(devnet.node(0).containers.filter(({ vm }) => vm.id === id)).toEqual([]);
    const again = await run(elsewhere, "--rm", nodes[0]!, "--id", id);
    expect(again).toEqual({ code: 1, out: "", err: expect.stringMatching(/^p2prc: .*\(REMOVE_FAILED\)\n$/) });
    expect(devnet.ledger.removals.filter((removal) => removal.id === id)).toHaveLength(2);
  });

  it("map a port of a node, and print where it is reached, as the original does", async () => {
    const base = await bench.folder();
    const ended = await run(base, "--mp", "8088", "--ra", nodes[0]!, "--dn", "render.example.org", "--udp");
    const [call] = devnet.ledger.matching({ path: "/MAPPort" });
    expect(call?.path).toBe("/MAPPort?port=8088&domain_name=render.example.org&udp=true");
    const [host = ""] = nodes[0]!.split(":");
    const port = String(call?.mappedPort);
    // Line by line the sample map-port.cli.2025-01.json.
    expect(ended).toEqual({
      code: 0,
      out: `{\n\t"IPAddress": "${host}",\n\t"PortNo": "${port}",\n\t"EntireAddress": "${host}:${port}"\n} \n`,
      err: "",
    });
    devnet.node(0).setFault("cut-map");
    expect(await run(base, "-mp", "8088", "-ra", nodes[0]!)).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(/^p2prc: .* may be reachable .*\(MAP_OUTCOME_UNKNOWN\)\n$/),
    });
  });

  it("say that a container may run, and what closes it, when the answer of the node is lost", async () => {
    const base = await bench.folder();
    devnet.node(0).setFault("cut-create");
    const { code, out, err } = await run(base, "--touch", nodes[0]!);
    expect([code, out]).toEqual([1, ""]);
    const [, intent = ""] =
      /^p2prc: a container may run, .*\(CREATE_OUTCOME_UNKNOWN\); .*`p2prc forget (\S+)`.*\n$/.exec(err) ??
      [];
    expect(intent).toMatch(`nodes/${nodes[0]!}/containers/~`);
    expect(await run(base, "--tc")).toEqual({
      code: 0,
      out: '{\n\t"TrackContainer": []\n} \n',
      err: `1 creation is unresolved: ${intent}\n`,
    });
  });

  it("say the same when a node fails in a way that leaves a container behind", async () => {
    const base = await bench.folder();
    // It has no GPU, and finds that out late.
    const { code, out, err } = await run(base, "-touch", nodes[0]!, "-gpu");
    expect([code, out]).toEqual([1, ""]);
    expect(err).toMatch(/^p2prc: .*\(NODE_REFUSED_REQUEST\); .*`p2prc forget nodes\/\S+~\S+`.*\n$/);
    expect(devnet.ledger.creates.at(-1)?.query).toMatchObject({ GPU: "true" });
  });

  it("end with 1 and the reason when the node is gone, refuses, or nothing of that name is there", async () => {
    const base = await bench.folder();
    const fails = async (reason: string, ...argv: string[]): Promise<void> => {
      const line = expect.stringMatching(new RegExp(`^p2prc: [^\n]*\\(${reason}\\)[^\n]*\n$`));
      expect(await run(base, ...argv)).toEqual({ code: 1, out: "", err: line });
    };
    const id = await touch(base, nodes[3]!);
    await devnet.node(3).stop();
    await fails("NODE_UNREACHABLE", "--touch", nodes[3]!);
    await fails("NODE_UNREACHABLE", "--rm", nodes[3]!, "--id", id);
    await devnet.node(3).start();
    devnet.node(3).setFault("status500-create");
    await fails("NODE_REFUSED_REQUEST", "--touch", nodes[3]!);
    await fails("GROUP_NOT_FOUND", "--group", "grp0");
    await fails("GROUP_NOT_FOUND", "--rmgroup", "grp0");
    await fails("GROUP_NOT_FOUND", "--group", "grp0", "--id", id);
    await fails("CONTAINER_NOT_TRACKED", "--group", "grp0", "--id", "nobodyKnowsIt");
    expect(idsOf(readTracked(await run(base, "--tc")))).toEqual([id]);
  }, 120_000);

  it("ask for the name of a container where several nodes have one of that id", async () => {
    const base = await bench.folder();
    const twins = await openDevnet({
      nodes: 2,
      shape: "mesh",
      firstAddress: "127.0.32.1",
      dialects: ["2026-01"],
    });
    bench.defer(() => twins.close());
    for (const { address } of twins.nodes) {
      twins.node(address).setFault("fixed-id-create");
      await touch(base, address);
    }
    const { ID } = readGroup(await run(base, "--cgroup"));
    const names = twins.nodes.map(({ address }) => `nodes/${address}/containers/sameForAllOfTheirNodes`);
    expect(await run(base, "--group", ID, "--id", "sameForAllOfTheirNodes")).toEqual({
      code: 2,
      out: "",
      err: `p2prc: --id sameForAllOfTheirNodes: several nodes have a container of that id; give one of ${names.join(", ")}\n`,
    });
    expect(idsOf(readTracked(await run(base, "--group", ID, "--id", names[1]!)))).toHaveLength(1);
  });

  it("tell passwords on stdout only", async () => {
    const base = await bench.folder();
    const ends = [await run(base, "--log-level", "debug", "--touch", nodes[1]!)];
    const { ID } = readVm(ends[0]!);
    const group = readGroup(await run(base, "--cgroup")).ID;
    const commands = [["--group", group, "--id", ID], ["--tc"], ["--groups"], ["--group", group]];
    for (const argv of commands) ends.push(await run(base, "--log-level", "debug", ...argv));
    for (const { out, err } of ends) {
      expect(out).toContain('"SSHPassword": "password"');
      expect(err).not.toContain('password"');
    }
  });
});

describe("flags that miss their company", () => {
  afterEach(() => bench.release());

  it.each([
    [["--rm", "203.0.113.7"], "--rm needs --id ID"],
    [["--id", "abc"], "--id belongs to --rm, --group or --plugin"],
    [["--gpu"], "--gpu belongs to --touch"],
    [["--mp", "80"], "--mp needs --ra HOST:PORT"],
    [["--mp", "http", "--ra", "203.0.113.7"], '--mp "http": not a whole number'],
    [["--ls", "--udp"], "--udp belongs to --mp"],
    [["--ls", "--dn", "a.example.org"], "--dn belongs to --mp"],
    [["--tc", "--cn", "a"], "--cn belongs to --touch"],
    [["--ls", "--bi", "a"], "--bi belongs to --touch"],
    [["--rmcgroup", "--id", "abc"], "--rmcgroup needs --group GROUP"],
    [["--rmcgroup", "--group", "grp1"], "--rmcgroup needs --id ID"],
    [
      ["--touch", "203.0.113.7", "--as", "203.0.113.7", "-p", "1"],
      "-p goes with only one of --as and --touch",
    ],
    [
      ["--rm", "203.0.113.7", "--group", "grp1", "--id", "abc"],
      "--id goes with only one of --rm and --group",
    ],
    [["--touch", "203.0.113.7", "-p", "two"], '-p "two": not a whole number'],
    [["--rm", "203.0.113.7", "--id", "~0190"], '--id "~0190": not the id of a container'],
    [["--group", "grp1", "--id", "*"], '--id "*": not the id or name of a container'],
  ])("are refused in one line, before anything is done: %j", async (argv, line) => {
    const base = await bench.folder();
    expect(await runCli(argv, { cwd: base, env })).toEqual({ code: 2, out: "", err: `p2prc: ${line}\n` });
  });
});

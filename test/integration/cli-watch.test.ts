/** The words around containers: watch, containers, groups, forget. */
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { Interruption } from "../../src/cli/surroundings.js";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import { ContainerSchema } from "../../src/gen/p2prc/client/v1/container_pb.js";
import { GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";
import { WatchResponse_Type, WatchResponseSchema } from "../../src/gen/p2prc/client/v1/watch_pb.js";
import { CliBench, type Ended, runCli, type WrittenOutput } from "../support/cli.js";

const bench = new CliBench();
const env = { P2PRC_GATEWAY_PUBLIC_IP: "off" };

describe("words for containers", () => {
  let devnet: Devnet;
  let node: string;

  beforeAll(async () => {
    devnet = await openDevnet({ nodes: 2, shape: "mesh", firstAddress: "127.0.33.1", dialects: ["2026-01"] });
    node = devnet.nodes[0]!.address;
  });
  afterAll(() => devnet.close());
  afterEach(async () => {
    devnet.node(node).setFault(undefined);
    await bench.release();
  });

  const run = (cwd: string, ...argv: string[]) => runCli(argv, { cwd, env });
  const idOf = ({ code, out }: Ended): string => {
    expect(code).toBe(0);
    return (JSON.parse(out) as { ID: string }).ID;
  };
  const touch = async (cwd: string): Promise<string> => idOf(await run(cwd, "--touch", node));
  const rowsOf = ({ code, out }: Ended): string[][] => {
    expect(code).toBe(0);
    return out
      .trimEnd()
      .split("\n")
      .slice(1)
      .map((line) => line.split(/ {2,}/));
  };

  /** Watches until something is written, as somebody does who then presses Ctrl-C. */
  async function watch(
    cwd: string,
    until: RegExp,
    then: () => Promise<unknown>,
    ...flags: string[]
  ): Promise<Ended> {
    const leaving = new AbortController();
    let began = (): void => undefined;
    const beginning = new Promise<void>((resolve) => (began = resolve));
    const onWritten = ({ out }: WrittenOutput): void => {
      began();
      if (until.test(out)) leaving.abort(new Interruption("SIGINT"));
    };
    const watching = runCli(["watch", "--initial", ...flags], {
      cwd,
      env,
      signal: leaving.signal,
      onWritten,
    });
    await beginning;
    await then();
    return await watching;
  }

  it("show each change as a line until Ctrl-C, and where to go on", async () => {
    const base = await bench.folder();
    const id = await touch(base);
    const name = `nodes/${node}/containers/${id}`;
    const seen = await watch(base, /REMOVED container/, () => run(base, "--rm", node, "--id", id));
    expect(seen.code).toBe(130);
    expect(seen.out.replace(/^[0-9:]{8} /gm, "").split("\n")).toEqual([
      `ADDED container ${name} ACTIVE`,
      `MODIFIED container ${name} REMOVING, was ACTIVE`,
      `REMOVED container ${name} REMOVED (NODE_CONFIRMED), was REMOVING`,
      "",
    ]);
    const [, revision = ""] = /^go on with: p2prc watch --from (\S+)\n$/.exec(seen.err) ?? [];
    const group = idOf(await run(base, "--cgroup"));
    const leaving = new AbortController();
    const onWritten = ({ out }: WrittenOutput): void => {
      if (out.includes("\n")) leaving.abort(new Interruption("SIGINT"));
    };
    const later = ["watch", "--from", revision];
    const { code, out } = await runCli(later, { cwd: base, env, signal: leaving.signal, onWritten });
    expect([code, out]).toEqual([
      130,
      expect.stringMatching(`^[0-9:]{8} ADDED group groups/${group} 0 members\n$`),
    ]);
  });

  it("show each message as a line of JSON, through filters", async () => {
    const base = await bench.folder();
    const id = await touch(base);
    await run(base, "--cgroup");
    const filters = ["--filter", `id = "${id}"`, "--group-filter", "container_count > 0"];
    const { code, out } = await watch(base, /INITIAL_DONE/, () => Promise.resolve(), "--json", ...filters);
    expect(code).toBe(130);
    const messages = out
      .trimEnd()
      .split("\n")
      .map((line) => fromJson(WatchResponseSchema, JSON.parse(line) as JsonValue));
    expect(messages.map(({ type }) => type)).toEqual([
      WatchResponse_Type.INITIAL,
      WatchResponse_Type.INITIAL_DONE,
    ]);
    expect(messages[0]?.changes.map(({ item }) => item.value?.id)).toEqual([id]);
    expect(out).not.toMatch(/password/i);
  });

  it("list containers and groups, for people and for scripts", async () => {
    const base = await bench.folder();
    const [one, two] = [await touch(base), await touch(base)];
    const group = idOf(await run(base, "--cgroup"));
    await run(base, "--group", group, "--id", two);
    expect(rowsOf(await run(base, "containers", "--order-by", "create_time desc"))).toEqual([
      [
        `nodes/${node}/containers/${two}`,
        "ACTIVE",
        expect.stringMatching(/^SSH \d+$/),
        "1",
        expect.anything(),
      ],
      [
        `nodes/${node}/containers/${one}`,
        "ACTIVE",
        expect.stringMatching(/^SSH \d+$/),
        "0",
        expect.anything(),
      ],
    ]);
    const listed = await run(base, "containers", "--json", "--filter", `id = "${one}"`);
    expect(fromJson(ContainerSchema, JSON.parse(listed.out) as JsonValue).id).toBe(one);
    expect(rowsOf(await run(base, "groups"))).toEqual([[group, "1", expect.anything()]]);
    const groups = await run(base, "groups", "--json");
    expect(fromJson(GroupSchema, JSON.parse(groups.out) as JsonValue).id).toBe(group);
    await run(base, "--rm", node, "--id", one);
    expect(rowsOf(await run(base, "containers"))).toHaveLength(1);
    const removed = await run(base, "containers", "--removed", "--filter", "state = REMOVED");
    expect(rowsOf(removed)[0]?.slice(1, 3)).toEqual(["REMOVED", "NODE_CONFIRMED"]);
  });

  it("forget what is unresolved, and what shall be tracked no more, without asking the node", async () => {
    const base = await bench.folder();
    const id = await touch(base);
    devnet.node(node).setFault("cut-create");
    await run(base, "--touch", node);
    const removals = devnet.ledger.removals.length;
    const [[intent = ""] = []] = rowsOf(await run(base, "containers", "--filter", "state = UNKNOWN"));
    for (const [typed, name] of [
      [intent, intent],
      [id, `nodes/${node}/containers/${id}`],
    ] as const) {
      expect(await run(base, "forget", typed)).toEqual({
        code: 0,
        out: `forgot ${name}; its node was not asked: it may go on running there\n`,
        err: "",
      });
    }
    expect(await run(base, "--tc")).toEqual({ code: 0, out: '{\n\t"TrackContainer": []\n} \n', err: "" });
    expect(devnet.ledger.removals).toHaveLength(removals);
    expect(await run(base, "forget", id)).toMatchObject({
      code: 1,
      err: `p2prc: container ${id} is not tracked (CONTAINER_NOT_TRACKED)\n`,
    });
  });
});

describe("words that make no sense as typed", () => {
  afterEach(() => bench.release());

  it.each([
    [["forget"], "missing required argument 'NAME'"],
    [["forget", "a b"], 'forget "a b": not the id or name of a container'],
    [["watch", "--form", "1"], "unknown option '--form' (Did you mean --from?)"],
  ])("are refused in one line: %j", async (argv, line) => {
    const base = await bench.folder();
    expect(await runCli(argv, { cwd: base, env })).toEqual({ code: 2, out: "", err: `p2prc: ${line}\n` });
  });

  it.each([
    [["watch", "--from", "1-a", "--initial"], "INVALID_REVISION"],
    [["watch", "--filter", "zap = 1"], "INVALID_FILTER"],
    [["containers", "--filter", "zap = 1"], "INVALID_FILTER"],
    [["groups", "--order-by", "zap"], "INVALID_ORDER_BY"],
  ])("are refused with the gateway's reason: %j", async (argv, reason) => {
    const base = await bench.folder();
    const line = expect.stringMatching(`^p2prc: [^\n]* \\(${reason}\\)\n$`);
    expect(await runCli(argv, { cwd: base, env })).toEqual({ code: 2, out: "", err: line });
  });
});

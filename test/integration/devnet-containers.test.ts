import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { ContainerOptions } from "../../src/devnet/contract.js";
import type { DialectName } from "../../src/devnet/dialects.js";
import { type Devnet, type DevnetOptions, openDevnet } from "../../src/devnet/devnet.js";
import type { GenerationName } from "../../src/devnet/docker-vm.js";

interface ErrorBody {
  route: string;
  case: string;
  status: number;
  contentType: string;
  body: string;
}
type Answer = Omit<ErrorBody, "route" | "case">;

const sampleUrl = new URL("../fixtures/samples/error-bodies.json", import.meta.url);
const samples = JSON.parse(readFileSync(sampleUrl, "utf8")) as ErrorBody[];

function sampleOf(route: string, about: string): Answer {
  const found = samples.find((sample) => sample.route.includes(route) && sample.case.includes(about));
  const { status, contentType, body } = found!;
  return { status, contentType, body };
}

let opened: Devnet[] = [];
afterEach(async () => {
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

async function aNode(
  dialect: DialectName,
  containers: ContainerOptions = {},
  options: Partial<DevnetOptions> = {},
): Promise<{ devnet: Devnet; address: string }> {
  // On an address of its own: a port that is to be closed must not be opened by the devnet of another test.
  const place = { firstAddress: "127.0.92.1" };
  const devnet = await openDevnet({ nodes: 1, dialects: [dialect], containers, ...place, ...options });
  opened.push(devnet);
  return { devnet, address: devnet.entryAddresses[0]! };
}

async function get(address: string, path: string): Promise<Answer> {
  const response = await fetch(`http://${address}${path}`);
  const contentType = response.headers.get("content-type")!;
  return { status: response.status, contentType, body: await response.text() };
}

interface Vm {
  ID: string;
  Ports: { Port: { PortName: string; InternalPort: number; ExternalPort: number }[] };
}

const keyText = "ssh-ed25519 AAAAC3Nza+C1/ZDI1NTE5 me@here\n";
const key = encodeURIComponent(Buffer.from(keyText).toString("base64"));
const json = "application/json; charset=utf-8";

/** Whatever comes from a port until it closes, or says enough. */
function hear(host: string, port: number, say = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let heard = "";
    socket.on("connect", () => socket.write(say));
    socket.on("data", (chunk) => {
      heard += chunk.toString();
      if (heard.startsWith("SSH-")) socket.destroy();
    });
    socket.on("close", () => resolve(heard));
    socket.on("error", reject);
  });
}

describe("/startcontainer of a devnet's node", () => {
  it("starts a container, tells it and has it running and in the ledger", async () => {
    const { devnet, address } = await aNode("2026-01");
    const path = `/startcontainer?ports=2&GPU=false&ContainerName=&BaseImage=a%2Fb&PublicKey=${key}`;
    const answer = await get(address, path);
    expect(answer).toMatchObject({ status: 200, contentType: json });
    const vm = JSON.parse(answer.body) as Vm;
    expect(vm).toMatchObject({ SSHUsername: "root", SSHPublicKey: keyText, BaseImage: "a/b", GPU: "false" });
    expect(vm.Ports.Port.map(({ PortName }) => PortName)).toEqual(["SSH", "AutoGen Port", "AutoGen Port"]);
    expect(devnet.node(0).containers).toMatchObject([{ state: "running", vm: { id: vm.ID } }]);
    expect(devnet.ledger.creates).toMatchObject([
      {
        node: address,
        url: path,
        query: { ports: "2", BaseImage: "a/b", PublicKey: Buffer.from(keyText).toString("base64") },
        id: vm.ID,
        isTold: true,
        status: 200,
        isAnswered: true,
      },
    ]);
    expect(devnet.ledger.count({ path: "/startcontainer", status: 200 })).toBe(1);
  });

  it("opens the container's ports: a banner on SSH, HTTP on the others; its removal closes them", async () => {
    const { address } = await aNode("2026-01");
    const host = address.split(":")[0]!;
    const { body } = await get(address, `/startcontainer?ports=1&PublicKey=${key}`);
    const vm = JSON.parse(body) as Vm;
    const [ssh, other] = vm.Ports.Port.map(({ ExternalPort }) => ExternalPort);
    expect(await hear(host, ssh!)).toBe("SSH-2.0-OpenSSH_9.6\r\n");
    expect((await fetch(`http://${host}:${other!}/`)).status).toBe(200);
    await get(address, `/RemoveContainer?id=${vm.ID}`);
    await expect(hear(host, ssh!)).rejects.toThrow("ECONNREFUSED");
    await expect(hear(host, other!)).rejects.toThrow("ECONNREFUSED");
  });

  it("hangs up on SSH until its delay is over", async () => {
    const { address } = await aNode("2026-01", { sshDelayMs: 1_500 });
    const host = address.split(":")[0]!;
    const { body } = await get(address, `/startcontainer?PublicKey=${key}`);
    const port = (JSON.parse(body) as Vm).Ports.Port[0]!.ExternalPort;
    expect(await hear(host, port)).toBe("");
    let heard = "";
    while (heard === "") {
      await new Promise((resolve) => setTimeout(resolve, 50));
      heard = await hear(host, port);
    }
    expect(heard).toContain("SSH-2.0");
  });

  it("opens no port where it is told not to", async () => {
    const { devnet, address } = await aNode("2026-01", { listens: false });
    const { body } = await get(address, `/startcontainer?ports=1&PublicKey=${key}`);
    const told = (JSON.parse(body) as Vm).Ports.Port.map(({ ExternalPort }) => ExternalPort);
    // By chance one may be the node's own.
    const ports = told.filter((port) => port !== devnet.port);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports)
      await expect(hear(address.split(":")[0]!, port)).rejects.toThrow("ECONNREFUSED");
  });

  it.each([
    ["", "PublicKey missing but container was built"],
    ["&PublicKey=c3+o", "PublicKey with an unescaped +"],
  ])("says an error before the container it starts, with the query %j", async (query, about) => {
    const { devnet, address } = await aNode("2026-01", { listens: false });
    const answer = await get(address, `/startcontainer?ports=1${query}`);
    const sample = sampleOf("/startcontainer", about);
    expect(answer).toMatchObject({ status: sample.status, contentType: sample.contentType });
    const [text, vm] = splitAtBrace(answer.body);
    expect(text).toBe(splitAtBrace(sample.body)[0]);
    expect(Object.keys(vm)).toEqual(Object.keys(splitAtBrace(sample.body)[1]));
    expect(devnet.ledger.creates).toMatchObject([{ id: vm["ID"], isTold: true, status: 500 }]);
    expect(devnet.node(address).containers).toHaveLength(1);
  });

  it.each([
    [`ContainerName=nosuch&PublicKey=${key}`, "unknown ContainerName"],
    [`BaseImage=does-not-build&PublicKey=${key}`, "docker build or run failed"],
    ["BaseImage=does-not-build", "PublicKey missing and docker failed"],
  ])("makes no container of %s", async (query, about) => {
    const { devnet, address } = await aNode("2026-01");
    expect(await get(address, `/startcontainer?${query}`)).toEqual(sampleOf("/startcontainer", about));
    expect(devnet.node(0).containers).toEqual([]);
    expect(devnet.ledger.creates).toMatchObject([{ isTold: false, status: 500, isAnswered: true }]);
    expect(devnet.ledger.creates[0]).not.toHaveProperty("id");
  });

  it("asked for a GPU it lacks leaves a container that nobody is told of; only the exact text asks", async () => {
    const [found] = await nodesByGpu();
    const { devnet, address } = found!;
    const answer = await get(address, `/startcontainer?GPU=true&PublicKey=${key}`);
    expect(answer).toMatchObject({ status: 500, body: "error: exit status 125null" });
    expect(devnet.node(address).containers).toMatchObject([{ state: "created" }]);
    expect(devnet.ledger.creates).toMatchObject([
      { id: devnet.node(address).containers[0]!.vm.id, isTold: false },
    ]);
    const echoed = await get(address, `/startcontainer?GPU=True&PublicKey=${key}`);
    expect(JSON.parse(echoed.body)).toMatchObject({ GPU: "True" });
  });

  it("asked for a GPU it has starts the container", async () => {
    const [, found] = await nodesByGpu();
    const { body } = await get(found!.address, `/startcontainer?GPU=true&PublicKey=${key}`);
    expect(JSON.parse(body)).toMatchObject({ GPU: "true" });
  });

  it.each<[GenerationName, string[]]>([
    ["2021-04-02", ["SSHPort", "SSHUsername", "SSHPassword", "VNCPort"]],
    ["2021-05", ["SSHPort", "SSHUsername", "SSHPassword", "VNCPort"]],
    ["2023-08", ["SSHUsername", "SSHPassword", "ID", "TagName"]],
  ])("spells the containers of %s if it is told to", async (generation, keys) => {
    const { address } = await aNode("2026-01", { generations: [generation] });
    const vm = JSON.parse((await get(address, "/startcontainer?ports=1")).body) as Record<string, number>;
    expect(Object.keys(vm).slice(0, 4)).toEqual(keys);
    if (generation === "2021-04-02") {
      expect(await hear(address.split(":")[0]!, vm["SSHPort"]!)).toContain("SSH-2.0");
      expect(await fetch(`http://${address.split(":")[0]!}:${vm["VNCPort"]!}/`)).toMatchObject({
        status: 200,
      });
      expect(await get(address, "/RemoveContainer?id=x")).toMatchObject({ status: 404 });
    }
  });

  it("takes as long as it is told, and goes on when its caller leaves", async () => {
    const { devnet, address } = await aNode("2026-01", { listens: false, createDelayMs: 1_500 });
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const leaving = new AbortController();
    const left = fetch(`http://${address}/startcontainer?PublicKey=${key}`, { signal: leaving.signal });
    await until(() => devnet.ledger.creates.length > 0);
    leaving.abort();
    await expect(left).rejects.toThrow();
    expect(devnet.ledger.creates).toMatchObject([{ isAnswered: false, isTold: false }]);
    expect(devnet.ledger.creates[0]).not.toHaveProperty("id");
    await until(() => devnet.ledger.creates[0]?.status !== undefined);
    expect(devnet.node(0).containers).toHaveLength(1);
    expect(devnet.ledger.creates).toMatchObject([
      { id: devnet.node(0).containers[0]!.vm.id, isAnswered: false, status: null },
    ]);
  });

  it("has no such route before 2021-04-02", async () => {
    const { address } = await aNode("2021-03-21", {}, { port: 8088, firstAddress: "127.0.91.1" });
    const unknown = sampleOf("any unknown route", "gin default");
    expect(await get(address, "/startcontainer")).toEqual(unknown);
    expect(await get(address, "/RemoveContainer?id=x")).toEqual(unknown);
  });
});

describe("/RemoveContainer of a devnet's node", () => {
  it("removes the container once", async () => {
    const { devnet, address } = await aNode("2026-01");
    const { ID } = JSON.parse((await get(address, `/startcontainer?PublicKey=${key}`)).body) as Vm;
    const path = `/RemoveContainer?id=${ID}`;
    expect(await get(address, path)).toEqual(sampleOf("/RemoveContainer", "success"));
    expect(devnet.node(0).containers).toEqual([]);
    expect(devnet.ledger.creates[0]).toHaveProperty("removedAt");
    expect(await get(address, path)).toEqual(sampleOf("/RemoveContainer", "failure, 2023-08 onwards"));
    expect(devnet.ledger.removals).toMatchObject([
      { id: ID, url: path, isRemoved: true, status: 200, isAnswered: true },
      { id: ID, isRemoved: false, status: 500, isAnswered: true },
    ]);
  });

  it("says before 2023-08 what Docker says", async () => {
    const { address } = await aNode("2023-03");
    expect(await get(address, "/RemoveContainer?id=b4d1f00c")).toEqual(
      sampleOf("/RemoveContainer", "failure before 2023-08"),
    );
  });
});

/** A node without a GPU and one with. */
async function nodesByGpu(): Promise<{ devnet: Devnet; address: string }[]> {
  const devnet = await openDevnet({ nodes: 12, dialects: ["2026-01"] });
  opened.push(devnet);
  const specs = await Promise.all(devnet.nodes.map(({ address }) => get(address, "/server_info")));
  const lacksGpu = specs.map(({ body }) => body.endsWith('"GPU":null}'));
  return [true, false].map((lacks) => ({ devnet, address: devnet.nodes[lacksGpu.indexOf(lacks)]!.address }));
}

function splitAtBrace(body: string): [string, Record<string, unknown>] {
  const position = body.indexOf("{");
  return [body.slice(0, position), JSON.parse(body.slice(position)) as Record<string, unknown>];
}

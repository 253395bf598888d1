import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import type { ContainerFaultName, createFaults } from "../../src/devnet/container-faults.js";
import {
  type ContainerOptions,
  type Devnet,
  type DevnetOptions,
  openDevnet,
} from "../../src/devnet/devnet.js";
import {
  contentOf,
  isError,
  isOk,
  isReset,
  isSilent,
  removeOf,
  request,
  start,
  startPath,
  type Vm,
  vmIn,
} from "../support/container-calls.js";
import { createTalker, type Heard } from "../support/talker.js";

const { talk, hangUpAll } = createTalker();

let opened: Devnet[] = [];
afterEach(async () => {
  hangUpAll();
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

interface Found {
  devnet: Devnet;
  address: string;
}

/** An entry node, and one node with the fault, whose containers take no sockets. */
async function aNodeWith(
  fault: ContainerFaultName,
  containers: ContainerOptions = {},
  options: Partial<DevnetOptions> = {},
): Promise<Found> {
  const devnet = await openDevnet({
    nodes: 2,
    faults: { [fault]: 1 },
    dialects: ["2026-01"],
    slowDelayMs: 300,
    containers: { listens: false, ...containers },
    ...options,
  });
  opened.push(devnet);
  return { devnet, address: devnet.nodes.find((node) => node.fault === fault)!.address };
}

/** Faults whose answer has no end of its own: when to stop listening. */
const patience: Partial<Record<ContainerFaultName, [enoughBytes: number, silenceMs: number]>> = {
  "hang-create": [Infinity, 150],
  "ignore-create": [Infinity, 150],
  "endless-create": [32 * 2 ** 20, 10_000],
};
const provoke = (fault: ContainerFaultName, address: string, text: string): Promise<Heard> =>
  talk(address, text, ...(patience[fault] ?? []));

const statedBytes = ({ head }: Heard): number => Number(/Content-Length: ([0-9]+)/.exec(head)![1]);
const isCutShort = (heard: Heard): boolean =>
  isOk(heard) && heard.end === "closed" && heard.body.length < statedBytes(heard);
const sshPort = (heard: Heard): number =>
  vmIn(heard).Ports.Port!.find(({ PortName }) => PortName === "SSH")!.ExternalPort;

/** What gives a fault away, and what is in the ledger after it. */
const creates: Record<
  keyof typeof createFaults,
  { sign: (heard: Heard) => boolean; isMade: boolean; isTold: boolean; isAnswered: boolean }
> = {
  "cut-create": { sign: isCutShort, isMade: true, isTold: true, isAnswered: false },
  "crash-create": { sign: isCutShort, isMade: true, isTold: true, isAnswered: false },
  "hang-create": { sign: isSilent, isMade: true, isTold: false, isAnswered: false },
  "reset-create": { sign: isReset, isMade: true, isTold: false, isAnswered: false },
  "slow-create": {
    sign: (heard) => isOk(heard) && heard.elapsedMs >= 299 && vmIn(heard).ID.length === 22,
    isMade: true,
    isTold: true,
    isAnswered: true,
  },
  "ignore-create": { sign: isSilent, isMade: false, isTold: false, isAnswered: false },
  "drop-create": { sign: isReset, isMade: false, isTold: false, isAnswered: false },
  "status500-create": {
    sign: (heard) => isError(heard, "error: exit status 1null"),
    isMade: false,
    isTold: false,
    isAnswered: true,
  },
  "status500-told-create": {
    sign: (heard) => {
      const text = contentOf(heard);
      const vm = JSON.parse(text.slice(text.indexOf("{"))) as Vm;
      return text.startsWith('error: Publickey not passed{"SSHUsername"') && vm.ID.length === 22;
    },
    isMade: true,
    isTold: true,
    isAnswered: true,
  },
  "status500-untold-create": {
    sign: (heard) => isError(heard, "error: exit status 125null"),
    isMade: true,
    isTold: false,
    isAnswered: true,
  },
  "atoi-create": {
    sign: (heard) => isError(heard, 'error: strconv.Atoi: parsing "": invalid syntaxnull'),
    isMade: true,
    isTold: false,
    isAnswered: true,
  },
  "fixed-id-create": told((vm) => vm.ID === "sameForAllOfTheirNodes"),
  "shell-id-create": told((vm) => vm.ID.includes("$(") && vm.ID.includes("`") && vm.ID.startsWith("../")),
  "huge-id-create": told((vm) => vm.ID.length === 2 ** 20),
  "empty-id-create": { ...told((vm) => vm.ID === ""), isTold: false },
  "html-create": {
    sign: (heard) => isOk(heard) && heard.head.includes("text/html"),
    isMade: true,
    isTold: false,
    isAnswered: true,
  },
  "broken-json-create": {
    sign: (heard) => {
      const text = contentOf(heard);
      return isOk(heard) && statedBytes(heard) === text.length && !text.endsWith("}");
    },
    isMade: true,
    isTold: true,
    isAnswered: true,
  },
  "two-documents-create": {
    sign: (heard) => {
      const [first, second] = contentOf(heard).split(/(?<=\})(?=\{"SSHUsername")/);
      return first === second && (JSON.parse(first!) as Vm).ID !== "";
    },
    isMade: true,
    isTold: true,
    isAnswered: true,
  },
  "huge-body-create": told((vm) => vm.ID.length === 22 && vm.TagName.length > 16 * 2 ** 20),
  "endless-create": {
    sign: (heard) => heard.end === "open" && heard.body.length > 30 * 2 ** 20,
    isMade: true,
    isTold: true,
    isAnswered: false,
  },
  "high-port-create": { ...told(), sign: (heard) => sshPort(heard) === 70_000 },
  "negative-port-create": { ...told(), sign: (heard) => sshPort(heard) === -1 },
  "many-ports-create": told((vm) => vm.Ports.Port!.length === 100_000),
  "null-ports-create": told((vm) => vm.Ports.Port === null),
};

function told(isMeant: (vm: Vm) => boolean = () => true): {
  sign: (heard: Heard) => boolean;
  isMade: boolean;
  isTold: boolean;
  isAnswered: boolean;
} {
  return {
    sign: (heard) => isOk(heard) && isMeant(vmIn(heard)),
    isMade: true,
    isTold: true,
    isAnswered: true,
  };
}

/** Waits until the ledger knows how its last call ended. */
async function lastCreate({ devnet }: Found): Promise<Devnet["ledger"]["creates"][number]> {
  hangUpAll();
  for (;;) {
    const last = devnet.ledger.creates.at(-1);
    if (last?.status !== undefined) return last;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("a node that fails its creates", () => {
  it.each(Object.keys(creates) as (keyof typeof createFaults)[])("with %s", async (fault) => {
    const found = await aNodeWith(fault);
    const { sign, isMade, isTold, isAnswered } = creates[fault];
    expect(sign(await provoke(fault, found.address, start))).toBe(true);
    const create = await lastCreate(found);
    expect(create).toMatchObject({ url: startPath, isTold, isAnswered });
    const containers = found.devnet.node(found.address).containers;
    expect(containers.map(({ vm }) => vm.id)).toEqual(isMade ? [create.id] : []);
    expect(found.devnet.node(found.address).isListening).toBe(fault !== "crash-create");
  });

  it.each(["cut-create", "slow-create", "status500-create", "empty-id-create"] as const)(
    "with %s is healthy when probed, and at removals",
    async (fault) => {
      const { address } = await aNodeWith(fault);
      expect(isOk(await talk(address, request("/server_info")))).toBe(true);
      expect(isError(await talk(address, removeOf("nope")), "error: exit status 1success")).toBe(true);
    },
  );

  it.each([0, 5, 12, 60, 1_000_000])("cuts its reply after %d bytes", async (bytes) => {
    const found = await aNodeWith("cut-create", { replyCutAfterBytes: bytes });
    const [host, port] = found.address.split(":");
    const socket = connect({ host: host!, port: Number(port) }, () => socket.write(start));
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    await once(socket, "close");
    const reply = Buffer.concat(chunks);
    const isWhole = bytes === 1_000_000;
    if (!isWhole) expect(reply).toHaveLength(bytes);
    expect(await lastCreate(found)).toMatchObject({
      status: bytes < 12 ? null : 200,
      isTold: isWhole,
      isAnswered: isWhole,
    });
  });

  it("with fixed-id-create gives the id that it is told, on every node, as often as it is asked", async () => {
    const { devnet } = await aNodeWith(
      "fixed-id-create",
      { fixedId: "twin" },
      { nodes: 4, faults: { "fixed-id-create": 2 } },
    );
    const faulty = devnet.nodes.filter(({ fault }) => fault !== undefined);
    const ids = [];
    for (const { address } of [...faulty, ...faulty]) ids.push(vmIn(await talk(address, start)).ID);
    expect(ids).toEqual(["twin", "twin", "twin", "twin"]);
    const { address } = faulty[0]!;
    await talk(address, removeOf("twin"));
    expect(devnet.node(address).containers).toHaveLength(1);
    expect(devnet.ledger.creates.filter(({ removedAt }) => removedAt !== undefined)).toHaveLength(1);
  });

  it("with shell-id-create takes the id back at the removal", async () => {
    const { devnet, address } = await aNodeWith("shell-id-create");
    const { ID } = vmIn(await talk(address, start));
    expect(contentOf(await talk(address, removeOf(ID)))).toBe("success");
    expect(devnet.node(address).containers).toEqual([]);
  });

  it("lies about the ports of old containers, too", async () => {
    for (const [fault, expected] of [
      ["high-port-create", { SSHPort: 70_000 }],
      ["negative-port-create", { SSHPort: -1 }],
      ["null-ports-create", { SSHPort: null, OpenPorts: null }],
    ] as const) {
      const { address } = await aNodeWith(fault, { generations: ["2021-04-10"] });
      expect(vmIn(await talk(address, start))).toMatchObject(expected);
    }
  });
});

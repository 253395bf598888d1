/**
 * How each version of P2PRC spells a container, and what its container routes read.
 *
 * Keys, their order and their types are those of the Go structs at the day in the name. Source: shared protocol notes,
 * "Structs: DockerVM" and "Server routes"; samples `docker-vm.DATE.json`.
 */

import { goJson } from "./go-json.js";

export interface VmPort {
  readonly name: string;
  readonly internal: number;
  readonly external: number;
  /** Whether the image said that it serves there. */
  readonly isUsed: boolean;
  readonly description: string;
}

/** What a node knows of a container, before a generation spells it. */
export interface VmRecord {
  readonly id: string;
  /** Of the image. */
  readonly folder: string;
  readonly tagName: string;
  /** The image's ports, then those that were asked for. */
  readonly ports: readonly VmPort[];
  /** 0 = none. */
  readonly vncPort: number;
  /** As it was asked for. */
  readonly gpu: string;
  readonly baseImage: string;
  /** As text, decoded. */
  readonly publicKey: string;
}

type Field = readonly [key: string, valueOf: (vm: VmRecord) => unknown];

export type StartParameter = "ports" | "GPU" | "ContainerName" | "BaseImage" | "PublicKey";

export interface Generation {
  readonly fields: readonly Field[];
  /** What /startcontainer reads; the rest of a query is ignored. */
  readonly reads: readonly StartParameter[];
  /** /RemoveContainer is there from 2021-04-10 on. @default true */
  readonly removes?: boolean;
  /** @default false */
  readonly hasVnc?: boolean;
  /** Docker is run as a command: short ids for every container, `exit status` where it fails. @default false */
  readonly runsDockerCommand?: boolean;
}

const sshPort = (vm: VmRecord): number => vm.ports.find(({ name }) => name === "SSH")?.external ?? 0;
const imagesFolder = "/home/user/p2prc/server/docker/containers";

const field = {
  sshPort: ["SSHPort", sshPort],
  master: ["SSHUsername", () => "master"],
  root: ["SSHUsername", () => "root"],
  password: ["SSHPassword", () => "password"],
  vncPort: ["VNCPort", (vm) => vm.vncPort],
  vncPassword: ["VNCPassword", (vm) => (vm.vncPort === 0 ? "" : "vncpassword")],
  publicKeyPath: ["SSHPublicKey", () => "/home/user/p2prc/p2prc.publicKey"],
  privateKeyPath: ["SSHPrivateKey", () => "/home/user/p2prc/p2prc.privateKey"],
  publicKey: ["SSHPublicKey", (vm) => vm.publicKey],
  // For its first days the struct had an id that nobody filled.
  noId: ["ID", () => ""],
  id: ["ID", (vm) => vm.id],
  tagName: ["TagName", (vm) => vm.tagName],
  imagePath: ["ImagePath", (vm) => `${imagesFolder}/${vm.folder}/`],
  tempImagePath: ["ImagePath", () => "/tmp"],
  openPorts: ["OpenPorts", openPorts],
  ports2021July: ["Ports", (vm) => ({ Port: vm.ports.map((port) => spellPort(port, {})) })],
  ports: ["Ports", (vm) => ({ Port: vm.ports.map((port) => spellPort(port, { IsUsed: port.isUsed })) })],
  gpu: ["GPU", (vm) => vm.gpu],
  tempPath: ["TempPath", () => ""],
  baseImage: ["BaseImage", (vm) => vm.baseImage],
  logsPath: ["LogsPath", () => "/tmp/"],
  sshCommand: ["SSHCommand", () => ""],
} as const satisfies Record<string, Field>;

const passwords2021 = [
  field.sshPort,
  field.master,
  field.password,
  field.vncPort,
  field.vncPassword,
] as const;
const password = [field.master, field.password] as const;
const image2021 = [field.tagName, field.imagePath] as const;
const image2023 = [field.id, field.tagName, field.tempImagePath, field.ports, field.gpu] as const;
const paths2023 = [field.tempPath, field.baseImage, field.logsPath] as const;
const reads2021 = ["ports", "GPU", "ContainerName"] as const;

/** Named by the day they begin. */
export const generations = {
  "2021-04-02": {
    fields: [...passwords2021, field.noId, ...image2021],
    reads: [],
    removes: false,
    hasVnc: true,
  },
  "2021-04-07": {
    fields: [...passwords2021, field.id, ...image2021, field.openPorts],
    reads: ["ports"],
    removes: false,
    hasVnc: true,
  },
  "2021-04-10": {
    fields: [...passwords2021, field.id, ...image2021, field.openPorts, field.gpu],
    reads: ["ports", "GPU"],
    hasVnc: true,
  },
  // ContainerName came some weeks into it.
  "2021-05": {
    fields: [...passwords2021, field.id, ...image2021, field.openPorts, field.gpu],
    reads: reads2021,
  },
  "2021-07": {
    fields: [...password, field.id, ...image2021, field.ports2021July, field.gpu],
    reads: reads2021,
  },
  "2021-10": { fields: [...password, field.id, ...image2021, field.ports, field.gpu], reads: reads2021 },
  "2023-08": {
    fields: [...password, ...image2023, ...paths2023],
    reads: [...reads2021, "BaseImage"],
    runsDockerCommand: true,
  },
  "2023-12-15": {
    fields: [
      field.root,
      field.publicKeyPath,
      field.privateKeyPath,
      ...image2023,
      ...paths2023,
      field.sshCommand,
    ],
    reads: [...reads2021, "BaseImage"],
    runsDockerCommand: true,
  },
  "2023-12": {
    fields: [field.root, field.publicKey, ...image2023, ...paths2023, field.sshCommand],
    reads: [...reads2021, "BaseImage", "PublicKey"],
    runsDockerCommand: true,
  },
} as const satisfies Record<string, Generation>;

export type GenerationName = keyof typeof generations;

export const generationNames = Object.keys(generations) as readonly GenerationName[];

/** Spells the answer of /startcontainer. */
export const encodeVm = (generation: Generation, vm: VmRecord): string =>
  goJson(Object.fromEntries(generation.fields.map(([key, valueOf]) => [key, valueOf(vm)])));

/** A list without entries is null. */
function openPorts(vm: VmRecord): readonly number[] | null {
  const asked = vm.ports.filter(({ isUsed }) => !isUsed).map(({ external }) => external);
  return asked.length === 0 ? null : asked;
}

const spellPort = (port: VmPort, isUsed: { readonly IsUsed?: boolean }): unknown => ({
  PortName: port.name,
  InternalPort: port.internal,
  Type: "tcp",
  ExternalPort: port.external,
  ...isUsed,
  Description: port.description,
});

/**
 * Containers and groups as the original prints them: the keys of its current generation, in their order; what nobody
 * told is empty. Source: shared protocol notes, "Structs: DockerVM", "trackcontainers.json", "grouptrackcontainers.json".
 */
import type { Port } from "../gen/p2prc/client/v1/container_pb.js";
import type { Group } from "../gen/p2prc/client/v1/group_pb.js";
import { addressOf } from "./crawl-text.js";
import type { OpenedContainer } from "./list-containers.js";

/** A node's description of a container, as `--touch` prints it. It holds secrets. */
export function toOriginalContainer({ container, access }: OpenedContainer): unknown {
  const { id, spec, ports } = container;
  return {
    SSHUsername: access.sshUsername,
    // Containers of before 2023-12-15 take a password, and their JSON has it in this place.
    ...(access.sshPassword === ""
      ? { SSHPublicKey: asKeyFile(access.sshPublicKey) }
      : { SSHPassword: access.sshPassword }),
    ID: id,
    TagName: "",
    ImagePath: "",
    Ports: { Port: ports.length === 0 ? null : ports.map(toOriginalPort) },
    GPU: String(spec?.gpu ?? false),
    TempPath: "",
    BaseImage: spec?.baseImage ?? "",
    LogsPath: "",
    SSHCommand: access.sshCommand,
    // Until 2021-07 it was told in keys of its own; today's generation has no place for it.
    ...(access.vncPort === 0 ? {} : { VNCPort: access.vncPort, VNCPassword: access.vncPassword }),
  };
}

/** The tracked containers, as `--tc` prints them. No containers are a list all the same: scripts iterate over it. */
export function toOriginalTracked(opened: readonly OpenedContainer[]): unknown {
  return { TrackContainer: opened.map(toOriginalEntry) };
}

/** One group, as `--cgroup` and `--group` print it: the original has null for a new one, and a list ever after. */
export function toOriginalGroup({ id, emptied }: Group, members: readonly OpenedContainer[]): unknown {
  const isNew = members.length === 0 && !emptied;
  return { ID: id, TrackContainer: isNew ? null : members.map(toOriginalEntry) };
}

function toOriginalEntry(opened: OpenedContainer): unknown {
  const { id, node } = opened.container;
  return { ID: id, Container: toOriginalContainer(opened), IpAddress: addressOf(node) };
}

function toOriginalPort({ name, internalPort, protocol, externalPort, used, description }: Port): unknown {
  return {
    PortName: name,
    InternalPort: internalPort,
    Type: protocol,
    ExternalPort: externalPort,
    IsUsed: used,
    Description: description,
  };
}

/** Nodes send the text of the file that they were given, with its last newline. */
const asKeyFile = (keys: string): string => (keys === "" ? "" : `${keys}\n`);

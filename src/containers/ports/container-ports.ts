import { parseDockerVm } from "../../peer-api/docker-vm.js";
import type { PortSign } from "../../peer-api/contract.js";
import type { WaitRequest } from "../contract.js";
import { ContainerError } from "../errors.js";
import { containerName } from "../names.js";
import type { ContainerRecord } from "../records.js";
import type { Records } from "../tracked-state.js";

/** @returns 0 if its node told none */
export const sshPortOf = (records: Records, key: string): number =>
  parseDockerVm(records.get("secret", key)?.dockerVm)?.sshPort ?? 0;

/** What a wait looks for at which port of a container. @throws {ContainerError} PORT_NOT_FOUND */
export function portOfWait(
  records: Records,
  key: string,
  record: ContainerRecord,
  { condition, externalPort }: WaitRequest,
): { readonly port: number; readonly sign: PortSign } {
  const described = parseDockerVm(records.get("secret", key)?.dockerVm);
  const sshPort = described?.sshPort ?? 0;
  if (condition === "SSH_READY") {
    if (sshPort === 0) throw notFound(record, "condition", "the container has no SSH port");
    return { port: sshPort, sign: "SSH_BANNER" };
  }
  const sign = condition === "HTTP_OK" ? "HTTP" : "TCP";
  const told = record.ports.map((port) => port.externalPort);
  if (externalPort === 0) {
    const port = told.find((candidate) => candidate !== sshPort);
    if (port === undefined) throw notFound(record, "external_port", "the container has no port besides SSH");
    return { port, sign };
  }
  // Until 2021-07 the ports of SSH and VNC stood beside the list.
  if (![...told, sshPort, described?.vncPort].includes(externalPort)) {
    throw notFound(record, "external_port", "the container has no such port");
  }
  return { port: externalPort, sign };
}

/**
 * Finds the port of the node's machine that an internal port of a container is published on.
 *
 * Behind a proxy nodes tell the proxy's ports as external ones. Those that were asked for have the same number inside and
 * on the node, so there the internal one is right. Source: shared protocol notes, "DockerVM".
 *
 * @throws {ContainerError} PORT_NOT_FOUND
 */
export function nodePortOf(
  records: Records,
  key: string,
  record: ContainerRecord,
  internalPort: number,
): number {
  const told = record.ports.find((port) => port.internalPort === internalPort);
  if (told !== undefined) return told.name === "AutoGen Port" ? told.internalPort : told.externalPort;
  // Until 2021-07 the port of SSH stood beside the list.
  const sshPort = internalPort === 22 ? sshPortOf(records, key) : 0;
  if (sshPort === 0) throw notFound(record, "port", "the container has no such internal port");
  return sshPort;
}

const notFound = ({ address, id }: ContainerRecord, field: string, message: string): ContainerError =>
  new ContainerError("PORT_NOT_FOUND", message, {
    field,
    metadata: { container: containerName(address, id) },
  });

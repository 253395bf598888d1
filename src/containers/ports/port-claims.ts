/** Ports that a plugin takes: marked in the state, and so in the tracking files. */
import type { ContainerPort } from "../../peer-api/contract.js";
import { parseDockerVm, withPortsMarked } from "../../peer-api/docker-vm.js";
import type { JsonValue } from "../../store/contract.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { ContainerError } from "../errors.js";
import { findNamed } from "../lookup.js";
import { containerName } from "../names.js";
import { notTracked } from "../life/remove-errors.js";
import type { ContainerRecord } from "../records.js";

/**
 * Finds the first ports that nothing runs on, and marks them, all or none.
 *
 * @param validateOnly marks none
 * @throws {ContainerError} PORTS_EXHAUSTED
 */
export async function takePorts(
  deps: ChangeDeps,
  name: string,
  count: number,
  validateOnly = false,
): Promise<readonly ContainerPort[]> {
  return await change(deps, (draft) => {
    const { key, record } = find(deps, draft, name);
    const ports = freePortsOf(draft, key, record).slice(0, count);
    if (ports.length < count) throw portsExhausted(record, count, ports.length);
    if (!validateOnly) mark(draft, key, record, ports, true);
    return ports;
  });
}

/** Says that nothing runs on ports any more. Those that the container does not have are passed over. */
export async function freePorts(
  deps: ChangeDeps,
  name: string,
  ports: readonly ContainerPort[],
): Promise<void> {
  await change(deps, (draft) => {
    const { key, record } = find(deps, draft, name);
    mark(draft, key, record, ports, false);
  });
}

/** SSH and VNC serve already, whatever old descriptions say of them. */
function freePortsOf(draft: Draft, key: string, { ports }: ContainerRecord): readonly ContainerPort[] {
  const described = parseDockerVm(draft.get("secret", key)?.dockerVm);
  const taken = [described?.sshPort, described?.vncPort];
  return ports.filter(({ isUsed, externalPort }) => !isUsed && !taken.includes(externalPort));
}

function mark(
  draft: Draft,
  key: string,
  record: ContainerRecord,
  ports: readonly ContainerPort[],
  isUsed: boolean,
): void {
  const isMeant = (port: ContainerPort): boolean =>
    ports.some(
      ({ externalPort, protocol }) => port.externalPort === externalPort && port.protocol === protocol,
    );
  if (!record.ports.some((port) => isMeant(port) && port.isUsed !== isUsed)) return;
  const marked = record.ports.map((port) => (isMeant(port) ? { ...port, isUsed } : port));
  draft.put("container", key, { ...record, ports: marked });
  const secret = draft.get("secret", key);
  if (secret === undefined) return;
  const dockerVm = withPortsMarked(secret.dockerVm, isMeant, isUsed) as JsonValue;
  draft.put("secret", key, { ...secret, dockerVm });
}

function find(
  { state }: ChangeDeps,
  draft: Draft,
  name: string,
): { readonly key: string; readonly record: ContainerRecord } {
  const found = findNamed(state, name);
  const record = found === undefined ? undefined : draft.get("container", found.key);
  if (found === undefined || record === undefined) throw notTracked(name);
  return { key: found.key, record };
}

const portsExhausted = ({ address, id }: ContainerRecord, wanted: number, free: number): ContainerError =>
  new ContainerError("PORTS_EXHAUSTED", `${wanted} unused ports are wanted, and the container has ${free}`, {
    metadata: { container: containerName(address, id) },
  });

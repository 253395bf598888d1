/** Containers and groups for people. No secrets. */
import type { Container } from "../gen/p2prc/client/v1/container_pb.js";
import type { Group } from "../gen/p2prc/client/v1/group_pb.js";
import { type Column, printColumns } from "./columns.js";
import { stateText, timeText } from "./container-text.js";
import { plainText } from "./plain-text.js";
import type { TextSink } from "./surroundings.js";

const containerColumns: readonly Column<Container>[] = [
  { head: "CONTAINER", cell: ({ name }) => plainText(name) },
  { head: "STATE", cell: stateText },
  { head: "REASON", cell: ({ stateReason }) => plainText(stateReason) },
  { head: "PORTS", cell: portsText },
  { head: "GROUPS", isNumber: true, cell: ({ groups }) => String(groups.length) },
  { head: "CREATED", cell: ({ createTime }) => timeText(createTime) },
];

const groupColumns: readonly Column<Group>[] = [
  { head: "GROUP", cell: ({ id }) => plainText(id) },
  { head: "MEMBERS", isNumber: true, cell: ({ containerCount }) => String(containerCount) },
  { head: "CREATED", cell: ({ createTime }) => timeText(createTime) },
];

export const printContainers = (stdout: TextSink, containers: readonly Container[]): void =>
  printColumns(stdout, containerColumns, containers);

export const printGroups = (stdout: TextSink, groups: readonly Group[]): void =>
  printColumns(stdout, groupColumns, groups);

/** A node may name hundreds. */
const maxPorts = 4;

/** `SSH 44269, AutoGen Port 38121`: on the node's address. */
function portsText({ ports }: Container): string {
  const shown = ports
    .slice(0, maxPorts)
    .map(({ name, externalPort }) => `${plainText(name)} ${externalPort}`.trim());
  return [...shown, ...(ports.length > maxPorts ? [`${ports.length - maxPorts} more`] : [])].join(", ");
}

/**
 * What `filter` and `order_by` may name of containers and groups: the fields of the proto's messages, spelt as there.
 * docs/filters.md lists the same names. Tests compare both with these tables, both ways.
 */
import {
  boolean,
  enumeration,
  type FieldTable,
  integer,
  mapOfText,
  repeatedBoolean,
  repeatedInteger,
  repeatedText,
  text,
  timestamp,
} from "../filter/fields.js";
import { type Container, containerStates, type Group } from "./contract.js";

export const containerFields = {
  name: text((container) => container.name),
  id: text((container) => container.id),
  node: text((container) => container.node),
  "spec.port_count": integer((container) => container.spec.portCount),
  "spec.gpu": boolean((container) => container.spec.gpu),
  "spec.image": text((container) => container.spec.image),
  "spec.base_image": text((container) => container.spec.baseImage),
  "spec.ssh_public_key": text((container) => container.spec.sshPublicKey),
  "spec.labels": mapOfText((container) => container.spec.labels),
  state: enumeration("STATE_", containerStates, (container) => container.state),
  state_reason: text((container) => container.stateReason),
  "ports.name": repeatedText((container) => container.ports.map(({ name }) => name)),
  "ports.internal_port": repeatedInteger((container) => container.ports.map((port) => port.internalPort)),
  "ports.external_port": repeatedInteger((container) => container.ports.map((port) => port.externalPort)),
  "ports.protocol": repeatedText((container) => container.ports.map(({ protocol }) => protocol)),
  "ports.used": repeatedBoolean((container) => container.ports.map(({ isUsed }) => isUsed)),
  "ports.description": repeatedText((container) => container.ports.map(({ description }) => description)),
  groups: repeatedText((container) => container.groups),
  create_time: timestamp((container) => container.createTimeMs),
  last_seen_time: timestamp((container) => container.lastSeenTimeMs),
  etag: text((container) => container.etag),
  ssh_username: text((container) => container.sshUsername),
  remove_time: timestamp((container) => container.removeTimeMs),
} satisfies FieldTable<Container>;

export const groupFields = {
  name: text((group) => group.name),
  id: text((group) => group.id),
  containers: repeatedText((group) => group.containers),
  container_count: integer((group) => group.containers.length),
  create_time: timestamp((group) => group.createTimeMs),
  etag: text((group) => group.etag),
  emptied: boolean((group) => group.isEmptied),
} satisfies FieldTable<Group>;

import { create } from "@bufbuild/protobuf";
import type { Access, Container, Group, TargetResult } from "../containers/contract.js";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import {
  type Access as WireAccess,
  AccessSchema,
  type Container as WireContainer,
  Container_State,
  ContainerSchema,
} from "../gen/p2prc/client/v1/container_pb.js";
import {
  type Group as WireGroup,
  GroupSchema,
  type TargetStatus,
  TargetStatusSchema,
} from "../gen/p2prc/client/v1/group_pb.js";
import { toConnectError } from "./errors.js";
import { time, toDuration } from "./to-node.js";

const stateOf = {
  PENDING: Container_State.PENDING,
  ACTIVE: Container_State.ACTIVE,
  UNREACHABLE: Container_State.UNREACHABLE,
  REMOVING: Container_State.REMOVING,
  REMOVE_FAILED: Container_State.REMOVE_FAILED,
  REMOVED: Container_State.REMOVED,
  FAILED: Container_State.FAILED,
  UNKNOWN: Container_State.UNKNOWN,
} as const satisfies Record<Container["state"], Container_State>;

/** Converts a container to its message. */
export function toContainer(container: Container): WireContainer {
  const { name, id, node, spec, ports, groups, sshUsername, etag } = container;
  return create(ContainerSchema, {
    name,
    id,
    node,
    spec: {
      portCount: spec.portCount,
      gpu: spec.gpu,
      image: spec.image,
      baseImage: spec.baseImage,
      sshPublicKey: spec.sshPublicKey,
      labels: Object.fromEntries(spec.labels),
    },
    state: stateOf[container.state],
    stateReason: container.stateReason,
    ports: ports.map(({ isUsed, ...port }) => ({ ...port, used: isUsed })),
    groups: [...groups],
    ...time("createTime", container.createTimeMs === 0 ? undefined : container.createTimeMs),
    ...time("lastSeenTime", container.lastSeenTimeMs),
    ...time("removeTime", container.removeTimeMs),
    etag,
    sshUsername,
  });
}

/** Converts how to log in to its message. It holds secrets. */
export const toAccess = (access: Access): WireAccess => create(AccessSchema, { ...access });

/** Converts a group to its message. */
export function toGroup({ name, id, containers, createTimeMs, etag, isEmptied }: Group): WireGroup {
  return create(GroupSchema, {
    name,
    id,
    containers: [...containers],
    containerCount: containers.length,
    ...time("createTime", createTimeMs),
    etag,
    emptied: isEmptied,
  });
}

/** Converts what became of one target: its error is data here. */
export function toTargetStatus({ target, error, elapsedMs }: TargetResult): TargetStatus {
  if (error === undefined) return create(TargetStatusSchema, { target, elapsed: toDuration(elapsedMs) });
  const failure = toConnectError(error, neverAborted);
  const [info] = failure.findDetails(ErrorInfoSchema);
  return create(TargetStatusSchema, {
    target,
    code: failure.code,
    message: failure.rawMessage,
    elapsed: toDuration(elapsedMs),
    ...(info === undefined ? {} : { error: info }),
  });
}

const neverAborted = new AbortController().signal;

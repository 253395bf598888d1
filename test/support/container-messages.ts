/** Containers, groups and their changes as the gateway sends them, with the one thing that matters. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Container,
  Container_State,
  ContainerSchema,
} from "../../src/gen/p2prc/client/v1/container_pb.js";
import { type Group, GroupSchema } from "../../src/gen/p2prc/client/v1/group_pb.js";
import {
  type Change_Type,
  type ChangeSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../src/gen/p2prc/client/v1/watch_pb.js";

export const noon = timestampFromDate(new Date(2026, 0, 31, 12, 0, 1));

export const aContainer = (id: string, init: MessageInitShape<typeof ContainerSchema> = {}): Container =>
  create(ContainerSchema, {
    name: `nodes/203.0.113.7:8088/containers/${id}`,
    id,
    state: Container_State.ACTIVE,
    ...init,
  });
export const aGroup = (members: readonly Container[]): Group =>
  create(GroupSchema, {
    name: "groups/grp1",
    id: "grp1",
    containers: members.map(({ name }) => name),
    containerCount: members.length,
  });
export const message = (...changes: MessageInitShape<typeof ChangeSchema>[]): WatchResponse =>
  create(WatchResponseSchema, { changes, eventTime: noon });
export const ofContainer = (type: Change_Type, value: Container, before?: Container) => ({
  type,
  item: { case: "container" as const, value },
  ...(before === undefined ? {} : { previous: { case: "previousContainer" as const, value: before } }),
});
export const ofGroup = (type: Change_Type, value: Group, before?: Group) => ({
  type,
  item: { case: "group" as const, value },
  ...(before === undefined ? {} : { previous: { case: "previousGroup" as const, value: before } }),
});

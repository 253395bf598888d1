import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  CallerOptions,
  Change,
  ContainerService,
  ContainerSpec,
  WaitCondition,
  WatchMessage,
} from "../containers/contract.js";
import { containerLimits } from "../containers/limits.js";
import type { Caller } from "../p2p/contract.js";
import type { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import {
  type ContainerSpec as WireSpec,
  WaitContainerRequest_Condition as Condition,
} from "../gen/p2prc/client/v1/container_pb.js";
import {
  type Change as WireChange,
  Change_Type,
  ChangeSchema,
  type WatchRequest,
  WatchRequest_Kind,
  type WatchResponse,
  WatchResponse_Type,
  WatchResponseSchema,
} from "../gen/p2prc/client/v1/watch_pb.js";
import { fromPage, toMilliseconds } from "./from-wire.js";
import { toAccess, toContainer, toGroup, toTargetStatus } from "./to-container.js";
import { time } from "./to-node.js";

type Handlers<Names extends keyof ServiceImpl<typeof ClientService>> = Pick<
  ServiceImpl<typeof ClientService>,
  Names
>;

const optionsFor =
  (caller: Caller) =>
  ({ signal }: HandlerContext): CallerOptions => ({ caller, signal });

/** The handlers of containers and of what changes: each converts, makes one call, and converts back. */
export function containerHandlers(
  opening: Promise<ContainerService>,
  caller: Caller,
): Handlers<
  | "createContainer"
  | "removeContainer"
  | "getContainer"
  | "getContainerAccess"
  | "listContainers"
  | "waitContainer"
  | "watch"
> {
  const optionsOf = optionsFor(caller);
  const toSharedResponse = once(toWatchResponse);
  return {
    async createContainer(request, context) {
      const { group, requestId, validateOnly, keepOnNodeError } = request;
      const node = request.placement.value ?? "";
      const asked = { node, spec: fromSpec(request.spec), group, requestId, validateOnly, keepOnNodeError };
      const { container, access, isReplayed } = await (await opening).create(asked, optionsOf(context));
      return {
        container: toContainer(container),
        ...(access === undefined ? {} : { access: toAccess(access) }),
        replayed: isReplayed,
      };
    },
    async removeContainer({ container: name, etag, forgetOnly }, context) {
      const { container, nodeMessage } = await (await opening).remove(
        { container: name, etag, forgetOnly },
        optionsOf(context),
      );
      return { container: toContainer(container), nodeMessage };
    },
    async getContainer({ container }) {
      return { container: toContainer(await (await opening).get(container)) };
    },
    async getContainerAccess({ container }) {
      return { access: toAccess(await (await opening).access(container)) };
    },
    async listContainers(request) {
      const { entries, nextPageToken, revision } = await (await opening).list({
        ...fromPage(request),
        showsRemoved: request.showRemoved,
      });
      return { containers: entries.map(toContainer), nextPageToken, revision };
    },
    async waitContainer({ container: name, condition, externalPort, timeout }, context) {
      const timeoutMs = timeout === undefined ? containerLimits.defaultWaitMs : toMilliseconds(timeout);
      const asked = { container: name, condition: conditionOf(condition), externalPort, timeoutMs };
      const { container, isMet } = await (await opening).wait(asked, optionsOf(context));
      return { container: toContainer(container), met: isMet };
    },
    async *watch(request, { signal }) {
      const messages = (await opening).watch(fromWatch(request), signal);
      for await (const message of messages) yield toSharedResponse(message);
    },
  };
}

/** The handlers of groups. */
export function groupHandlers(
  opening: Promise<ContainerService>,
  caller: Caller,
): Handlers<
  | "createGroup"
  | "getGroup"
  | "listGroups"
  | "addContainersToGroup"
  | "removeContainersFromGroup"
  | "removeGroup"
> {
  const optionsOf = optionsFor(caller);
  return {
    async createGroup({ containers: members, requestId }) {
      const { group, isReplayed } = await (await opening).createGroup(members, requestId);
      return { group: toGroup(group), replayed: isReplayed };
    },
    async getGroup({ group: name }) {
      const { group, containers: members, omittedCount } = await (await opening).getGroup(name);
      const containers = members.map(toContainer);
      return { group: toGroup(group), containers, omittedContainerCount: omittedCount };
    },
    async listGroups(request) {
      const { entries, nextPageToken, revision } = await (await opening).listGroups(fromPage(request));
      return { groups: entries.map(toGroup), nextPageToken, revision };
    },
    async addContainersToGroup({ group, containers: members, etag }) {
      return { group: toGroup(await (await opening).addToGroup(group, members, etag)) };
    },
    async removeContainersFromGroup({ group, containers: members, etag }) {
      return { group: toGroup(await (await opening).removeFromGroup(group, members, etag)) };
    },
    async removeGroup({ group: name, etag, removeContainers }, context) {
      const { group, isRemoved, results } = await (await opening).removeGroup(
        name,
        etag,
        removeContainers,
        optionsOf(context),
      );
      return { group: toGroup(group), removed: isRemoved, results: results.map(toTargetStatus) };
    },
  };
}

const fromSpec = (spec: WireSpec | undefined): ContainerSpec => ({
  portCount: spec?.portCount ?? 0,
  gpu: spec?.gpu ?? false,
  image: spec?.image ?? "",
  baseImage: spec?.baseImage ?? "",
  sshPublicKey: spec?.sshPublicKey ?? "",
  labels: new Map(Object.entries(spec?.labels ?? {})),
});

/** The proto's rules let no other value come here. */
function conditionOf(condition: Condition): WaitCondition {
  switch (condition) {
    case Condition.PORT_OPEN:
      return "PORT_OPEN";
    case Condition.HTTP_OK:
      return "HTTP_OK";
    case Condition.REMOVED:
      return "REMOVED";
    case Condition.SSH_READY:
    case Condition.UNSPECIFIED:
      return "SSH_READY";
  }
}

function fromWatch(request: WatchRequest): Parameters<ContainerService["watch"]>[0] {
  const { kinds, containerFilter, groupFilter, startRevision, sendInitialState, heartbeatInterval } = request;
  return {
    kinds: new Set(kinds.map((kind) => (kind === WatchRequest_Kind.GROUP ? "GROUP" : "CONTAINER"))),
    containerFilter,
    groupFilter,
    startRevision,
    sendInitialState,
    heartbeatMs:
      heartbeatInterval === undefined
        ? containerLimits.defaultHeartbeatMs
        : toMilliseconds(heartbeatInterval),
  };
}

const messageTypeOf = {
  CHANGES: WatchResponse_Type.CHANGES,
  INITIAL: WatchResponse_Type.INITIAL,
  INITIAL_DONE: WatchResponse_Type.INITIAL_DONE,
  BOOKMARK: WatchResponse_Type.BOOKMARK,
} as const satisfies Record<WatchMessage["type"], WatchResponse_Type>;

const changeTypeOf = {
  ADDED: Change_Type.ADDED,
  MODIFIED: Change_Type.MODIFIED,
  REMOVED: Change_Type.REMOVED,
} as const satisfies Record<Change["type"], Change_Type>;

/** Many watchers are told the very same message: it is converted for the first of them. */
function once<From extends object, To>(convert: (from: From) => To): (from: From) => To {
  const converted = new WeakMap<From, To>();
  return (from) => {
    const known = converted.get(from);
    if (known !== undefined) return known;
    const to = convert(from);
    converted.set(from, to);
    return to;
  };
}

function toWatchResponse({ revision, type, changes, timeMs }: WatchMessage): WatchResponse {
  return create(WatchResponseSchema, {
    revision,
    type: messageTypeOf[type],
    changes: changes.map(toChange),
    ...time("eventTime", timeMs),
  });
}

function toChange(change: Change): WireChange {
  const type = changeTypeOf[change.type];
  if (change.kind === "CONTAINER") {
    const { container, previous } = change;
    return create(ChangeSchema, {
      type,
      item: { case: "container", value: toContainer(container) },
      ...(previous === undefined
        ? {}
        : { previous: { case: "previousContainer", value: toContainer(previous) } }),
    });
  }
  const { group, previous } = change;
  return create(ChangeSchema, {
    type,
    item: { case: "group", value: toGroup(group) },
    ...(previous === undefined ? {} : { previous: { case: "previousGroup", value: toGroup(previous) } }),
  });
}

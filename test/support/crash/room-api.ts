/** The room of containers as its callers in this process reach it. */
import type { Change, ContainerService, WatchMessage } from "../../../src/containers/contract.js";
import type { Call, Outcome, SeenChange, SeenMessage } from "./history.js";
import { watchers } from "./history.js";
import type { TrafficApi } from "./traffic.js";

const caller = "operator";
const noSignal = new AbortController().signal;
const page = { pageSize: 1_000, pageToken: "", filter: "", orderBy: "" };

export function roomApi(room: ContainerService): TrafficApi {
  return {
    call: (call, signal) => callRoom(room, call, signal),
    names: async () => ({
      containers: (await room.list({ ...page, showsRemoved: false })).entries.map(({ name }) => name),
      groups: (await room.listGroups(page)).entries.map(({ name }) => name),
    }),
    async *watch(watcher, after, signal) {
      const request = {
        kinds: new Set(watchers[watcher]),
        containerFilter: "",
        groupFilter: "",
        startRevision: after,
        sendInitialState: after === "",
        heartbeatMs: 1_000,
      };
      for await (const message of room.watch(request, signal)) yield toSeen(message);
    },
    outcomeOf,
  };
}

async function callRoom(room: ContainerService, call: Call, signal: AbortSignal): Promise<string> {
  const options = { caller, signal } as const;
  switch (call.kind) {
    case "create": {
      const { node, group, requestId, token } = call;
      const spec = {
        portCount: 0,
        gpu: false,
        image: "",
        baseImage: token,
        sshPublicKey: "",
        labels: new Map<string, string>(),
      };
      const request = { node, spec, group, requestId, validateOnly: false, keepOnNodeError: false };
      return (await room.create(request, options)).container.name;
    }
    case "remove": {
      const request = { container: call.container, etag: "", forgetOnly: call.isForgotten };
      return (await room.remove(request, options)).container.name;
    }
    case "createGroup":
      return (await room.createGroup(call.containers, "")).group.name;
    case "addToGroup":
      return (await room.addToGroup(call.group, call.containers, "")).name;
    case "takeFromGroup":
      return (await room.removeFromGroup(call.group, call.containers, "")).name;
    case "removeGroup": {
      const stays = { ...options, signal: noSignal };
      const { isRemoved, group } = await room.removeGroup(call.group, "", call.removesContainers, stays);
      return isRemoved ? group.name : "";
    }
  }
}

function outcomeOf(error: unknown): Outcome {
  const { reason, failure, metadata, message } = error as {
    reason?: string;
    failure?: string;
    metadata?: Record<string, string>;
    message?: string;
  };
  return {
    kind: "error",
    reason: reason ?? failure ?? "UNEXPECTED",
    metadata: metadata ?? {},
    text: message ?? String(error),
  };
}

const toSeen = ({ type, revision, changes }: WatchMessage): SeenMessage => ({
  type,
  revision,
  changes: changes.map(toSeenChange),
});

function toSeenChange(change: Change): SeenChange {
  const { kind, type } = change;
  return kind === "CONTAINER"
    ? {
        kind,
        type,
        name: change.container.name,
        links: [...change.container.groups].sort(),
        state: change.container.state,
      }
    : { kind, type, name: change.group.name, links: [...change.group.containers].sort(), state: "" };
}

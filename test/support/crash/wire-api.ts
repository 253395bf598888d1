/** A gateway as its callers reach it: calls through the socket of its folder, watches over TCP. */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.js";
import { ClientService } from "../../../src/gen/p2prc/client/v1/client_service_pb.js";
import { Container_State } from "../../../src/gen/p2prc/client/v1/container_pb.js";
import {
  type Change,
  Change_Type,
  WatchRequest_Kind,
  type WatchResponse,
  WatchResponse_Type,
} from "../../../src/gen/p2prc/client/v1/watch_pb.js";
import type { Shown } from "./evidence.js";
import type { Call, Outcome, SeenChange, SeenMessage } from "./history.js";
import { watchers } from "./history.js";
import type { TrafficApi } from "./traffic.js";

export interface WireApi extends TrafficApi {
  /** All that the gateway lists. */
  shown(): Promise<Shown>;
  /** Cuts the connections that stay open. */
  close(): void;
}

export function wireApi(url: string, socketPath: string): WireApi {
  const operator = createClient(
    ClientService,
    createConnectTransport({ baseUrl: "http://localhost", httpVersion: "1.1", nodeOptions: { socketPath } }),
  );
  const sessionManager = new Http2SessionManager(url);
  const remote = createClient(ClientService, createGrpcTransport({ baseUrl: url, sessionManager }));
  return {
    call: (call, signal) => callGateway(operator, call, signal),
    names: async () => ({
      containers: (await operator.listContainers({ pageSize: 1_000 })).containers.map(({ name }) => name),
      groups: (await operator.listGroups({ pageSize: 1_000 })).groups.map(({ name }) => name),
    }),
    async *watch(watcher, after, signal) {
      const kinds = watchers[watcher].map((kind) => WatchRequest_Kind[kind]);
      const request = { kinds, startRevision: after, sendInitialState: after === "" };
      for await (const message of remote.watch(request, { signal })) yield toSeen(message);
    },
    shown: async () => {
      const { containers } = await operator.listContainers({ pageSize: 1_000 });
      const { groups } = await operator.listGroups({ pageSize: 1_000 });
      return {
        containers: containers.map(({ name, state }) => `${name} ${Container_State[state]}`).sort(),
        groups: groups
          .map(({ name, containers: members }) => [name, ...[...members].sort()].join(" "))
          .sort(),
      };
    },
    outcomeOf,
    close: () => sessionManager.abort(),
  };
}

async function callGateway(
  client: Client<typeof ClientService>,
  call: Call,
  signal: AbortSignal,
): Promise<string> {
  switch (call.kind) {
    case "create": {
      const { node, token, group, requestId } = call;
      const placement = { case: "node", value: node } as const;
      const request = { placement, spec: { baseImage: token }, group, requestId };
      return (await client.createContainer(request, { signal })).container?.name ?? "";
    }
    case "remove": {
      const request = { container: call.container, forgetOnly: call.isForgotten };
      return (await client.removeContainer(request, { signal })).container?.name ?? "";
    }
    case "createGroup":
      return (await client.createGroup({ containers: [...call.containers] })).group?.name ?? "";
    case "addToGroup":
      return (
        (await client.addContainersToGroup({ group: call.group, containers: [...call.containers] })).group
          ?.name ?? ""
      );
    case "takeFromGroup":
      return (
        (await client.removeContainersFromGroup({ group: call.group, containers: [...call.containers] }))
          .group?.name ?? ""
      );
    case "removeGroup": {
      const { group, removesContainers } = call;
      const { removed } = await client.removeGroup({ group, removeContainers: removesContainers });
      return removed ? group : "";
    }
  }
}

/** What the gateway says has a reason; all else is a connection that broke. */
function outcomeOf(error: unknown): Outcome {
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  if (info === undefined)
    return failure.code === Code.InvalidArgument
      ? { kind: "error", reason: "INVALID", metadata: {}, text: failure.message }
      : { kind: "cut" };
  return { kind: "error", reason: info.reason, metadata: info.metadata, text: failure.message };
}

const toSeen = ({ type, revision, changes }: WatchResponse): SeenMessage => ({
  type: WatchResponse_Type[type] as SeenMessage["type"],
  revision,
  changes: changes.map(toSeenChange),
});

function toSeenChange({ type, item }: Change): SeenChange {
  const kind = item.case === "group" ? "GROUP" : "CONTAINER";
  const links =
    item.case === "group" ? item.value.containers : item.case === "container" ? item.value.groups : [];
  const state = item.case === "container" ? Container_State[item.value.state] : "";
  const name = item.value?.name ?? "";
  return { kind, type: Change_Type[type] as SeenChange["type"], name, links: [...links].sort(), state };
}

import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { ClientService } from "../gen/p2prc/client/v1/client_service_pb.js";
import {
  type FailurePolicy as WirePolicy,
  type Plugin as WirePlugin,
  PluginSchema,
  type RunPluginRequest,
} from "../gen/p2prc/client/v1/plugin_pb.js";
import type {
  Caller,
  FailurePolicy,
  Plugin,
  PluginService,
  RunRequest,
  RunTargets,
} from "../plugins/contract.js";
import { pluginLimits } from "../plugins/limits.js";
import { toMilliseconds } from "./from-wire.js";
import { toRunEvent } from "./to-run-event.js";

/** The handlers of plugins: each converts, makes one call, and converts back. */
export function pluginHandlers(
  opening: Promise<PluginService>,
  caller: Caller,
): Pick<ServiceImpl<typeof ClientService>, "listPlugins" | "installPlugin" | "removePlugin" | "runPlugin"> {
  return {
    async listPlugins() {
      return { plugins: (await (await opening).list()).map(toPlugin) };
    },
    async installPlugin({ url }, { signal }) {
      return { plugin: toPlugin(await (await opening).install(url, caller, signal)) };
    },
    async removePlugin({ plugin }) {
      await (await opening).remove(plugin, caller);
      return {};
    },
    async *runPlugin(request, { signal }) {
      let sequence = 0n;
      for await (const event of (await opening).run(fromRun(request), signal)) {
        sequence += 1n;
        yield toRunEvent(event, sequence);
      }
    },
  };
}

function toPlugin({ name, description, portCount, brokenReason }: Plugin): WirePlugin {
  return create(PluginSchema, { name, description, portCount, brokenReason });
}

function fromRun(request: RunPluginRequest): RunRequest {
  const { plugin, variables, failurePolicy, requestId, validateOnly, resumeToken } = request;
  return {
    plugin,
    targets: fromTarget(request.target),
    variables: new Map(Object.entries(variables)),
    policy: fromPolicy(failurePolicy),
    requestId,
    validateOnly,
    resumeToken,
  };
}

/** The proto's rules let no request come here that has none. */
function fromTarget(target: RunPluginRequest["target"]): RunTargets {
  switch (target.case) {
    case "group":
      return { kind: "group", group: target.value };
    case "filter":
      return { kind: "filter", filter: target.value };
    case "container":
    case undefined:
      return { kind: "container", container: target.value ?? "" };
  }
}

function fromPolicy(policy: WirePolicy | undefined): FailurePolicy {
  const { maxConcurrency = 0, maxFailureCount = 0, undoOnFailure = false, targetTimeout } = policy ?? {};
  return {
    maxConcurrency: maxConcurrency === 0 ? pluginLimits.defaultConcurrency : maxConcurrency,
    maxFailureCount,
    undoOnFailure,
    targetTimeoutMs:
      targetTimeout === undefined ? pluginLimits.defaultTargetTimeoutMs : toMilliseconds(targetTimeout),
  };
}

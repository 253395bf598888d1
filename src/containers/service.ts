import type { PeerApi } from "../peer-api/contract.js";
import { parseDockerVm } from "../peer-api/docker-vm.js";
import type { Logger } from "../observability/logger.js";
import type { StateStore } from "../store/contract.js";
import type { RecordView } from "../store/view.js";
import type { Clock } from "../system/clock.js";
import type { Access, Container, ContainerService, NodeDirectory } from "./contract.js";
import { Creates } from "./creates.js";
import { Groups } from "./groups.js";
import { containerLimits } from "./limits.js";
import { listContainers, listGroups } from "./lists.js";
import { findContainer } from "./lookup.js";
import { containerKey, readContainerName } from "./names.js";
import { NodeCalls } from "./node-calls.js";
import { settleUnfinished, sweep } from "./recovery.js";
import { notTracked, Removals } from "./removals.js";
import { showAccess, showContainer, showIntent, showSubject } from "./show.js";
import { TrackedState } from "./tracked-state.js";
import { Watches } from "./watches.js";

export interface ContainerServiceDeps {
  readonly store: StateStore;
  readonly view: RecordView;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly directory: NodeDirectory;
  readonly openPeerApi: () => PeerApi;
  readonly newId: () => string;
  /** The gateway's own public key, one line of authorized_keys. */
  readonly ownPublicKey: () => Promise<string>;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  /** Whether the gateway of that name does not run any more. */
  readonly isOwnerGone: (owner: string) => boolean;
  readonly draining: AbortSignal;
}

/** Builds this room on its parts, and settles what was left half-done. @throws {StoreError} */
export async function openContainerService(deps: ContainerServiceDeps): Promise<ContainerService> {
  const { store, clock, logger, directory, newId, draining } = deps;
  const state = new TrackedState(deps.view);
  const stopping = new AbortController();
  const base = { store, state, clock, logger, newOperationId: newId };
  await settleUnfinished(base, deps.isOwnerGone);
  const calls = new NodeCalls(deps.openPeerApi, directory, stopping.signal);
  const removals = new Removals({ ...base, calls, directory, stopping: stopping.signal });
  const creates = new Creates({
    ...base,
    calls,
    directory,
    removals,
    newIntentId: newId,
    gatewayId: deps.gatewayId,
    ownPublicKey: deps.ownPublicKey,
    draining,
    stopping: stopping.signal,
  });
  const groups = new Groups({ ...base, removals, newGroupId: newId });
  const watches = new Watches({ store, state, clock, draining });
  const sweeping = every(clock, containerLimits.sweepMs, async () => {
    await sweep(base).catch((error: unknown) => logger.warn({ err: error }, "old records stay for now"));
  });

  const get = (name: string): Container => {
    const typed = readContainerName(name, "container");
    const found = typed.isIntent ? undefined : findContainer(state, typed);
    if (found !== undefined) {
      return showContainer(state, found.key, state.seenTimeMs(found.key)) ?? fail(name);
    }
    const intent = typed.isIntent ? state.get("intent", typed.id) : undefined;
    if (intent !== undefined) return showIntent(intent);
    const subject = containerKey({ host: typed.host, port: typed.port ?? 0 }, typed.id);
    return showSubject(state, { kind: "tombstone", subject }) ?? fail(name);
  };

  const access = (name: string): Access => {
    const typed = readContainerName(name, "container");
    const found = typed.isIntent ? undefined : findContainer(state, typed);
    if (found === undefined) throw notTracked(name);
    return showAccess(found.record, parseDockerVm(state.get("secret", found.key)?.dockerVm));
  };

  return {
    create: (request, options) => creates.create(request, options),
    remove: (request, options) => removals.remove(request, options),
    get: async (name) => await Promise.resolve().then(() => get(name)),
    access: async (name) => await Promise.resolve().then(() => access(name)),
    list: (request) => listContainers(state, request),
    wait: () => Promise.reject(new Error("not yet")),
    createGroup: (containers, requestId) => groups.create(containers, requestId),
    getGroup: async (name) => await Promise.resolve().then(() => groups.get(name)),
    listGroups: (request) => listGroups(state, request),
    addToGroup: (group, containers, etag) => groups.add(group, containers, etag),
    removeFromGroup: (group, containers, etag) => groups.take(group, containers, etag),
    removeGroup: (group, etag, removesContainers, options) =>
      groups.remove(group, etag, removesContainers, options),
    watch: (request, signal) => watches.watch(request, signal),

    async close() {
      sweeping();
      const running = Promise.allSettled([...creates.running, ...removals.running]);
      let cancel = (): void => undefined;
      const outOfTime = new Promise<void>((resolve) => {
        cancel = clock.after(containerLimits.drainMs, resolve);
      });
      await Promise.race([running, outOfTime]);
      cancel();
      // What still runs is written down as it stands: UNKNOWN.
      stopping.abort();
      await running;
    },
  };
}

function fail(name: string): never {
  throw notTracked(name);
}

/** Runs something now and then, never twice at once. @returns what ends it */
function every(clock: Clock, intervalMs: number, work: () => Promise<void>): () => void {
  let isOver = false;
  let cancel = (): void => undefined;
  const again = (): void => {
    cancel = clock.after(intervalMs, () => {
      void work().finally(() => {
        if (!isOver) again();
      });
    });
  };
  again();
  return () => {
    isOver = true;
    cancel();
  };
}

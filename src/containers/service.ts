import type { LookAtPort, PeerApi } from "../peer-api/contract.js";
import { parseDockerVm } from "../peer-api/docker-vm.js";
import { PeerError } from "../peer-api/errors.js";
import type { Logger } from "../observability/logger.js";
import type { StateStore } from "../store/contract.js";
import type { RecordView } from "../store/view.js";
import type { Clock } from "../system/clock.js";
import { failpoint } from "../system/failpoint.js";
import { catchUpIfHeard, readNewest } from "./change.js";
import type { Access, Container, ContainerService, NodeDirectory } from "./contract.js";
import { Creates } from "./life/creates.js";
import { FleetKeys } from "./keys/fleet-keys.js";
import { Duty } from "./sharing/duty.js";
import { Groups } from "./groups.js";
import { containerLimits } from "./limits.js";
import { listContainers, listGroups } from "./lists.js";
import { findContainer, findIntent, findNamed, findTombstone } from "./lookup.js";
import { Liveness } from "./looking/liveness.js";
import { readContainerName } from "./names.js";
import { type Mirror, openMirror } from "./tracking-files/mirror.js";
import { NodeCalls } from "./life/node-calls.js";
import { Owners } from "./sharing/owners.js";
import { freePorts, takePorts } from "./ports/port-claims.js";
import { PortLooks } from "./looking/port-looks.js";
import { PortMaps } from "./ports/port-maps.js";
import { settleUnfinished, sweep } from "./life/recovery.js";
import { notTracked } from "./life/remove-errors.js";
import { Removals } from "./life/removals.js";
import { Mends } from "./sharing/mends.js";
import { freeRunRequest, takeRunRequest } from "./sharing/run-requests.js";
import { noJournal, openSeenJournal, type SeenJournal } from "./sharing/seen-journal.js";
import { forgetRemoved, replaySeen } from "./sharing/seen-replay.js";
import { showAccess, showContainer, showIntent, showTombstone } from "./show.js";
import { TrackedState } from "./tracked-state.js";
import type { TrackingFilesOptions } from "./tracking-files/tracking-files.js";
import { Waits } from "./looking/waits.js";
import { Watches } from "./watching/watches.js";

export interface ContainerServiceDeps {
  readonly store: StateStore;
  readonly view: RecordView;
  readonly clock: Clock;
  /** 0..1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly directory: NodeDirectory;
  readonly openPeerApi: () => PeerApi;
  readonly lookAtPort: LookAtPort;
  /** Between two looks at a tracked container, in milliseconds; 0 = none are made. */
  readonly livenessIntervalMs: number;
  readonly newId: () => string;
  /** The gateway's own public key, one line of authorized_keys. */
  readonly ownPublicKey: () => Promise<string>;
  /** Names this gateway among those that share the state. */
  readonly gatewayId: string;
  /** Whether the gateway of that name does not run any more, as far as that is certain at the start. */
  readonly isOwnerGone: (owner: string) => boolean;
  /** Others use the same store, which is on another machine; absent = this gateway is alone with a disk of its own. */
  readonly sharing?: {
    /** File that ids of new containers are kept in until the store has them. */
    readonly journalPath: string;
  };
  /** Where the tracking files are. */
  readonly trackingFiles: Pick<TrackingFilesOptions, "containersPath" | "groups" | "ledgerPath">;
  /** Whether a damaged tracking file that was never imported may be given up. */
  readonly acceptsLoss: boolean;
  readonly draining: AbortSignal;
}

/** Builds this room on its parts, and settles what was left half-done. @throws {StoreError} */
export async function openContainerService(deps: ContainerServiceDeps): Promise<ContainerService> {
  const { clock, logger } = deps;
  const stopping = new AbortController();
  const { sharing } = deps;
  const journal =
    sharing === undefined ? noJournal : await openSeenJournal(sharing.journalPath, logger, clock);
  const state = await TrackedState.open(deps.view, clock);
  const parts = partsOf(deps, state, journal, stopping.signal);
  const { base, owners, creates, removals, portMaps, waits, liveness, duty, keys, mends } = parts;
  let mirror: Mirror;
  try {
    forgetRemoved(state, journal);
    await replaySeen(base, journal);
    await settleUnfinished(base, owners.open, deps.isOwnerGone);
    await mends.open();
    failpoint("recovery.settled");
    mirror = await openMirror(deps, base);
  } catch (error) {
    stopping.abort();
    await Promise.all([owners.close(), mends.close()]);
    await journal.close();
    throw error;
  }
  keys.introduce();
  duty?.start();
  liveness.start();
  const endSweeping = every(clock, containerLimits.sweepMs, async () => {
    journal.sweep();
    await Promise.all([sweep(base), owners.sweep(), mends.look()]).catch((error: unknown) =>
      logger.warn({ err: error }, "old records stay for now"),
    );
  });
  return {
    ...readsOf(parts),
    ...changesOf(parts, async () => await mirror.writable()),
    async close() {
      endSweeping();
      waits.close();
      await liveness.close();
      // A store that is away keeps it, and must not keep the rest.
      const layingDown = duty?.close();
      const calls = [...creates.running, ...removals.running, ...portMaps.running];
      await withinTime(clock, containerLimits.drainMs, calls);
      // What still runs is written down as it stands: UNKNOWN.
      stopping.abort();
      await Promise.allSettled([...creates.running, ...removals.running]);
      await Promise.all([layingDown, owners.close(), mends.close(), keys.close()]);
      await journal.close();
      await mirror.close();
    },
  };
}

type Parts = ReturnType<typeof partsOf>;

const readsOf = ({
  base,
  state,
  directory,
  groups,
  watches,
  waits,
  portMaps,
}: Parts): Pick<
  ContainerService,
  | "get"
  | "access"
  | "login"
  | "list"
  | "trackedNames"
  | "catchUp"
  | "wait"
  | "getGroup"
  | "listGroups"
  | "watch"
  | "mapPort"
> => ({
  get: (name) => readNewest(base, () => getContainer(state, name)),
  access: (name) => readNewest(base, () => accessOf(state, name)),
  login: (name) => readNewest(base, () => loginOf(state, directory, name)),
  list: (request) => listContainers(state, request),
  trackedNames: () =>
    Promise.resolve(state.names.filter((name) => state.subjectOf(name)?.kind === "container")),
  catchUp: async () => {
    await catchUpIfHeard(base);
  },
  wait: (request, options) => readNewest(base, () => waits.wait(request, options)),
  getGroup: (name) => readNewest(base, () => groups.get(name)),
  listGroups: (request) => listGroups(state, request),
  watch: (request, signal) => watches.watch(request, signal),
  mapPort: (request, options) => portMaps.map(request, options),
});

/** @param writable waits until the state may be changed, or throws */
function changesOf(
  { base, creates, removals, groups, runRequests }: Parts,
  writable: () => Promise<void>,
): Pick<
  ContainerService,
  | "create"
  | "remove"
  | "createGroup"
  | "addToGroup"
  | "removeFromGroup"
  | "removeGroup"
  | "takePorts"
  | "freePorts"
  | "takeRunRequest"
  | "freeRunRequest"
> {
  const checked = async <T>(work: () => Promise<T>): Promise<T> => {
    await writable();
    return await work();
  };
  return {
    create: (request, options) => checked(() => creates.create(request, options)),
    remove: (request, options) => checked(() => removals.remove(request, options)),
    takePorts: (container, count, validateOnly) =>
      checked(() => takePorts(base, container, count, validateOnly)),
    freePorts: (container, ports) => checked(() => freePorts(base, container, ports)),
    takeRunRequest: (requestId, argumentsHash, validateOnly) =>
      checked(() => takeRunRequest(runRequests, requestId, argumentsHash, validateOnly)),
    freeRunRequest: (requestId) => checked(() => freeRunRequest(runRequests, requestId)),
    createGroup: (containers, requestId) => checked(() => groups.create(containers, requestId)),
    addToGroup: (group, containers, etag) => checked(() => groups.add(group, containers, etag)),
    removeFromGroup: (group, containers, etag) => checked(() => groups.take(group, containers, etag)),
    removeGroup: (group, etag, removesContainers, options) =>
      checked(() => groups.remove(group, etag, removesContainers, options)),
  };
}

function partsOf(
  deps: ContainerServiceDeps,
  state: TrackedState,
  journal: SeenJournal,
  stopping: AbortSignal,
) {
  const { store, clock, logger, directory, newId, draining, lookAtPort, gatewayId } = deps;
  const base = { store, state, clock, logger, newOperationId: newId };
  const calls = new NodeCalls(deps.openPeerApi, directory, stopping);
  const isShared = deps.sharing !== undefined;
  const owners = new Owners({ ...base, gatewayId, isShared, stopping });
  const removals = new Removals({ ...base, calls, directory, owners, gatewayId, draining, stopping });
  const keys = new FleetKeys({ ...base, isShared, ownPublicKey: deps.ownPublicKey });
  const creates = new Creates({
    ...base,
    calls,
    directory,
    removals,
    owners,
    journal,
    newIntentId: newId,
    gatewayId,
    keys,
    draining,
    stopping,
  });
  const mends = new Mends(base);
  const groups = new Groups({ ...base, removals, newGroupId: newId, draining });
  const watches = new Watches({ store, state, clock, draining });
  const waits = new Waits({ state, clock, looks: new PortLooks({ lookAtPort, directory, clock }) });
  const { random, livenessIntervalMs: intervalMs } = deps;
  const duty =
    isShared && intervalMs > 0 ? new Duty({ ...base, gatewayId, name: "liveness", intervalMs }) : undefined;
  const mayFlip = (): boolean => duty?.isOurs ?? true;
  const liveness = new Liveness({ ...base, lookAtPort, directory, random, intervalMs, mayFlip });
  const portMaps = new PortMaps({ ...base, calls, directory, draining });
  const runRequests = { ...base, gatewayId, isOwnerGone: deps.isOwnerGone };
  return {
    ...{ state, directory, base, owners, creates, removals, keys },
    ...{ groups, watches, waits, liveness, duty, portMaps, runRequests, mends },
  };
}

/** Finds what a name stands for: tracked, unresolved, or removed not long ago. @throws {ContainerError} */
function getContainer(state: TrackedState, name: string): Container {
  const typed = readContainerName(name, "container");
  const found = typed.isIntent ? undefined : findContainer(state, typed);
  const shown =
    found === undefined ? undefined : showContainer(state, found.key, state.seenTimeMs(found.key));
  if (shown !== undefined) return shown;
  const intent = findIntent(state, typed);
  if (intent !== undefined) return showIntent(intent);
  const removed = findTombstone(state, typed);
  if (removed === undefined) throw notTracked(name);
  return showTombstone(removed);
}

function accessOf(state: TrackedState, name: string): Access {
  const found = findNamed(state, name);
  if (found === undefined) throw notTracked(name);
  return showAccess(found.record, parseDockerVm(state.get("secret", found.key)?.dockerVm));
}

/** A program that we start judges no addresses: it is told only those that may be contacted. */
function loginOf(state: TrackedState, directory: NodeDirectory, name: string): Access {
  const found = findNamed(state, name);
  if (found === undefined) throw notTracked(name);
  const { record } = found;
  if (!record.isAsTyped && !directory.allowsConnected(record.address.host))
    throw new PeerError("ADDRESS_BLOCKED", "the address is not public and not allowed");
  return showAccess(record, parseDockerVm(state.get("secret", found.key)?.dockerVm));
}

async function withinTime(clock: Clock, limitMs: number, work: readonly Promise<unknown>[]): Promise<void> {
  let cancel = (): void => undefined;
  const outOfTime = new Promise<void>((resolve) => {
    cancel = clock.after(limitMs, resolve);
  });
  await Promise.race([Promise.allSettled(work), outOfTime]);
  cancel();
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

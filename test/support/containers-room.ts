/** The whole API of containers in this process: no sockets, no disk but for the tracking files. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import type { ContainerService } from "../../src/containers/contract.js";
import { openContainerService } from "../../src/containers/service.js";
import { ClientService } from "../../src/gen/p2prc/client/v1/client_service_pb.js";
import { type Logger, silentLogger } from "../../src/observability/logger.js";
import type { Caller } from "../../src/p2p/contract.js";
import { P2pError } from "../../src/p2p/errors.js";
import { addressKey, parseTypedAddress } from "../../src/peer-api/address.js";
import type { PeerAddress, PeerApi } from "../../src/peer-api/contract.js";
import { PeerError } from "../../src/peer-api/errors.js";
import { containerHandlers, groupHandlers } from "../../src/rpc/container-handlers.js";
import { portHandlers } from "../../src/rpc/port-handlers.js";
import { mapErrors } from "../../src/rpc/error-mapping.js";
import { validateRequests } from "../../src/rpc/validation.js";
import type { Revision, StateStore } from "../../src/store/contract.js";
import { mirrorLimits } from "../../src/store/mirror/limits.js";
import { numberOfRevision } from "../../src/store/revision.js";
import { RecordView } from "../../src/store/view.js";
import type { Api } from "./container-bench.js";
import { beforeEverything, CountedStore } from "./counted-store.js";
import { DevnetMachine } from "./devnet-machine.js";
import { FakeClock, settle } from "./fake-clock.js";
import { MemoryStore } from "./memory-store.js";

export interface ContainersRoom {
  /** Without the handlers around it. */
  readonly service: ContainerService;
  /** As a remote caller. */
  readonly api: Api;
  /** As the operator, through the socket of the base folder. */
  readonly operator: Api;
  readonly clock: RoomClock;
  readonly machines: readonly DevnetMachine[];
  /** Names of the nodes, `nodes/45.0.0.1:8088` and so on. */
  readonly nodes: readonly string[];
  /** Resolves when no commit is under way and every view shows them all. */
  quiet(): Promise<void>;
  /** Ids of what the tracking files hold; to be read after `stop`. */
  filed(): Promise<{
    readonly containers: readonly string[];
    readonly groups: Readonly<Record<string, readonly string[]>>;
  }>;
  /** Ends the gateway's part, with the tracking files written. */
  stop(): Promise<void>;
  /** Stops, and takes the folder away. */
  close(): Promise<void>;
}

/**
 * A clock that stands still, so that the tracking files are written at the end only; what a file is given to settle is
 * over at once. Its wall time alone can jump, as after a long sleep of the machine.
 */
export class RoomClock extends FakeClock {
  #jumpedMs = 0;

  override after(delayMs: number, action: () => void): () => void {
    if (delayMs !== mirrorLimits.settleMs) return super.after(delayMs, action);
    const waiting = setImmediate(action);
    return () => clearImmediate(waiting);
  }

  override nowMs(): number {
    return super.nowMs() + this.#jumpedMs;
  }

  jump(ms: number): void {
    this.#jumpedMs += ms;
  }
}

export interface RoomOptions {
  /** @default one in memory */
  readonly store?: StateStore;
  /** What the gateway's view of the state is read from. @default the store */
  readonly viewed?: StateStore;
  readonly machineCount?: number;
  /** @default `machineCount` new ones */
  readonly machines?: readonly DevnetMachine[];
  /** @default one of its own */
  readonly clock?: RoomClock;
  /** Gateways that share the store have different ones. @default 0 */
  readonly gatewayNumber?: number;
  /** Whether others use the same store. @default false */
  readonly isShared?: boolean;
  readonly logger?: Logger;
  readonly draining?: AbortSignal;
}

/** One gateway's part. */
export interface GatewayRoom extends ContainersRoom {
  readonly isBusy: boolean;
  /** Number of the latest commit of its own. */
  idle(): Promise<Revision>;
  shows(revision: Revision): Promise<void>;
}

export async function openContainersRoom(options: RoomOptions = {}): Promise<GatewayRoom> {
  const { machineCount = 3, logger = silentLogger, gatewayNumber = 0, isShared = false } = options;
  const store = new CountedStore(options.store ?? new MemoryStore());
  // In memory where the system has such a folder: hundreds of rooms wait for no disk.
  const folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "p2prc-room-"));
  const clock = options.clock ?? new RoomClock();
  const machines = options.machines ?? someMachines(machineCount);
  const view = await RecordView.open(options.viewed ?? store, silentLogger, clock);
  const containersPath = join(folder, "trackcontainers.json");
  const groupsPath = join(folder, "grouptrackcontainers.json");
  let idCount = gatewayNumber * 100_000;
  const opening = openContainerService({
    store,
    view,
    clock,
    logger,
    random: () => 0.5,
    directory: { locate: (node) => Promise.resolve(locate(node, machines)), allowsConnected: () => true },
    openPeerApi: () => peerApiOf(machines),
    lookAtPort: () => Promise.reject(new PeerError("CONNECTION_REFUSED", "closed", { wasSent: false })),
    livenessIntervalMs: 0,
    newId: () => `id-${String((idCount += 1)).padStart(6, "0")}`,
    ownPublicKey: () => Promise.resolve("ssh-ed25519 AAAA gateway"),
    gatewayId: `gateway-${gatewayNumber}`,
    isOwnerGone: () => !isShared,
    ...(isShared ? { sharing: { journalPath: join(folder, "seen") } } : {}),
    trackingFiles: { containersPath, groups: { path: groupsPath }, ledgerPath: join(folder, "side") },
    acceptsLoss: false,
    draining: options.draining ?? new AbortController().signal,
  });
  const service = await opening.catch(async (error: unknown) => {
    await view.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= service.close().then(() => view.close()));
  const room: GatewayRoom = {
    service,
    api: apiOf(service, "remote", logger),
    operator: apiOf(service, "operator", logger),
    clock,
    machines,
    nodes: machines.map(({ host }) => `nodes/${host}:8088`),
    quiet: async () => await quiet([room]),
    get isBusy() {
      return store.isBusy;
    },
    idle: () => store.idle(),
    shows: (revision) => view.reached(revision),
    filed: () => readFiled(containersPath, groupsPath),
    stop,
    async close() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return room;
}

/** Lets a room's clock go on until a call is over. */
export async function untilOver<T>({ clock }: ContainersRoom, call: Promise<T>): Promise<T> {
  let isOver = false;
  const end = (): void => void (isOver = true);
  call.then(end, end);
  while (!isOver) await clock.advance(100);
  return await call;
}

export const someMachines = (count: number): readonly DevnetMachine[] =>
  Array.from({ length: count }, (_, n) => new DevnetMachine(`45.0.0.${n + 1}`));

/** Resolves when no commit is under way in any of them, and all of them show the last one. */
export async function quiet(rooms: readonly GatewayRoom[]): Promise<void> {
  do {
    const latest = await Promise.all(rooms.map((room) => room.idle()));
    const [last = beforeEverything] = latest.toSorted((a, b) => numberOfRevision(b) - numberOfRevision(a));
    await Promise.all(rooms.map((room) => room.shows(last)));
    await settle();
  } while (rooms.some(({ isBusy }) => isBusy));
}

/** One for all rooms: it reads the rules of the proto once. */
const validate = validateRequests();

/** Handlers, rules and errors are those of the gateway; only the wire is not there. */
function apiOf(service: ContainerService, caller: Caller, logger: Logger): Api {
  const opened = Promise.resolve(service);
  const transport = createRouterTransport(
    (router) =>
      void router.service(ClientService, {
        ...containerHandlers(opened, caller),
        ...groupHandlers(opened, caller),
        ...portHandlers(opened, caller),
      }),
    { router: { interceptors: [mapErrors(logger), validate] } },
  );
  return createClient(ClientService, transport);
}

function locate(
  node: string,
  machines: readonly DevnetMachine[],
): { readonly address: PeerAddress; readonly isAsTyped: boolean } {
  const typed = parseTypedAddress(node);
  if (typed === undefined) throw new P2pError("INVALID_ADDRESS", "no address", { field: "node" });
  const address = { host: typed.host, port: typed.port ?? 8088 };
  if (address.port !== 8088 || !machines.some(({ host }) => host === address.host))
    throw new P2pError("NODE_NOT_FOUND", "no such node", { metadata: { node: addressKey(address) } });
  return { address, isAsTyped: false };
}

function peerApiOf(machines: readonly DevnetMachine[]): PeerApi {
  const machineAt = ({ host }: PeerAddress): DevnetMachine => {
    const machine = machines.find((one) => one.host === host);
    if (machine === undefined) throw new PeerError("NO_ROUTE", "no such machine", { wasSent: false });
    return machine;
  };
  const notHere = (): never => {
    throw new Error("this room asks for containers only");
  };
  return {
    probe: notHere,
    exchangeTable: notHere,
    specs: notHere,
    images: notHere,
    download: notHere,
    upload: notHere,
    mapPort: notHere,
    startContainer: async (address, order) => await machineAt(address).start(order),
    removeContainer: async (address, id) => await machineAt(address).remove(id),
    release: () => undefined,
    close: () => undefined,
  };
}

async function readFiled(containersPath: string, groupsPath: string): ReturnType<ContainersRoom["filed"]> {
  interface Entry {
    readonly ID: string;
    readonly IpAddress: string;
  }
  const nameOf = ({ ID, IpAddress }: Entry): string => `nodes/${IpAddress}/containers/${ID}`;
  // Where there never was anything to tell, there is no file.
  const read = async (path: string): Promise<string> =>
    await readFile(path, "utf8").catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "{}";
      throw error;
    });
  const { TrackContainer = [] } = JSON.parse(await read(containersPath)) as { TrackContainer?: Entry[] };
  const { Groups = [] } = JSON.parse(await read(groupsPath)) as {
    Groups?: { ID: string; TrackContainer: Entry[] | null }[];
  };
  return {
    containers: TrackContainer.map(nameOf).sort(),
    groups: Object.fromEntries(
      Groups.map(({ ID, TrackContainer: members }) => [ID, (members ?? []).map(nameOf)]),
    ),
  };
}

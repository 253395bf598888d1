/** The nouns of this room, in plain types. `rpc` converts them, nothing else leaves it. */
import type { Caller } from "../p2p/contract.js";
import type { ContainerPort, PeerAddress } from "../peer-api/contract.js";
import type { Revision } from "../store/contract.js";

/** @see Container.State in container.proto: the same facts, there for callers. */
export const containerStates = [
  "PENDING",
  "ACTIVE",
  "UNREACHABLE",
  "REMOVING",
  "REMOVE_FAILED",
  "REMOVED",
  "FAILED",
  "UNKNOWN",
] as const;
export type ContainerState = (typeof containerStates)[number];

/** Why a container is in its state, for programs; empty = nothing to add. */
export type StateReason =
  | ""
  /** The request was sent, and no readable answer came. */
  | "CREATE_OUTCOME_UNKNOWN"
  /** The node refused, and may have made a container all the same. */
  | "NODE_REFUSED_REQUEST"
  /** The node named an id that another container of its own has. */
  | "DUPLICATE_ID"
  /** A tracking file has an entry without an id: a start that failed. */
  | "IMPORTED_WITHOUT_ID"
  /** Made although the node answered with an error, and kept because the caller asked so. */
  | "CREATED_WITH_ERROR"
  /** Made although the node answered with an error, and removed again. */
  | "ROLLED_BACK"
  /** Made for a caller who left and cannot know it, and removed again. */
  | "CALLER_GONE"
  /** The node did not confirm the removal. */
  | "NODE_REFUSED_REMOVAL"
  /** The removal was sent, and no readable answer came. */
  | "REMOVE_OUTCOME_UNKNOWN"
  /** The node confirmed the removal. */
  | "NODE_CONFIRMED"
  /** A caller had it forgotten; it may go on running. */
  | "FORGOTTEN"
  /** Another program took it out of the tracking file. */
  | "REMOVED_FROM_FILE";

export interface ContainerSpec {
  /** Ports besides SSH, 0..64. */
  readonly portCount: number;
  readonly gpu: boolean;
  /** Name of one of the node's images; empty = the node's default. */
  readonly image: string;
  /** Image reference; empty = the image's own. */
  readonly baseImage: string;
  /** One line of authorized_keys; empty = the gateway's key only. */
  readonly sshPublicKey: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** A container as callers see it: no secrets. */
export interface Container {
  /** `nodes/ADDRESS:PORT/containers/ID`, or `.../~INTENT` where no id is known; empty = it was not asked for yet. */
  readonly name: string;
  /** Empty = not known. */
  readonly id: string;
  /** `nodes/ADDRESS:PORT`. */
  readonly node: string;
  readonly address: PeerAddress;
  readonly spec: ContainerSpec;
  readonly state: ContainerState;
  readonly stateReason: StateReason;
  readonly ports: readonly ContainerPort[];
  /** Names, `groups/grp...`, sorted. */
  readonly groups: readonly string[];
  readonly sshUsername: string;
  readonly createTimeMs: number;
  /** When its node or SSH port answered last; absent = never looked at. */
  readonly lastSeenTimeMs: number | undefined;
  /** Absent = it is not removed. */
  readonly removeTimeMs: number | undefined;
  readonly etag: string;
}

/** How to log in. Holds secrets: it never enters a log, an error or a change. */
export interface Access {
  readonly host: string;
  /** 0 = none told, as every port here. */
  readonly sshPort: number;
  readonly sshUsername: string;
  readonly sshPassword: string;
  readonly sshPublicKey: string;
  readonly sshCommand: string;
  readonly vncPort: number;
  readonly vncPassword: string;
}

export interface Group {
  /** `groups/grp...`. */
  readonly name: string;
  readonly id: string;
  /** Names of its members, in the order in which they came. */
  readonly containers: readonly string[];
  readonly createTimeMs: number;
  readonly etag: string;
  /** Had members, and has none now. */
  readonly isEmptied: boolean;
}

/** A group with its first members; the others are left out where all would be too much for one answer. */
export interface GroupWithMembers {
  readonly group: Group;
  readonly containers: readonly Container[];
  readonly omittedCount: number;
}

export interface CallerOptions {
  readonly caller: Caller;
  /** Ends the caller's waiting. A call to a node that has effects goes on. */
  readonly signal: AbortSignal;
}

export interface CreateRequest {
  /** The node, by name or by address. */
  readonly node: string;
  readonly spec: ContainerSpec;
  /** Group it joins, by name or by id; empty = none. */
  readonly group: string;
  /** Empty = each call is a new one. */
  readonly requestId: string;
  readonly validateOnly: boolean;
  readonly keepOnNodeError: boolean;
}

export interface CreateResult {
  readonly container: Container;
  /** Absent when the request was only checked. */
  readonly access: Access | undefined;
  readonly isReplayed: boolean;
}

export interface RemoveRequest {
  /** By name; the address may lack the port. */
  readonly container: string;
  /** Empty = whatever it is now. */
  readonly etag: string;
  readonly forgetOnly: boolean;
}

export interface RemoveResult {
  readonly container: Container;
  /** The node's word; empty = it was not asked. */
  readonly nodeMessage: string;
}

export interface PageRequest {
  /** 1..1000; more is taken as 1000. */
  readonly pageSize: number;
  /** Empty = the first page. */
  readonly pageToken: string;
  /** docs/filters.md; empty = all. */
  readonly filter: string;
  /** docs/filters.md; empty = by name. */
  readonly orderBy: string;
}

export interface Page<T> {
  readonly entries: readonly T[];
  /** Empty = this was the last page. */
  readonly nextPageToken: string;
  /** The state it was cut from. */
  readonly revision: Revision;
}

export type WaitCondition = "SSH_READY" | "PORT_OPEN" | "HTTP_OK" | "REMOVED";

export interface WaitRequest {
  readonly container: string;
  readonly condition: WaitCondition;
  /** 0 = its first port that is not SSH. */
  readonly externalPort: number;
  /** @default 60000 */
  readonly timeoutMs: number;
}

export interface WaitResult {
  readonly container: Container;
  /** Whether it holds; false = the time was over. */
  readonly isMet: boolean;
}

/** What became of one target of a call that has several. */
export interface TargetResult {
  readonly target: string;
  /** Absent = it went well. Any error that a call for this target alone would have thrown. */
  readonly error: unknown;
  readonly elapsedMs: number;
}

export interface RemoveGroupResult {
  readonly group: Group;
  readonly isRemoved: boolean;
  readonly results: readonly TargetResult[];
}

export type WatchKind = "CONTAINER" | "GROUP";

export interface WatchRequest {
  readonly kinds: ReadonlySet<WatchKind>;
  readonly containerFilter: string;
  readonly groupFilter: string;
  /** Empty = from now on. */
  readonly startRevision: Revision;
  readonly sendInitialState: boolean;
  readonly heartbeatMs: number;
}

export type ChangeType = "ADDED" | "MODIFIED" | "REMOVED";
export type Change =
  | {
      readonly kind: "CONTAINER";
      readonly type: ChangeType;
      readonly container: Container;
      readonly previous: Container | undefined;
    }
  | {
      readonly kind: "GROUP";
      readonly type: ChangeType;
      readonly group: Group;
      readonly previous: Group | undefined;
    };

export interface WatchMessage {
  /** Empty in `INITIAL` and in all but the last message of a large commit: they cannot be continued. */
  readonly revision: Revision;
  readonly type: "CHANGES" | "INITIAL" | "INITIAL_DONE" | "BOOKMARK";
  readonly changes: readonly Change[];
  readonly timeMs: number;
}

export interface MapPortRequest {
  /** A tracked container, or a node, each by name. */
  readonly target:
    | { readonly kind: "container"; readonly name: string }
    | { readonly kind: "node"; readonly name: string };
  /** Of a container its internal port, 1..65535. */
  readonly port: number;
  /** Empty = none. */
  readonly domainName: string;
  readonly isUdp: boolean;
}

export interface MapPortResult {
  /** `nodes/ADDRESS:PORT`. */
  readonly node: string;
  /** Port of the node's machine that is mapped. */
  readonly nodePort: number;
  /** Where it is reached. */
  readonly mapped: PeerAddress;
}

/** How a node named by a caller is reached. */
export interface Reach {
  readonly address: PeerAddress;
  /** Whether it is contacted as typed: an operator named it, or put it into the table. */
  readonly isAsTyped: boolean;
}

/** What this room needs to know of nodes. Implemented by `p2p`. */
export interface NodeDirectory {
  /** Finds the node that a caller names. @throws {P2pError} INVALID_ADDRESS, NODE_NOT_FOUND, ADDRESS_BLOCKED */
  locate(node: string, caller: Caller): Promise<Reach>;
  /** Judges the address of a connected socket for a node that is not contacted as typed. */
  allowsConnected(remoteAddress: string): boolean;
}

/** What `rpc` may ask of this room. Throws `ContainerError`, `P2pError`, `PeerError` and `StoreError`. */
export interface ContainerService {
  create(request: CreateRequest, options: CallerOptions): Promise<CreateResult>;
  remove(request: RemoveRequest, options: CallerOptions): Promise<RemoveResult>;
  get(container: string): Promise<Container>;
  access(container: string): Promise<Access>;
  list(request: PageRequest & { readonly showsRemoved: boolean }): Promise<Page<Container>>;
  /** Every container whose id is known, without what there is to say of it: a hundred thousand may be tracked. */
  trackedNames(): Promise<readonly string[]>;
  /**
   * Lets reads show all that any gateway has confirmed by now, for who does something that rests on them. While the store
   * does not answer, what is shown counts.
   */
  catchUp(): Promise<void>;
  wait(request: WaitRequest, options: CallerOptions): Promise<WaitResult>;
  createGroup(
    containers: readonly string[],
    requestId: string,
  ): Promise<{ group: Group; isReplayed: boolean }>;
  getGroup(group: string): Promise<GroupWithMembers>;
  listGroups(request: PageRequest): Promise<Page<Group>>;
  addToGroup(group: string, containers: readonly string[], etag: string): Promise<Group>;
  removeFromGroup(group: string, containers: readonly string[], etag: string): Promise<Group>;
  /** How a plugin logs in. @throws also {PeerError} ADDRESS_BLOCKED: its node may not be contacted */
  login(container: string): Promise<Access>;
  /**
   * Marks the first unused ports of a container as used.
   *
   * @param validateOnly only tells which ones that would be
   * @throws {ContainerError} PORTS_EXHAUSTED
   */
  takePorts(container: string, count: number, validateOnly?: boolean): Promise<readonly ContainerPort[]>;
  /** Marks ports of a container as unused. */
  freePorts(container: string, ports: readonly ContainerPort[]): Promise<void>;
  /**
   * Takes a request id for a run of a plugin on this gateway, for 24 hours.
   *
   * @param validateOnly only tells, as far as the state shows
   * @returns false: another gateway that shares the state has it
   * @throws {ContainerError} REQUEST_ID_REUSED
   */
  takeRunRequest(requestId: string, argumentsHash: string, validateOnly?: boolean): Promise<boolean>;
  /** Gives back the request id of a run that never began. */
  freeRunRequest(requestId: string): Promise<void>;
  removeGroup(
    group: string,
    etag: string,
    removesContainers: boolean,
    options: CallerOptions,
  ): Promise<RemoveGroupResult>;
  mapPort(request: MapPortRequest, options: CallerOptions): Promise<MapPortResult>;
  watch(request: WatchRequest, signal: AbortSignal): AsyncIterable<WatchMessage>;
  /** Ends what runs: calls to nodes under way have 30 s to answer. */
  close(): Promise<void>;
}

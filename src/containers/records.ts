/**
 * What this room keeps in the store: one kind of record per prefix. A record that another kind depends on is rewritten
 * whenever that dependence changes, so that a commit's expectations catch every race:
 *
 * - a group is rewritten when its membership changes, so a group cannot end while it gains a member;
 * - a container's memberships are one record, so a container cannot leave while it enters a group.
 */
import type { ContainerPort, PeerAddress } from "../peer-api/contract.js";
import type { JsonValue, RecordValue } from "../store/contract.js";
import type { StateReason } from "./contract.js";

/** Where each kind lives. */
export const keyOf = {
  container: (key: string): string => `c/${key}`,
  /** Secrets of a container: the description its node sent. */
  secret: (key: string): string => `s/${key}`,
  membership: (key: string): string => `m/${key}`,
  group: (id: string): string => `g/${id}`,
  intent: (id: string): string => `i/${id}`,
  request: (id: string): string => `r/${id}`,
  tombstone: (key: string): string => `t/${key}`,
  ended: (id: string): string => `e/${id}`,
  lineage: (name: string): string => `l/${name}`,
  heartbeat: (gateway: string): string => `o/${gateway}`,
  duty: (name: string): string => `d/${name}`,
  gatewayKeys: (name: string): string => `k/${name}`,
} as const;

export type RecordKind = keyof typeof keyOf;

const kindOf: Readonly<Record<string, RecordKind>> = {
  "c/": "container",
  "s/": "secret",
  "m/": "membership",
  "g/": "group",
  "i/": "intent",
  "r/": "request",
  "t/": "tombstone",
  "e/": "ended",
  "l/": "lineage",
  "o/": "heartbeat",
  "d/": "duty",
  "k/": "gatewayKeys",
};

/** Says of which kind a record is, and what it is about. @returns undefined for a kind of a later version */
export function readKey(key: string): { readonly kind: RecordKind; readonly subject: string } | undefined {
  const kind = kindOf[key.slice(0, 2)];
  return kind === undefined ? undefined : { kind, subject: key.slice(2) };
}

export interface SpecRecord {
  readonly portCount: number;
  readonly gpu: boolean;
  readonly image: string;
  readonly baseImage: string;
  readonly sshPublicKey: string;
  /** Pairs: a caller's key such as `__proto__` is no field of an object of ours. */
  readonly labels: readonly (readonly [string, string])[];
}

/** A tracked container. */
export interface ContainerRecord {
  readonly address: PeerAddress;
  readonly id: string;
  readonly isAsTyped: boolean;
  readonly spec: SpecRecord;
  /** TRACKED shows as ACTIVE or UNREACHABLE. */
  readonly state: "TRACKED" | "REMOVING" | "REMOVE_FAILED";
  readonly reason: StateReason;
  readonly ports: readonly ContainerPort[];
  readonly sshUsername: string;
  readonly createTimeMs: number;
  /** Outcome of the last look, with its time; `isReachable` true before the first one. */
  readonly isReachable: boolean;
  readonly lastSeenTimeMs: number | null;
  /** While it is REMOVING: which gateway asks its node; absent = none does. */
  readonly owner?: string;
  /** While it is REMOVING: what it was before; absent = TRACKED without a reason. */
  readonly before?: Pick<ContainerRecord, "state" | "reason">;
  /** The intent that it came of; absent = a tracking file named it, or an earlier version made it. */
  readonly intent?: string;
  /**
   * Rises where an id is tracked again that was removed not long ago; absent = 1. Times do not tell: clocks of gateways
   * differ, and what was begun first may be tracked last.
   */
  readonly life?: number;
}

export const lifeOf = ({ life = 1 }: ContainerRecord): number => life;

/** What a container that is being removed was before. */
export function beforeRemoval(container: ContainerRecord): ContainerRecord {
  const { owner: _, before = { state: "TRACKED", reason: "" }, ...rest } = container;
  return { ...rest, ...before };
}

/** What a container's record says of its life, where it follows a removed one. */
export const nextLife = (tombstone: TombstoneRecord | undefined): Pick<ContainerRecord, "life"> =>
  tombstone === undefined ? {} : { life: lifeOf(tombstone.container) + 1 };

export interface SecretRecord {
  /** The DockerVM as the node sent it, or as a tracking file has it. */
  readonly dockerVm: JsonValue;
  /** Address as a tracking file spells it; empty = as we spell it. */
  readonly ipAddressText: string;
}

export interface MembershipRecord {
  readonly address: PeerAddress;
  readonly id: string;
  /** `place` orders the members of a group: it rises with each change of the group, and within one change. */
  readonly groups: readonly { readonly id: string; readonly place: number }[];
}

export interface GroupRecord {
  readonly id: string;
  readonly createTimeMs: number;
  readonly memberCount: number;
  /** Rises with every change of the membership. */
  readonly changeCount: number;
}

/** What was about to be asked of a node; UNKNOWN = nobody knows what became of it. */
export interface IntentRecord {
  readonly id: string;
  readonly address: PeerAddress;
  readonly isAsTyped: boolean;
  readonly spec: SpecRecord;
  readonly group: string;
  readonly requestId: string;
  readonly state: "PENDING" | "UNKNOWN";
  readonly reason: StateReason;
  readonly createTimeMs: number;
  /** Which gateway asks. */
  readonly owner: string;
  /** An entry without an id that another program wrote into a tracking file. */
  readonly imported?: {
    /** By which the tracking files know it. */
    readonly key: string;
    readonly dockerVm: JsonValue;
    readonly ipAddressText: string;
  };
}

/** What a repeated `request_id` is answered with. */
export type OutcomeRecord =
  | { readonly kind: "running"; readonly intent: string }
  | { readonly kind: "tracked"; readonly container: string }
  | { readonly kind: "unknown"; readonly intent: string; readonly reason: StateReason }
  | {
      readonly kind: "refused";
      readonly httpStatus: number;
      /** Empty = no container exists. */
      readonly intent: string;
      /** The image that the node does not have; absent or empty = something else was wrong. */
      readonly image?: string;
    }
  | {
      /**
       * The node made it with an error; `notRolledBack`: and did not remove it again; `rollingBack`: what becomes of the
       * container tells which.
       */
      readonly kind: "rollingBack" | "rolledBack" | "notRolledBack";
      readonly container: string;
      readonly httpStatus: number;
    }
  | { readonly kind: "group"; readonly group: string }
  /** Of a plugin: what came of it, that gateway alone knows. */
  | { readonly kind: "run"; readonly gateway: string };

export interface RequestRecord {
  /** Of the arguments: another call must not hide behind the same id. */
  readonly argumentsHash: string;
  readonly expireTimeMs: number;
  readonly outcome: OutcomeRecord;
}

/** Names the state: files that mirror another one are imported anew. */
export interface LineageRecord {
  readonly id: string;
}

/** Written anew while a gateway has work under way that a crash would leave half-done. */
export interface HeartbeatRecord {
  readonly beat: number;
}

/** Which gateway does what one of them is enough for. Written anew while it does. */
export interface DutyRecord {
  readonly holder: string;
  readonly beat: number;
}

/** SSH public keys of the gateways that share the state, those that came last first. */
export interface GatewayKeysRecord {
  readonly lines: readonly string[];
}

/** A container that was removed. */
export interface TombstoneRecord {
  readonly container: ContainerRecord;
  readonly groups: readonly string[];
  readonly reason: StateReason;
  readonly removeTimeMs: number;
}

/** A group that has ended: a tracking file from before that must not bring it back. */
export interface EndedRecord {
  readonly id: string;
  readonly endTimeMs: number;
}

export interface RecordOfKind {
  readonly container: ContainerRecord;
  readonly secret: SecretRecord;
  readonly membership: MembershipRecord;
  readonly group: GroupRecord;
  readonly intent: IntentRecord;
  readonly request: RequestRecord;
  readonly tombstone: TombstoneRecord;
  readonly ended: EndedRecord;
  readonly lineage: LineageRecord;
  readonly heartbeat: HeartbeatRecord;
  readonly duty: DutyRecord;
  readonly gatewayKeys: GatewayKeysRecord;
}

/** Our own records, written by this file's types: nobody else writes to the store. */
export const read = <K extends RecordKind>(_kind: K, value: RecordValue): RecordOfKind[K] =>
  value as unknown as RecordOfKind[K];

export const write = <K extends RecordKind>(_kind: K, record: RecordOfKind[K]): RecordValue =>
  record as unknown as RecordValue;

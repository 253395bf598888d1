/** How records look to callers. */
import { hash } from "node:crypto";
import { nodeName } from "../peer-api/address.js";
import type { NodeContainer } from "../peer-api/contract.js";
import type { Access, Container, ContainerSpec, Group, StateReason } from "./contract.js";
import { containerKey, containerName, groupName, intentName } from "./names.js";
import type {
  ContainerRecord,
  IntentRecord,
  MembershipRecord,
  SpecRecord,
  TombstoneRecord,
} from "./records.js";
import type { Records, Subject, TrackedState } from "./tracked-state.js";

export const toSpecRecord = (spec: ContainerSpec): SpecRecord => ({ ...spec, labels: [...spec.labels] });

const fromSpecRecord = (spec: SpecRecord): ContainerSpec => ({ ...spec, labels: new Map(spec.labels) });

/** Shows what a name in the list stands for. @returns undefined if it is gone */
export function showSubject(state: TrackedState, { kind, subject }: Subject): Container | undefined {
  switch (kind) {
    case "container":
      return showContainer(state, subject, state.seenTimeMs(subject));
    case "intent": {
      const intent = state.get("intent", subject);
      return intent === undefined ? undefined : showIntent(intent);
    }
    case "tombstone": {
      const tombstone = state.get("tombstone", subject);
      return tombstone === undefined ? undefined : showTombstone(tombstone);
    }
  }
}

/** @param seenTimeMs a later sign of life than the record knows */
export function showContainer(records: Records, key: string, seenTimeMs?: number): Container | undefined {
  const record = records.get("container", key);
  if (record === undefined) return undefined;
  const membership = records.get("membership", key);
  return showRecord(record, groupNamesOf(membership), { lastSeenTimeMs: seenTimeMs });
}

interface Later {
  /** A later sign of life than the record knows. */
  readonly lastSeenTimeMs?: number | undefined;
  readonly removal?: { readonly reason: StateReason; readonly timeMs: number };
}

function showRecord(record: ContainerRecord, groups: readonly string[], later: Later): Container {
  const { address, id, spec, ports, sshUsername, createTimeMs } = record;
  const { removal } = later;
  return {
    name: containerName(address, id),
    id,
    node: nodeName(address),
    address,
    spec: fromSpecRecord(spec),
    state: removal === undefined ? shownState(record) : "REMOVED",
    stateReason: removal?.reason ?? record.reason,
    ports,
    groups,
    sshUsername,
    createTimeMs,
    lastSeenTimeMs: later.lastSeenTimeMs ?? record.lastSeenTimeMs ?? undefined,
    removeTimeMs: removal?.timeMs,
    // Worked out when it is asked for: a filter looks at thousands of containers and shows a hundred.
    get etag() {
      return containerEtag(record, groups);
    },
  };
}

const shownState = ({ state, isReachable }: ContainerRecord): Container["state"] =>
  state === "TRACKED" ? (isReachable ? "ACTIVE" : "UNREACHABLE") : state;

const groupNamesOf = (membership: MembershipRecord | undefined): readonly string[] =>
  (membership?.groups ?? []).map(({ id }) => groupName(id)).sort();

/** Changes with what callers set and nodes say, not with signs of life: those would spoil everybody's etags. */
function containerEtag(record: ContainerRecord, groups: readonly string[]): string {
  const { isReachable: _, lastSeenTimeMs: __, ...lasting } = record;
  return etagOf([lasting, groups]);
}

/** Shows a container whose id is not known. */
export function showIntent(intent: IntentRecord): Container {
  const { address, spec, state, reason, group, createTimeMs } = intent;
  return {
    name: intentName(address, intent.id),
    id: "",
    node: nodeName(address),
    address,
    spec: fromSpecRecord(spec),
    state,
    stateReason: reason,
    ports: [],
    groups: group === "" ? [] : [groupName(group)],
    sshUsername: "",
    createTimeMs,
    lastSeenTimeMs: undefined,
    removeTimeMs: undefined,
    get etag() {
      return etagOf(intent);
    },
  };
}

export function showTombstone({ container, groups, reason, removeTimeMs }: TombstoneRecord): Container {
  return showRecord(container, groups, { removal: { reason, timeMs: removeTimeMs } });
}

/** @returns undefined if there is no such group */
export function showGroup(records: Records, id: string): Group | undefined {
  const record = records.get("group", id);
  if (record === undefined) return undefined;
  const names = records.membersOf(id).map((key) => {
    const membership = records.get("membership", key);
    return membership === undefined ? key : containerName(membership.address, membership.id);
  });
  return {
    name: groupName(id),
    id,
    containers: names,
    createTimeMs: record.createTimeMs,
    isEmptied: names.length === 0 && record.changeCount > 0,
    get etag() {
      return etagOf(record);
    },
  };
}

/** Says how to log in to a container as its node describes it. */
export function showAccess(record: ContainerRecord, described: NodeContainer | undefined): Access {
  const { host } = record.address;
  const sshPort = described?.sshPort ?? 0;
  const sshUsername = described?.sshUsername ?? record.sshUsername;
  return {
    host,
    sshPort,
    sshUsername,
    sshPassword: described?.sshPassword ?? "",
    sshPublicKey: described?.sshPublicKey ?? "",
    // The user name is the node's word: one that a shell could misread is not put into a command.
    sshCommand:
      sshPort === 0 || !/^[a-z_][a-z0-9_-]{0,31}$/i.test(sshUsername)
        ? ""
        : `ssh -p ${String(sshPort)} ${sshUsername}@${host}`,
    vncPort: described?.vncPort ?? 0,
    vncPassword: described?.vncPassword ?? "",
  };
}

/** Identity of the container that a record is about. */
export const keyOfRecord = ({ address, id }: { address: ContainerRecord["address"]; id: string }): string =>
  containerKey(address, id);

/** A short text that changes with every change, quoted as HTTP has it. */
function etagOf(value: unknown): string {
  return `"${hash("sha256", JSON.stringify(value), "base64url").slice(0, 16)}"`;
}

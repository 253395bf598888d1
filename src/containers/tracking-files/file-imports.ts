/** Brings into the state what other programs wrote into the tracking files. */
import { hash } from "node:crypto";
import type { Logger } from "../../observability/logger.js";
import { isContainerId, parseDockerVm } from "../../peer-api/docker-vm.js";
import type { RecordValue } from "../../store/contract.js";
import { failpoint } from "../../system/failpoint.js";
import { change, type ChangeDeps, type Draft } from "../change.js";
import { ContainerError } from "../errors.js";
import { inBatches } from "./import-batches.js";
import { containerLimits } from "../limits.js";
import { endGroup, enterGroup, leaveGroup, type Member } from "../membership.js";
import { isGroupId } from "../names.js";
import {
  type ContainerRecord,
  type IntentRecord,
  nextLife,
  type SpecRecord,
  type TombstoneRecord,
} from "../records.js";
import { untrack } from "../life/untrack.js";
import type { ForeignChanges, ImportChanges, ImportRefusals, Membership, TrackedEntry } from "./contract.js";
import { membershipKey } from "./group-document.js";

export interface FileImportsDeps extends ChangeDeps {
  readonly logger: Logger;
}

/** Members in one commit: with each its container and its groups are expected to stay as they are. */
const memberBatch = 500;

/** A rewrite with a copy from before our removal is no wish to have the container back. */
const staleMs = 5_000;

/** A plan may run several times: each of them once. */
interface Refusals {
  readonly containers: Set<string>;
  readonly groups: Set<string>;
  readonly members: Map<string, Membership>;
}

/** Files are the operator's own: addresses in them are contacted as they stand. */
export const fileImports =
  (deps: FileImportsDeps): ImportChanges =>
  async (changes, appeared) => {
    const refusals: Refusals = { containers: new Set(), groups: new Set(), members: new Map() };
    await removeMembers(deps, changes.removedMembers);
    for (const id of changes.removedGroups) await change(deps, (draft) => endKnownGroup(draft, deps, id));
    await inBatches(deps, changes.removedContainers, (draft, key) => {
      if (draft.get("container", key) !== undefined) untrack(draft, deps, key, "REMOVED_FROM_FILE");
      else closeImported(draft, key);
    });
    failpoint("import.removals");
    const add = (draft: Draft, entry: TrackedEntry): void =>
      addEntry(draft, deps, entry, appeared.containersMs, refusals);
    await inBatches(deps, changes.addedContainers, add, {
      bytesOf,
      leaveOut: ({ key }) => refusals.containers.add(key),
    });
    await inBatches(deps, changes.changedContainers, changeEntry, {
      bytesOf,
      leaveOut: ({ key }) =>
        deps.logger.warn(
          { container: key },
          "a tracking file says too much of a container: it stays as it was",
        ),
    });
    failpoint("import.containers");
    for (const { id, memberKeys } of changes.addedGroups) {
      const isTaken = await change(deps, (draft) => addGroup(draft, deps, id, appeared.groupsMs, refusals));
      if (isTaken) await addMembers(deps, id, memberKeys, refusals);
    }
    for (const [groupId, keys] of byGroup(changes.addedMembers)) {
      await addMembers(deps, groupId, keys, refusals);
    }
    failpoint("import.groups");
    return reported(deps, changes, refusals);
  };

const bytesOf = ({ raw, ipAddressText }: TrackedEntry): number =>
  Buffer.byteLength(JSON.stringify(raw)) + Buffer.byteLength(ipAddressText);

function addEntry(
  draft: Draft,
  { clock }: ChangeDeps,
  entry: TrackedEntry,
  appearedMs: number,
  refusals: Refusals,
): void {
  const { key, address, id, raw, ipAddressText } = entry;
  const nowMs = clock.nowMs();
  if (id === "") {
    const intentId = intentIdOf(key);
    if (draft.get("intent", intentId) !== undefined) return;
    const intent: IntentRecord = {
      id: intentId,
      address,
      isAsTyped: true,
      spec: noSpec,
      group: "",
      requestId: "",
      state: "UNKNOWN",
      reason: "IMPORTED_WITHOUT_ID",
      createTimeMs: nowMs,
      owner: "",
      imported: { key, dockerVm: raw, ipAddressText },
    };
    draft.put("intent", intentId, intent);
    return;
  }
  if (!isContainerId(id)) {
    refusals.containers.add(key);
    return;
  }
  const tombstone = draft.get("tombstone", key);
  if (draft.get("container", key) !== undefined || isGone(tombstone, appearedMs)) return;
  draft.put("container", key, {
    ...describedBy(raw),
    address,
    id,
    isAsTyped: true,
    state: "TRACKED",
    reason: "",
    createTimeMs: nowMs,
    isReachable: true,
    lastSeenTimeMs: null,
    ...nextLife(tombstone),
  });
  draft.put("secret", key, { dockerVm: raw, ipAddressText });
  draft.delete("tombstone", key);
}

function changeEntry(draft: Draft, { key, raw, ipAddressText }: TrackedEntry): void {
  const record = draft.get("container", key);
  const secret = draft.get("secret", key);
  if (record === undefined || secret === undefined) return;
  const { ports, sshUsername } = describedBy(raw);
  draft.put("secret", key, { ...secret, dockerVm: raw, ipAddressText });
  draft.put("container", key, { ...record, ports, sshUsername });
}

/**
 * A node that confirmed a removal has no such container any more, and never gives its id again. For the others the age
 * of the file counts: it may be our own, from before a crash, however long ago that was.
 */
function isGone(tombstone: TombstoneRecord | undefined, appearedMs: number): boolean {
  if (tombstone === undefined) return false;
  const isByFile = tombstone.reason === "REMOVED_FROM_FILE" || tombstone.reason === "FORGOTTEN";
  return !isByFile || appearedMs - tombstone.removeTimeMs < staleMs;
}

const noSpec: SpecRecord = {
  portCount: 0,
  gpu: false,
  image: "",
  baseImage: "",
  sshPublicKey: "",
  labels: [],
};

function describedBy(raw: RecordValue): Pick<ContainerRecord, "spec" | "ports" | "sshUsername"> {
  const described = parseDockerVm(raw);
  if (described === undefined) return { spec: noSpec, ports: [], sshUsername: "" };
  const { gpu, baseImage, ports, sshUsername } = described;
  return { spec: { ...noSpec, gpu, baseImage }, ports, sshUsername };
}

/** An intent's name has room for less than an entry's key. */
const intentIdOf = (key: string): string => `file-${hash("sha256", key, "hex").slice(0, 24)}`;

function closeImported(draft: Draft, key: string): void {
  const id = intentIdOf(key);
  if (draft.get("intent", id)?.imported !== undefined) draft.delete("intent", id);
}

/** @returns false for a group that ended: the file is from before, and so are its members there */
function addGroup(
  draft: Draft,
  { clock }: ChangeDeps,
  id: string,
  appearedMs: number,
  refusals: Refusals,
): boolean {
  if (!isGroupId(id)) {
    refusals.groups.add(id);
    return true;
  }
  const ended = draft.get("ended", id);
  if (ended !== undefined && appearedMs - ended.endTimeMs < staleMs) return false;
  if (draft.get("group", id) === undefined)
    draft.put("group", id, { id, createTimeMs: clock.nowMs(), memberCount: 0, changeCount: 0 });
  return true;
}

/** Others know no limits: a group of theirs may have more members than one commit can look at. */
async function addMembers(
  deps: ChangeDeps,
  groupId: string,
  keys: readonly string[],
  refusals: Refusals,
): Promise<void> {
  const refuse = (memberKey: string): void =>
    void refusals.members.set(membershipKey(groupId, memberKey), { groupId, memberKey });
  const { maxGroupMembers } = containerLimits;
  keys.slice(maxGroupMembers).forEach(refuse);
  for (let index = 0; index < Math.min(keys.length, maxGroupMembers); index += memberBatch) {
    const some = keys.slice(index, Math.min(index + memberBatch, maxGroupMembers));
    await change(deps, (draft) => addSome(draft, groupId, some, refuse));
  }
}

function addSome(
  draft: Draft,
  groupId: string,
  keys: readonly string[],
  refuse: (key: string) => void,
): void {
  if (draft.get("group", groupId) === undefined) {
    keys.forEach(refuse);
    return;
  }
  for (const key of keys) {
    const record = draft.get("container", key);
    try {
      if (record === undefined) refuse(key);
      else enterGroup(draft, groupId, [{ key, address: record.address, id: record.id }]);
    } catch (error) {
      if (!(error instanceof ContainerError)) throw error;
      // The group or the container is in as many as the limits allow: it stays in the file only.
      refuse(key);
    }
  }
}

async function removeMembers(deps: ChangeDeps, removed: readonly Membership[]): Promise<void> {
  for (const [groupId, keys] of byGroup(removed)) {
    await change(deps, (draft) => {
      if (draft.get("group", groupId) !== undefined) leaveGroup(draft, groupId, keys.map(memberOf));
    });
  }
}

function endKnownGroup(draft: Draft, { state, clock }: ChangeDeps, id: string): void {
  if (draft.get("group", id) === undefined) return;
  endGroup(draft, id, state.membersOf(id).map(memberOf), clock.nowMs());
}

/** Who leaves is known by its key alone. */
const memberOf = (key: string): Member => ({ key, address: { host: "", port: 0 }, id: "" });

function byGroup(memberships: readonly Membership[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { groupId, memberKey } of memberships) {
    const keys = groups.get(groupId);
    if (keys === undefined) groups.set(groupId, [memberKey]);
    else keys.push(memberKey);
  }
  return groups;
}

function reported(
  { logger }: FileImportsDeps,
  changes: ForeignChanges,
  refusals: Refusals,
): ImportRefusals | undefined {
  const counts = Object.entries(changes).map(([what, all]): [string, number] => [
    what,
    (all as readonly unknown[]).length,
  ]);
  logger.info(
    Object.fromEntries(counts.filter(([, count]) => count > 0)),
    "tracking files were changed by another program",
  );
  const { containers, groups, members } = refusals;
  if (containers.size + groups.size + members.size === 0) return undefined;
  logger.warn(
    { containers: containers.size, groups: groups.size, members: members.size },
    "some entries of the tracking files cannot be taken over: they stay in the files only",
  );
  return { containers: [...containers], groups: [...groups], members: [...members.values()] };
}

/** Brings into the state what other programs wrote into the tracking files. */
import { hash } from "node:crypto";
import type { Logger } from "../observability/logger.js";
import { isContainerId, parseDockerVm } from "../peer-api/docker-vm.js";
import type { RecordValue } from "../store/contract.js";
import { failpoint } from "../system/failpoint.js";
import { change, type ChangeDeps, type Draft } from "./change.js";
import { enterGroup, leaveGroup, type Member } from "./membership.js";
import { isGroupId } from "./names.js";
import type { ContainerRecord, IntentRecord, SpecRecord, TombstoneRecord } from "./records.js";
import { untrack } from "./removals.js";
import type {
  ForeignChanges,
  GroupEntry,
  ImportChanges,
  ImportRefusals,
  Membership,
  TrackedEntry,
} from "./tracking-files/contract.js";

export interface FileImportsDeps extends ChangeDeps {
  readonly logger: Logger;
}

/** Containers in one commit: the description that a node sent may take 64 KiB. */
const batch = 16;

/** A rewrite with a copy from before our removal is no wish to have the container back. */
const staleMs = 5_000;

interface Refusals {
  readonly containers: string[];
  readonly groups: string[];
  readonly members: Membership[];
}

/** Files are the operator's own: addresses in them are contacted as they stand. */
export const fileImports =
  (deps: FileImportsDeps): ImportChanges =>
  async (changes) => {
    const refusals: Refusals = { containers: [], groups: [], members: [] };
    await removeMembers(deps, changes.removedMembers);
    for (const id of changes.removedGroups) await change(deps, (draft) => endGroup(draft, deps, id));
    await inBatches(deps, changes.removedContainers, (draft, key) => {
      if (draft.get("container", key) !== undefined) untrack(draft, deps, key, "REMOVED_FROM_FILE");
      else closeImported(draft, key);
    });
    failpoint("import.removals");
    await inBatches(deps, changes.addedContainers, (draft, entry) => addEntry(draft, deps, entry, refusals));
    await inBatches(deps, changes.changedContainers, (draft, entry) => changeEntry(draft, entry));
    failpoint("import.containers");
    for (const group of changes.addedGroups)
      await change(deps, (draft) => addGroup(draft, deps, group, refusals));
    for (const [groupId, keys] of byGroup(changes.addedMembers)) {
      await change(deps, (draft) => addMembers(draft, deps, groupId, keys, refusals));
    }
    failpoint("import.groups");
    return reported(deps, changes, refusals);
  };

async function inBatches<T>(
  deps: ChangeDeps,
  all: readonly T[],
  plan: (draft: Draft, one: T) => void,
): Promise<void> {
  for (let index = 0; index < all.length; index += batch) {
    await change(deps, (draft) => {
      for (const one of all.slice(index, index + batch)) plan(draft, one);
    });
  }
}

function addEntry(draft: Draft, { clock }: ChangeDeps, entry: TrackedEntry, refusals: Refusals): void {
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
    if (!refusals.containers.includes(key)) refusals.containers.push(key);
    return;
  }
  if (draft.get("container", key) !== undefined || isGone(draft.get("tombstone", key), nowMs)) return;
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

/** A node that confirmed a removal has no such container any more, and never gives its id again. */
function isGone(tombstone: TombstoneRecord | undefined, nowMs: number): boolean {
  if (tombstone === undefined) return false;
  const isByFile = tombstone.reason === "REMOVED_FROM_FILE" || tombstone.reason === "FORGOTTEN";
  return !isByFile || nowMs - tombstone.removeTimeMs < staleMs;
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

function addGroup(draft: Draft, deps: ChangeDeps, { id, memberKeys }: GroupEntry, refusals: Refusals): void {
  if (!isGroupId(id)) {
    refusals.groups.push(id);
    return;
  }
  if (draft.get("group", id) === undefined) {
    draft.put("group", id, { id, createTimeMs: deps.clock.nowMs(), memberCount: 0, changeCount: 0 });
  }
  addMembers(draft, deps, id, memberKeys, refusals);
}

function addMembers(
  draft: Draft,
  { clock }: ChangeDeps,
  groupId: string,
  keys: readonly string[],
  refusals: Refusals,
): void {
  const refuse = (memberKey: string): void => {
    const isKnown = refusals.members.some((one) => one.groupId === groupId && one.memberKey === memberKey);
    if (!isKnown) refusals.members.push({ groupId, memberKey });
  };
  if (draft.get("group", groupId) === undefined) {
    keys.forEach(refuse);
    return;
  }
  for (const key of keys) {
    const record = draft.get("container", key);
    try {
      if (record === undefined) refuse(key);
      else enterGroup(draft, groupId, [{ key, address: record.address, id: record.id }], clock.nowMs());
    } catch {
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

function endGroup(draft: Draft, { state }: ChangeDeps, id: string): void {
  if (draft.get("group", id) === undefined) return;
  leaveGroup(draft, id, state.membersOf(id).map(memberOf));
  draft.delete("group", id);
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
  if (containers.length + groups.length + members.length === 0) return undefined;
  logger.warn(
    { containers: containers.length, groups: groups.length, members: members.length },
    "some entries of the tracking files cannot be taken over: they stay in the files only",
  );
  return refusals;
}

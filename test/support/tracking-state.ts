import type {
  ForeignChanges,
  GroupEntry,
  ImportRefusals,
  TrackedEntry,
  TrackingState,
} from "../../src/containers/tracking-files/contract.js";
import { addressKey } from "../../src/peer-api/address.js";
import type { RecordValue } from "../../src/store/contract.js";

/** A tracked entry; `n` makes it one of its own. */
export function anEntry(n: number, raw: RecordValue = {}): TrackedEntry {
  const address = { host: `192.0.2.${String(1 + (n % 200))}`, port: 8088 };
  const id = `container-${String(n)}`;
  return {
    key: `${addressKey(address)}/${id}`,
    address,
    id,
    raw: { SSHUsername: "root", ID: id, TagName: "p2p-ubuntu", Ports: { Port: null }, GPU: "false", ...raw },
    ipAddressText: addressKey(address),
  };
}

/** The state in memory, with what was imported into it. */
export class FakeTrackingState implements TrackingState {
  lineage = "first";
  readonly entries = new Map<string, TrackedEntry>();
  readonly memberships = new Map<string, Set<string>>();
  /** When members left, as the state would say. */
  readonly left = new Map<string, number>();
  readonly imports: ForeignChanges[] = [];
  onCommit: () => void = () => undefined;
  refusals: (changes: ForeignChanges) => ImportRefusals = () => ({});

  get containerCount(): number {
    return this.entries.size;
  }

  containers(): Iterable<TrackedEntry> {
    return this.entries.values();
  }

  groups(): Iterable<GroupEntry> {
    return [...this.memberships].map(([id, members]) => ({ id, memberKeys: [...members] }));
  }

  hasContainer(key: string): boolean {
    return this.entries.has(key);
  }

  container(key: string): TrackedEntry | undefined {
    return this.entries.get(key);
  }

  group(id: string): GroupEntry | undefined {
    const members = this.memberships.get(id);
    return members === undefined ? undefined : { id, memberKeys: [...members] };
  }

  isMember(groupId: string, memberKey: string): boolean {
    return this.memberships.get(groupId)?.has(memberKey) === true;
  }

  leftMs(groupId: string, memberKey: string): number | undefined {
    return this.left.get(`${groupId} ${memberKey}`);
  }

  track(...entries: readonly TrackedEntry[]): void {
    for (const entry of entries) this.entries.set(entry.key, entry);
    this.onCommit();
  }

  untrack(...keys: readonly string[]): void {
    for (const key of keys) {
      this.entries.delete(key);
      for (const members of this.memberships.values()) members.delete(key);
    }
    this.onCommit();
  }

  join(groupId: string, ...keys: readonly string[]): void {
    const members = this.memberships.get(groupId) ?? new Set();
    for (const key of keys) members.add(key);
    this.memberships.set(groupId, members);
    this.onCommit();
  }

  readonly importChanges = async (changes: ForeignChanges): Promise<ImportRefusals> => {
    await new Promise((resolve) => setImmediate(resolve));
    this.imports.push(changes);
    const refusals = this.refusals(changes);
    for (const entry of [...changes.addedContainers, ...changes.changedContainers]) {
      if (refusals.containers?.includes(entry.key) !== true) this.entries.set(entry.key, entry);
    }
    for (const { id, memberKeys } of changes.addedGroups) this.memberships.set(id, new Set(memberKeys));
    for (const id of changes.removedGroups) this.memberships.delete(id);
    for (const { groupId, memberKey } of changes.addedMembers) this.memberships.get(groupId)?.add(memberKey);
    for (const { groupId, memberKey } of changes.removedMembers)
      this.memberships.get(groupId)?.delete(memberKey);
    this.untrack(...changes.removedContainers);
    return refusals;
  };
}

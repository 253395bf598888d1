/** What the tracking files need of the state, and the state of them. */
import type { PeerAddress } from "../../peer-api/contract.js";
import type { RecordValue } from "../../store/contract.js";

/** A container as the files know it. */
export interface TrackedEntry {
  /** Identity: `HOST:PORT/ID`, or `HOST:PORT/~HASH` for an entry without an id. */
  readonly key: string;
  readonly address: PeerAddress;
  /** Empty = a start that failed, written by the original client: shown, never sent to a node. */
  readonly id: string;
  /** The DockerVM as it was read. Never changed in place: what is made of it is remembered by this very object. */
  readonly raw: RecordValue;
  /** The address as the file spells it. */
  readonly ipAddressText: string;
}

export interface GroupEntry {
  readonly id: string;
  /** In the order in which they came. */
  readonly memberKeys: readonly string[];
}

export interface Membership {
  readonly groupId: string;
  readonly memberKey: string;
}

/** What the files should say. Both lists are of one moment, and every member is among the containers. */
export interface TrackingState {
  /**
   * Names the store. If it is another than last time, the files are imported anew: a store that was deleted must not
   * empty the files with it.
   */
  readonly lineage: string;
  readonly containerCount: number;
  /** Entries in any order, without waiting; cheap, as it is called for every write. */
  containers(): Iterable<TrackedEntry>;
  groups(): Iterable<GroupEntry>;
  hasContainer(key: string): boolean;
  container(key: string): TrackedEntry | undefined;
  group(id: string): GroupEntry | undefined;
  isMember(groupId: string, memberKey: string): boolean;
  /** When a member left of late, wall clock in milliseconds since 1970; undefined = it did not, or long ago. */
  leftMs(groupId: string, memberKey: string): number | undefined;
}

/** What other writers did to the files. */
export interface ForeignChanges {
  readonly addedContainers: readonly TrackedEntry[];
  /** Whole entries, as they should be now. */
  readonly changedContainers: readonly TrackedEntry[];
  readonly removedContainers: readonly string[];
  readonly addedGroups: readonly GroupEntry[];
  readonly removedGroups: readonly string[];
  /** In groups that were there before. */
  readonly addedMembers: readonly Membership[];
  readonly removedMembers: readonly Membership[];
}

/** What the state does not take. It stays in the files, and is offered again with what
 * others write next. */
export interface ImportRefusals {
  /** Keys. */
  readonly containers?: readonly string[];
  /** Ids. */
  readonly groups?: readonly string[];
  readonly members?: readonly Membership[];
}

/**
 * Brings what others did into the state. Resolves when it is durable and visible in `TrackingState`; if it throws, the
 * files stay as they are, and the same changes come again.
 *
 * @param appeared when each file was written, by the clock of its disk
 */
export type ImportChanges = (
  changes: ForeignChanges,
  appeared: { readonly containersMs: number; readonly groupsMs: number },
) => Promise<ImportRefusals | undefined>;

export type TrackingFileName = "containers" | "groups";

/** Whether the files may be written. */
export type OpenResult =
  | { readonly kind: "mirroring" }
  /**
   * A file that was never imported cannot be read: nothing is written. Damage may be given up (`acceptsLoss`); a file
   * that cannot be read for another reason stays in the way.
   */
  | {
      readonly kind: "read-only";
      readonly file: TrackingFileName;
      readonly failure: "DAMAGED" | "UNREADABLE";
      /** For the operator: no path, nothing of what the file holds. */
      readonly why: string;
    };

export interface TrackingStatus {
  /** Whether the files hold all that the state held at this moment. */
  readonly isCurrent: boolean;
  /** Files that cannot be written or read now, and why. */
  readonly failing: ReadonlyMap<TrackingFileName, string>;
  /** Entries that name no container or group: kept in the file as they are. */
  readonly unreadableEntryCount: number;
}

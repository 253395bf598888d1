import { addressKey } from "../../peer-api/address.js";
import type { RecordValue } from "../../store/contract.js";
import { mirrorLimits } from "../../store/mirror/limits.js";
import { Slices } from "../../store/mirror/slices.js";
import type { ViewUpdate } from "../../store/view.js";
import type { Clock } from "../../system/clock.js";
import { groupName } from "../names.js";
import { read, readKey } from "../records.js";
import type { TrackedState } from "../tracked-state.js";
import type { GroupEntry, TrackedEntry, TrackingState } from "./contract.js";
import { membershipKey } from "./group-document.js";

/** What the tracking files should say: every container whose id is known, and entries that others wrote without one. */
export class MirroredState implements TrackingState {
  readonly lineage: string;
  readonly #state: TrackedState;
  readonly #entries = new Map<string, TrackedEntry>();
  /** Keys of the entries that were imported without an id, by their intents. */
  readonly #imported = new Map<string, string>();
  /** When members left of late, the oldest first. */
  readonly #left = new Map<string, number>();
  readonly #clock: Clock;

  private constructor(state: TrackedState, lineage: string, clock: Clock) {
    this.#state = state;
    this.lineage = lineage;
    this.#clock = clock;
  }

  /** Looks at every container, in slices. @param lineage names the store */
  static async open(state: TrackedState, lineage: string, clock: Clock): Promise<MirroredState> {
    const mirrored = new MirroredState(state, lineage, clock);
    const slices = new Slices(clock);
    state.subscribe((update) => mirrored.#follow(update));
    for (const [id] of state.named("intent")) mirrored.#lookAtIntent(id);
    for (const [key] of state.named("container")) {
      mirrored.#lookAtContainer(key);
      if (slices.isOver) await slices.rest();
    }
    // Each group's members are put in order once, and here, because a write takes all groups in one moment.
    for (const name of [...state.groupNames]) {
      mirrored.group(name.slice(groupName("").length));
      if (slices.isOver) await slices.rest();
    }
    return mirrored;
  }

  get containerCount(): number {
    return this.#entries.size;
  }

  containers(): Iterable<TrackedEntry> {
    return this.#entries.values();
  }

  *groups(): Iterable<GroupEntry> {
    for (const name of this.#state.groupNames) {
      const group = this.group(name.slice(groupName("").length));
      if (group !== undefined) yield group;
    }
  }

  hasContainer(key: string): boolean {
    return this.#entries.has(key);
  }

  container(key: string): TrackedEntry | undefined {
    return this.#entries.get(key);
  }

  group(id: string): GroupEntry | undefined {
    if (this.#state.get("group", id) === undefined) return undefined;
    return { id, memberKeys: this.#state.membersOf(id) };
  }

  isMember(groupId: string, memberKey: string): boolean {
    return this.#state.isMember(groupId, memberKey);
  }

  leftMs(groupId: string, memberKey: string): number | undefined {
    return this.#left.get(membershipKey(groupId, memberKey));
  }

  #follow(update: ViewUpdate): void {
    for (const { key, value, previous } of update.kind === "changed"
      ? update.changeSet.changes
      : update.changes) {
      const known = readKey(key);
      if (known?.kind === "membership") this.#noteLeft(known.subject, previous, value);
      if (known?.kind === "container" || known?.kind === "secret") this.#lookAtContainer(known.subject);
      if (known?.kind === "intent") this.#lookAtIntent(known.subject);
    }
  }

  #noteLeft(memberKey: string, before: RecordValue | undefined, now: RecordValue | undefined): void {
    const nowMs = this.#clock.nowMs();
    for (const [key, atMs] of this.#left) {
      if (nowMs - atMs < mirrorLimits.holdMs) break;
      this.#left.delete(key);
    }
    const stays = new Set(groupsIn(now));
    for (const id of groupsIn(before)) {
      const key = membershipKey(id, memberKey);
      this.#left.delete(key);
      if (!stays.has(id)) this.#left.set(key, nowMs);
    }
  }

  #lookAtContainer(key: string): void {
    const record = this.#state.get("container", key);
    const secret = this.#state.get("secret", key);
    if (record === undefined || secret === undefined) {
      this.#entries.delete(key);
      return;
    }
    const { address, id } = record;
    const raw = secret.dockerVm as RecordValue;
    const ipAddressText = secret.ipAddressText === "" ? addressKey(address) : secret.ipAddressText;
    const known = this.#entries.get(key);
    // What is made of an entry is remembered by these very objects.
    if (known?.raw === raw && known.ipAddressText === ipAddressText) return;
    this.#entries.set(key, { key, address, id, raw, ipAddressText });
  }

  #lookAtIntent(id: string): void {
    const intent = this.#state.get("intent", id);
    const known = this.#imported.get(id);
    if (intent?.imported === undefined) {
      if (known !== undefined) this.#entries.delete(known);
      this.#imported.delete(id);
      return;
    }
    const { key, dockerVm, ipAddressText } = intent.imported;
    this.#imported.set(id, key);
    this.#entries.set(key, {
      key,
      address: intent.address,
      id: "",
      raw: dockerVm as RecordValue,
      ipAddressText,
    });
  }
}

const groupsIn = (membership: RecordValue | undefined): readonly string[] =>
  membership === undefined ? [] : read("membership", membership).groups.map(({ id }) => id);

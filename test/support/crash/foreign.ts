/** Another program that writes the tracking files, as the original client does: whole, in place, without a lock. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RecordValue } from "../../../src/store/contract.js";
import { textOf } from "./text-of.js";

/** Held shorter, an absence counts as a stale copy and no removal; and the clock of the disk is coarse. */
const holdMs = 6_000;

interface Entry {
  readonly ID: string;
  readonly Container: RecordValue;
  readonly IpAddress: string;
}

interface Group {
  readonly ID: string;
  readonly TrackContainer: readonly Entry[] | null;
}

/** Edits both files between two lives of the process that mirrors them. */
export class ForeignWriter {
  /** By key, with when they were written first. */
  readonly #added = new Map<string, { readonly entry: Entry; readonly atMs: number }>();
  readonly #folder: string;
  readonly #secret: string;
  readonly #mark: string;
  #count = 0;
  #texts: readonly string[] = [];

  /**
   * @param secret stands in every description as a password
   * @param mark tells its containers from those of other writers
   */
  constructor(folder: string, secret: string, mark = "") {
    this.#mark = mark;
    this.#folder = join(folder, "client/trackcontainers");
    this.#secret = secret;
    mkdirSync(this.#folder, { recursive: true });
  }

  get texts(): readonly string[] {
    return this.#texts;
  }

  get added(): ReadonlyMap<string, RecordValue> {
    return new Map([...this.#added].map(([key, { entry }]) => [key, entry.Container]));
  }

  get trackedPath(): string {
    return join(this.#folder, "trackcontainers.json");
  }

  get groupsPath(): string {
    const [plural, singular] = ["grouptrackcontainers.json", "grouptrackcontainer.json"].map((name) =>
      join(this.#folder, name),
    ) as [string, string];
    return existsSync(plural) ? plural : singular;
  }

  /**
   * Adds entries and a group of them, and takes out one that has stood there for long.
   *
   * @param tracked whether a key is tracked: whoever edits by hand has seen it work
   */
  edit(count: number, tracked: (key: string) => boolean): void {
    const file = (read(this.trackedPath) ?? { TrackContainer: [] }) as { TrackContainer: Entry[] };
    const groups = (read(this.groupsPath) ?? { Groups: [] }) as { Groups: Group[] };
    const old = [...this.#added].find(([key, { atMs }]) => Date.now() - atMs > holdMs && tracked(key));
    let entries = file.TrackContainer;
    let memberships = groups.Groups;
    if (old !== undefined) {
      const isOld = ({ ID, IpAddress }: Entry): boolean => `${IpAddress}/${ID}` === old[0];
      entries = entries.filter((entry) => !isOld(entry));
      memberships = memberships.map((group) => ({
        ...group,
        TrackContainer: group.TrackContainer?.filter((entry) => !isOld(entry)) ?? null,
      }));
      this.#added.delete(old[0]);
    }
    const added = Array.from({ length: count }, () => this.#entry());
    entries = [...entries, ...added];
    for (const entry of added) this.#added.set(`${entry.IpAddress}/${entry.ID}`, { entry, atMs: Date.now() });
    const group = {
      ID: `grpforeign${this.#mark}-${String(++this.#count)}`,
      TrackContainer: added.slice(0, 2),
    };
    const texts = [
      JSON.stringify({ ...file, TrackContainer: entries }, null, "\t"),
      JSON.stringify({ ...groups, Groups: [...memberships, group] }, null, " "),
    ] as const;
    writeFileSync(this.trackedPath, texts[0]);
    writeFileSync(this.groupsPath, texts[1]);
    this.#texts = texts;
  }

  /** The other name for the group file turns up beside the one that is written. */
  nameGroupsTwice(): void {
    const plural = join(this.#folder, "grouptrackcontainers.json");
    const path = existsSync(plural) ? join(this.#folder, "grouptrackcontainer.json") : plural;
    const text = JSON.stringify({
      Groups: [{ ID: `grptwice${this.#mark}-${String(++this.#count)}`, TrackContainer: null }],
    });
    writeFileSync(path, text);
    this.#texts = [...this.#texts, text];
  }

  #entry(): Entry {
    const id = `foreign${this.#mark}-${String(++this.#count)}`;
    const Container = {
      SSHUsername: "root",
      SSHPassword: this.#secret,
      ID: id,
      TagName: "p2p-ubuntu",
      Ports: { Port: null },
      GPU: "false",
      Mystery: { kept: [1, 2] },
    };
    return { ID: id, Container, IpAddress: `203.0.113.${String(1 + (this.#count % 200))}:8088` };
  }
}

function read(path: string): unknown {
  const text = textOf(path);
  return text === undefined ? undefined : (JSON.parse(text) as unknown);
}

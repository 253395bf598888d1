/** A base folder, its store, nodes with a ledger on the disk, and all that is known about them from outside. */
import { hash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DevnetOptions } from "../../../src/devnet/contract.js";
import { type DevnetProcess, startDevnetProcess } from "../../../src/devnet/devnet-process.js";
import type { ChangeSet, Revision, Snapshot, StateStore } from "../../../src/store/contract.js";
import type { CrashBackend } from "./backends.js";
import type { Evidence, Owner } from "./evidence.js";
import { ForeignWriter } from "./foreign.js";
import { readHistory } from "./history.js";
import type { Leftovers } from "./leftovers.js";
import { textOf } from "./text-of.js";

/** Two healthy nodes, and one of each kind that answers a creation or a removal badly. Those that lie are left out. */
export const nodes: DevnetOptions = {
  nodes: 8,
  shape: "mesh",
  dialects: ["2026-01"],
  faults: {
    "reset-create": 1,
    "status500-told-create": 1,
    "status500-create": 1,
    "status500-untold-create": 1,
    "cut-remove": 1,
    "stuck-remove": 1,
  },
  containers: { listens: false, createDelayMs: 6, removeDelayMs: 4 },
};

export class World {
  readonly folder: string;
  readonly place: string;
  readonly backend: CrashBackend;
  readonly devnet: DevnetProcess;
  readonly foreign: ForeignWriter;
  readonly historyPath: string;
  /** Everything that the processes wrote to stderr. */
  readonly logPath: string;
  readonly landingPath: string;
  readonly owners: Owner[] = [];
  readonly #origin: Revision;
  readonly #secret: string;

  private constructor(
    folder: string,
    place: string,
    backend: CrashBackend,
    devnet: DevnetProcess,
    origin: Revision,
    secret: string,
  ) {
    this.folder = folder;
    this.place = place;
    this.backend = backend;
    this.devnet = devnet;
    this.foreign = new ForeignWriter(folder, secret);
    // Not in the base folder: it belongs to the gateway.
    this.historyPath = `${folder}.history`;
    this.logPath = `${folder}.log`;
    this.landingPath = `${folder}.landing`;
    this.#origin = origin;
    this.#secret = secret;
  }

  static async make(backend: CrashBackend): Promise<World> {
    const parent = await mkdtemp(join(tmpdir(), "p2prc-crash-"));
    const folder = join(parent, "base");
    // As the gateway makes it when it takes the folder.
    await mkdir(join(folder, ".p2prc"), { recursive: true, mode: 0o700 });
    const devnet = await startDevnetProcess({ ...nodes, ledgerPath: `${folder}.ledger` });
    const place = await backend.make(folder);
    const store = await backend.open(place);
    const { revision } = await store.load();
    await store.close();
    const secret = `canary${randomBytes(12).toString("hex")}`;
    const world = new World(folder, place, backend, devnet, revision, secret);
    world.foreign.edit(3, () => false);
    return world;
  }

  get nodes(): readonly string[] {
    return this.devnet.nodes.map(({ address }) => `nodes/${address}`);
  }

  /** What the gateway is told of where its state is. */
  get flags(): readonly string[] {
    return this.backend.flags(this.place);
  }

  /** Looks at everything that is there now. */
  async look(
    moment: Evidence["moment"],
    leftovers?: { readonly before: Leftovers; readonly after: Leftovers },
  ): Promise<Evidence> {
    const store = await this.backend.open(this.place);
    try {
      const { records, revision } = await store.load();
      return {
        ...this.#outside(),
        ledger: await this.devnet.containerLedger(),
        records: new Map([...records].map(([key, { value }]) => [key, value])),
        revision,
        commits: await commitsOf(store, this.#origin, revision),
        foreign: this.foreign.added,
        foreignTexts: moment === "killed" ? this.foreign.texts : [],
        leftovers,
        moment,
      };
    } finally {
      await store.close();
    }
  }

  async records(): Promise<Snapshot["records"]> {
    const store = await this.backend.open(this.place);
    try {
      return (await store.load()).records;
    } finally {
      await store.close();
    }
  }

  #outside(): Pick<Evidence, "history" | "tracked" | "groups" | "texts" | "secrets" | "modes" | "owners"> {
    const { trackedPath, groupsPath } = this.foreign;
    const keyPath = [
      join(this.folder, "p2prc.privateKey"),
      join(this.folder, ".p2prc/p2prc.privateKey"),
    ].find(existsSync);
    const key = keyPath === undefined ? "" : readFileSync(keyPath, "utf8");
    const sidePath = join(this.folder, ".p2prc/tracking.side.json");
    // A line from the middle of the key.
    const keyLine = key.split("\n")[2] ?? "";
    const texts = [this.historyPath, this.logPath, sidePath].map((path) => ({
      where: path,
      text: textOf(path) ?? "",
    }));
    const journalPath = join(this.folder, ".p2prc/seen.journal");
    const own = [keyPath, journalPath, join(this.folder, ".p2prc"), this.place].filter(
      (path) => path !== undefined,
    );
    return {
      history: readHistory(this.historyPath),
      tracked: textOf(trackedPath),
      groups: textOf(groupsPath),
      texts,
      secrets: [this.#secret, ...(keyLine === "" ? [] : [keyLine])],
      modes: own.filter(existsSync).map((path) => ({ path, mode: statSync(path).mode & 0o777 })),
      owners: this.owners,
    };
  }

  async destroy(): Promise<void> {
    await this.devnet.close();
    await this.backend.destroy(this.place);
    await rm(join(this.folder, ".."), { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Every commit from one to another. */
export async function commitsOf(
  store: StateStore,
  after: Revision,
  until: Revision,
): Promise<readonly ChangeSet[]> {
  const commits: ChangeSet[] = [];
  if (after === until) return commits;
  const enough = new AbortController();
  for await (const changeSet of store.changes(after, enough.signal)) {
    commits.push(changeSet);
    if (changeSet.revision === until) enough.abort();
  }
  return commits;
}

/** A number out of a text. */
export const seedOf = (...parts: readonly unknown[]): number =>
  parseInt(hash("sha256", JSON.stringify(parts), "hex").slice(0, 8), 16);

/** Stores that are put to the proof. Another one needs a row here. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { StateStore } from "../../../src/store/contract.js";
import { openLmdbStore } from "../../../src/store/lmdb-store.js";
import type { FailpointName } from "../../../src/system/failpoint.js";

export interface CrashBackend {
  readonly name: string;
  readonly killsInCi: number;
  /** Failpoints of another backend's own write path. */
  readonly lacks: readonly FailpointName[];
  /**
   * Makes room for an empty state.
   *
   * @param folder of the gateway that will own it
   * @returns the place, as plain text: it travels to the process that is killed
   */
  make(folder: string): Promise<string>;
  /** Opens what is at a place; also beside the process that owns it, to read. */
  open(place: string): Promise<StateStore>;
  destroy(place: string): Promise<void>;
}

const lmdb: CrashBackend = {
  name: "LMDB",
  killsInCi: 100,
  lacks: [],
  make: async (folder) => {
    // Where the whole gateway keeps it.
    const place = join(folder, ".p2prc", "state");
    await mkdir(place, { recursive: true, mode: 0o700 });
    return place;
  },
  open: (folder) => openLmdbStore({ folder }),
  destroy: (folder) => rm(folder, { recursive: true, force: true }),
};

export const crashBackends: readonly CrashBackend[] = [lmdb];

export function backendNamed(name: string): CrashBackend {
  const backend = crashBackends.find((one) => one.name === name);
  if (backend === undefined) throw new Error(`no store of the name ${name}`);
  return backend;
}

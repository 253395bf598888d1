import { rm, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StateStore } from "../../src/store/contract.js";
import type { HistoryLimits } from "../../src/store/limits.js";
import { openLmdbStore } from "../../src/store/lmdb-store.js";

/** One kind of store, for the contract suite. */
export interface Backend {
  readonly name: string;
  /** Makes an empty state and opens it. */
  readonly create: (options?: { readonly history?: HistoryLimits }) => Promise<BackendState>;
}

export interface BackendState {
  /** The store that is open now. */
  readonly store: StateStore;
  /** Closes the store and opens the same state again. */
  reopen(): Promise<StateStore>;
  /** Closes the store and removes its state. */
  destroy(): Promise<void>;
}

const lmdb: Backend = {
  name: "LMDB",
  create: async (options = {}) => {
    const folder = await mkdtemp(join(tmpdir(), "p2prc-state-"));
    let store = await openLmdbStore({ ...options, folder });
    return {
      get store() {
        return store;
      },
      reopen: async () => {
        await store.close();
        store = await openLmdbStore({ ...options, folder });
        return store;
      },
      destroy: async () => {
        await store.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

export const backends: readonly Backend[] = [lmdb];

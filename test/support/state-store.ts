import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StateStore } from "../../src/store/contract.js";
import { type LmdbStoreOptions, openLmdbStore } from "../../src/store/lmdb/lmdb-store.js";

export interface TemporaryStore extends AsyncDisposable {
  readonly store: StateStore;
  readonly folder: string;
  /** Closes the store and removes its folder. */
  destroy(): Promise<void>;
}

/** Opens an empty store in a folder of its own: `await using state = await openTemporaryStore();` */
export async function openTemporaryStore(
  options: Omit<LmdbStoreOptions, "folder"> = {},
): Promise<TemporaryStore> {
  const folder = await mkdtemp(join(tmpdir(), "p2prc-state-"));
  const store = await openLmdbStore({ ...options, folder });
  const destroy = async (): Promise<void> => {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { store, folder, destroy, [Symbol.asyncDispose]: destroy };
}

/** The sign of an import that is not finished: a record, which keeps gateways out of a half of a state. */
import { randomUUID } from "node:crypto";
import type { Commit, Revision, StateStore } from "../contract.js";
import { StoreError } from "../errors.js";
import type { DiskTime } from "../../system/disk-time.js";
import { storeLimits } from "../limits.js";
import { TransferError } from "./transfer-error.js";

/** Stands in a state while an import into it is not finished. */
export const importKey = "x/import";

/** Each commit of an import rewrites it: who comes in between ends the import. */
export class ImportSign {
  readonly #store: StateStore;
  readonly #digest: string;
  readonly #disk: DiskTime;
  #revision: Revision | undefined;
  doneCount: number;

  /** @param disk limits each commit, should the state be on a disk of ours */
  constructor(
    { store, disk }: { readonly store: StateStore; readonly disk: DiskTime },
    digest: string,
    doneCount: number,
    revision: Revision | undefined,
  ) {
    this.#store = store;
    this.#disk = disk;
    this.#digest = digest;
    this.doneCount = doneCount;
    this.#revision = revision;
  }

  /** @param change with `bytes`, what it puts, about */
  async commit(change: {
    readonly put?: Commit["put"];
    readonly bytes?: number;
    readonly delete?: readonly string[];
    readonly doneCount: number;
  }): Promise<void> {
    const { put = [], bytes = 0, doneCount } = change;
    const sign = { key: importKey, value: { sha256: this.#digest, doneCount } };
    // Beside the largest record nothing has room. Cut short between the two, it is put once more.
    const isAlone = bytes > storeLimits.maxCommitBytes - 1_024;
    if (isAlone) await this.#commit(put, []);
    await this.#commit([...(isAlone ? [] : put), sign], change.delete ?? [], true);
    this.doneCount = doneCount;
  }

  async end(): Promise<void> {
    await this.#commit([], [importKey]);
  }

  async #commit(put: Commit["put"], deleted: readonly string[], isSigned = false): Promise<void> {
    const expect = [{ key: importKey, revision: this.#revision }];
    const commit = { operationId: randomUUID(), expect, put, delete: deleted };
    const result = await this.#disk.limit(() => this.#store.commit(commit));
    if (result.kind === "conflict") throw new TransferError("another import into this state came in between");
    if (isSigned) this.#revision = result.revision;
  }
}

/**
 * Keeps the commits of a gateway out of a state while an import into it is not finished: a gateway that was running when
 * the import began would mix what it knows with what comes.
 */
export function outsideImports(store: StateStore): StateStore {
  const sign = { key: importKey, revision: undefined };
  return {
    get heardMs() {
      return store.heardMs;
    },
    load: async () => await store.load(),
    head: async () => await store.head(),
    get: async (key) => await store.get(key),
    changes: (after, signal) => store.changes(after, signal),
    close: async () => await store.close(),
    commit: async (commit) => {
      const result = await store.commit({ ...commit, expect: [...commit.expect, sign] });
      if (result.kind !== "conflict" || result.key !== importKey) return result;
      throw new StoreError("STATE_STORE_UNAVAILABLE", "an import into the state is not finished");
    },
  };
}

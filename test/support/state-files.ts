import { createHash } from "node:crypto";
import type { RecordValue, StateStore } from "../../src/store/contract.js";
import { type FileOptions, withStateFile } from "../../src/store/transfer/state-file.js";
import { type ImportOptions, importState, type Transferred } from "../../src/store/transfer/transfer.js";
import { MemoryStore } from "./memory-store.js";

/** Checks a file and imports it, as the command line does. */
export const importFile = async (
  store: StateStore,
  path: string,
  options: ImportOptions & FileOptions = {},
): Promise<Transferred> =>
  await withStateFile(path, async (file) => await importState(store, file, options), options);

/** A store with so many records of about so many bytes. */
export async function aState(count: number, bytes = 10): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (let n = 0; n < count; n += 1) {
    const put = [{ key: `c/${String(n)}`, value: { n, text: "\u00e9".repeat(bytes / 2) } }];
    await store.commit({ operationId: String(n), expect: [], put, delete: [] });
  }
  return store;
}

/** Keys and values, without the revisions, which are a store's own. */
export const recordsOf = async (store: StateStore): Promise<readonly (readonly [string, RecordValue])[]> =>
  [...(await store.load()).records.values()]
    .map(({ key, value }) => [key, value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));

/** Lines with a digest that is right, whatever the lines say: as by one who knows how the file is made. */
export function sealed(lines: readonly string[]): string {
  const text = lines.map((line) => `${line}\n`).join("");
  return `${text}${JSON.stringify({ sha256: createHash("sha256").update(text).digest("hex") })}\n`;
}

import { open } from "node:fs/promises";

/** Puts on the disk which files a folder has: what was renamed or removed in it stays so after a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

import { hash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Remembers the host key that each container showed first: one file per container, which ssh writes at the first use. */
export class HostKeys {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  pathOf(container: string): string {
    return join(this.#folder, nameOf(container));
  }

  /** Forgets the keys of all but the tracked containers. These may be many: where there are no keys, nobody asks for them. */
  async keepOnly(tracked: () => Promise<readonly string[]>): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    if (names.length === 0) return;
    const kept = new Set((await tracked()).map(nameOf));
    for (const name of names) {
      if (!kept.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }
}

const nameOf = (container: string): string => hash("sha256", container, "hex").slice(0, 40);

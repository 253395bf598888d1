/** Tracking files on a disk of their own that is full, or takes nothing: callers do not notice, and nothing is torn. */
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { at, ContainerBench, eventually, type OpenBench } from "../support/container-bench.js";

const isRootOnLinux = process.getuid?.() === 0 && process.platform === "linux";
const asRootOnLinux = isRootOnLinux ? it : it.skip;

const bench = new ContainerBench();
let mounted: string | undefined;
afterEach(async () => {
  const disk = mounted;
  mounted = undefined;
  if (disk !== undefined) execFileSync("mount", ["-o", "remount,rw", disk]);
  if (disk !== undefined) execFileSync("umount", ["--lazy", disk]);
  await bench.release();
});

interface OnDisk extends OpenBench {
  readonly disk: string;
  /** Ids in the tracked file; fails if it does not parse. */
  readonly idsInFile: () => Promise<readonly string[]>;
}

async function openOnSmallDisk(): Promise<OnDisk> {
  let disk = "";
  const opened = await bench.open({
    prepare: async (baseDir) => {
      disk = join(baseDir, "client/trackcontainers");
      await mkdir(disk, { recursive: true });
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]);
      mounted = disk;
    },
  });
  const idsInFile = async (): Promise<readonly string[]> => {
    const text = await readFile(join(disk, "trackcontainers.json"), "utf8");
    return (JSON.parse(text) as { TrackContainer: { ID: string }[] }).TrackContainer.map(
      ({ ID }) => ID,
    ).sort();
  };
  return { ...opened, disk, idsInFile };
}

const create = async ({ api, nodes }: OpenBench, n: number): Promise<string> =>
  (await api.createContainer(at(nodes[n % nodes.length] ?? ""))).container?.id ?? "";

/** Writes until the disk takes no more. */
async function fill(disk: string): Promise<void> {
  for (let bytes = 256 * 1024, n = 0; bytes > 0; bytes = Math.floor(bytes / 2), n += 1) {
    await writeFile(join(disk, `ballast-${n}`), Buffer.alloc(bytes)).catch(() => undefined);
  }
}

describe("the disk of the tracking files", () => {
  asRootOnLinux(
    "that is full keeps the last whole files, and the changes follow once there is room (needs root and Linux)",
    async () => {
      const opened = await openOnSmallDisk();
      const before = await create(opened, 0);
      await eventually(async () => expect(await opened.idsInFile()).toEqual([before]));
      await fill(opened.disk);
      const ids = [before];
      for (let n = 1; n <= 8; n += 1) {
        ids.push(await create(opened, n));
        expect(ids).toEqual(expect.arrayContaining([...(await opened.idsInFile())]));
      }
      expect((await opened.api.listContainers({})).containers).toHaveLength(ids.length);
      for (let n = 0; n < 20; n += 1) await rm(join(opened.disk, `ballast-${n}`), { force: true });
      await eventually(async () => expect(await opened.idsInFile()).toEqual([...ids].sort()));
    },
    60_000,
  );

  asRootOnLinux(
    "that is read-only keeps the last whole files, and the changes follow once it takes them (needs root and Linux)",
    async () => {
      const opened = await openOnSmallDisk();
      const before = await create(opened, 0);
      await eventually(async () => expect(await opened.idsInFile()).toEqual([before]));
      execFileSync("mount", ["-o", "remount,ro", opened.disk]);
      const meanwhile = await create(opened, 1);
      const removed = await opened.api.removeContainer({
        container: `${opened.nodes[0] ?? ""}/containers/${before}`,
      });
      expect(removed.nodeMessage).toBe("success");
      expect(await opened.idsInFile()).toEqual([before]);
      execFileSync("mount", ["-o", "remount,rw", opened.disk]);
      await eventually(async () => expect(await opened.idsInFile()).toEqual([meanwhile]));
    },
    60_000,
  );
});

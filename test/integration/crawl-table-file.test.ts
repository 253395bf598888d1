/** The table file under a crawl: others write it, lock it, break it, or its disk takes no more. Nothing known is lost. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "@jest/globals";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.js";
import type { UpdateIpTableResponse } from "../../src/gen/p2prc/client/v1/ip_table_pb.js";
import type { GatewayOnDevnet } from "../support/gateway-on-devnet.js";
import {
  addressOfRow,
  crawl,
  type CrawlInit,
  eventually,
  remote,
  summaryOf,
  tablePathOf,
  tableRows,
  WireBench,
  writeTable,
} from "../support/wire-crawls.js";

const bench = new WireBench();
afterEach(() => bench.release());

const run = promisify(execFile);

const nodeCount = 6;

/** Healthy nodes that know each other. */
async function open(prepare?: (tableFolder: string) => Promise<void>): Promise<GatewayOnDevnet> {
  return await bench.open({
    devnet: { nodes: nodeCount, shape: "mesh", seed: 2 },
    prepare: async (baseDir, devnet) => {
      const folder = dirname(tablePathOf({ baseDir }));
      await mkdir(folder, { recursive: true });
      await prepare?.(folder);
      await writeTable(baseDir, devnet.entryAddresses);
    },
  });
}

/** One more node: it keeps each crawl open that asks it, until it is let go. Then it hangs up. */
async function aHold(): Promise<{ readonly address: string; letGo(): void }> {
  let isOver = false;
  const node = await bench.rawNode((socket) => {
    if (isOver) socket.destroy();
  });
  const letGo = (): void => {
    isOver = true;
    node.hangUp();
  };
  return { address: `127.0.0.1:${String(node.port)}`, letGo };
}

/** The crawl that a node keeps open. */
const heldBy = ({ address }: { readonly address: string }): CrawlInit => ({
  seedAddresses: [address],
  nodeTimeout: { seconds: 30n },
});

/** Crawls, does something to the file once all the others have answered, and reads on to the end. */
async function crawlAnd(
  gateway: GatewayOnDevnet,
  disturb: () => unknown,
): Promise<{ events: UpdateIpTableResponse[]; error: ConnectError | undefined }> {
  const events: UpdateIpTableResponse[] = [];
  const hold = await aHold();
  let probedCount = 0;
  try {
    for await (const event of remote(gateway).updateIpTable(heldBy(hold))) {
      events.push(event);
      if (event.event.case !== "nodeProbed" || ++probedCount < nodeCount) continue;
      await disturb();
      hold.letGo();
    }
    return { events, error: undefined };
  } catch (error) {
    return { events, error: ConnectError.from(error) };
  }
}

const addressesOf = ({ devnet }: GatewayOnDevnet): string[] => devnet.nodes.map(({ address }) => address);

async function listedBy(gateway: GatewayOnDevnet): Promise<string[]> {
  const { nodes } = await remote(gateway).listNodes({});
  return nodes.map(({ name }) => name.replace("nodes/", "")).sort();
}

/** The stream ended with this error, and with no word that all is well. */
function expectFailure(
  { events, error }: { events: UpdateIpTableResponse[]; error: ConnectError | undefined },
  code: Code,
  reason: string,
): void {
  expect(error?.code).toBe(code);
  expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([{ reason, domain: "client.p2prc" }]);
  expect(events.some(({ event }) => event.case === "completed")).toBe(false);
  expect(error?.message).not.toContain(tmpdir());
}

describe("a table file that others write during a crawl", () => {
  it("holds their rows and ours in the end, each as its owner left it", async () => {
    const gateway = await open();
    const path = tablePathOf(gateway);
    const client = remote(gateway);
    const theirs: string[] = [];
    const hold = await aHold();
    for await (const { event } of client.updateIpTable(heldBy(hold))) {
      if (event.case !== "nodeProbed") continue;
      // In place and without a lock, as P2PRC does it.
      const rows = JSON.parse(await readFile(path, "utf8")) as { ip_address: object[] };
      const port = String(4_000 + theirs.length);
      theirs.push(`127.8.8.8:${port}`);
      rows.ip_address.push({ Name: "theirs", IPV4: "127.8.8.8", IPV6: "", ServerPort: port, Custom: 1 });
      writeFileSync(path, JSON.stringify(rows));
      if (theirs.length === nodeCount) hold.letGo();
    }
    const rows = await tableRows(gateway);
    expect(rows.map(addressOfRow).sort()).toEqual([...addressesOf(gateway), ...theirs].sort());
    expect(rows.filter(({ Name }) => Name === "theirs").every(({ Custom }) => Custom === 1)).toBe(true);
    expect(await listedBy(gateway)).toEqual([...addressesOf(gateway), ...theirs].sort());
  });

  it("is left broken where they broke it; repaired, it gets what the crawl had learnt", async () => {
    const gateway = await open();
    const path = tablePathOf(gateway);
    const whole = await readFile(path, "utf8");
    const half = whole.slice(0, whole.length / 2);
    expectFailure(
      await crawlAnd(gateway, () => writeFile(path, half)),
      Code.FailedPrecondition,
      "IP_TABLE_UNREADABLE",
    );
    expect(await readFile(path, "utf8")).toBe(half);
    await writeFile(path, whole);
    expect(await listedBy(gateway)).toEqual(expect.arrayContaining(addressesOf(gateway)));
    await remote(gateway).addNode({ address: "127.9.9.9:4000" });
    expect((await tableRows(gateway)).map(addressOfRow).sort()).toEqual(
      [...addressesOf(gateway), "127.9.9.9:4000"].sort(),
    );
  });
});

/** Fails the first crawl, and expects that nothing known is lost and that the next crawl, unhindered, writes it all. */
async function expectRecovery(
  gateway: GatewayOnDevnet,
  harm: { hinder: () => unknown; unhinder: () => unknown; code: Code; reason: string },
): Promise<void> {
  const before = await readFile(tablePathOf(gateway), "utf8");
  try {
    expectFailure(await crawlAnd(gateway, harm.hinder), harm.code, harm.reason);
    expect(await readFile(tablePathOf(gateway), "utf8")).toBe(before);
    expect(await listedBy(gateway)).toEqual(addressesOf(gateway).sort());
  } finally {
    await harm.unhinder();
  }
  const events = await crawl(remote(gateway));
  expect(summaryOf(events).activeCount).toBe(nodeCount);
  expect((await tableRows(gateway)).map(addressOfRow).sort()).toEqual(addressesOf(gateway).sort());
}

const isRoot = process.getuid?.() === 0;
const isLinux = process.platform === "linux";
const onlyIf = (isPossible: boolean): typeof it => (isPossible ? it : (it.skip as typeof it));

/** Whether this system lets us do something: tried, because rights and file systems differ. */
function can(attempt: (folder: string) => void): boolean {
  const folder = join(tmpdir(), `can-${process.pid}-${Math.random()}`);
  try {
    execFileSync("mkdir", [folder]);
    attempt(folder);
    return true;
  } catch {
    return false;
  } finally {
    execFileSync("rm", ["-rf", folder], { stdio: "ignore" });
  }
}
const canMount =
  isLinux &&
  isRoot &&
  can((folder) => {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder], { stdio: "ignore" });
  });
const canPin =
  isLinux &&
  isRoot &&
  can((folder) => {
    writeFileSync(join(folder, "file"), "");
    execFileSync("chattr", ["+i", join(folder, "file")], { stdio: "ignore" });
    execFileSync("chattr", ["-i", join(folder, "file")], { stdio: "ignore" });
  });
const canLock =
  isLinux && can((folder) => execFileSync("flock", ["--no-fork", folder, "true"], { stdio: "ignore" }));

/** Puts a small disk of its own in the place of the table's folder, by a link: the base folder can go before it. */
async function mountSmall(folder: string): Promise<void> {
  const disk = await mkdtemp(join(tmpdir(), "disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]);
  bench.defer(async () => {
    await run("umount", ["-l", disk]);
    await rm(disk, { recursive: true });
  });
  await rm(folder, { recursive: true });
  await symlink(disk, folder);
}

describe("a table file that cannot be written during a crawl", () => {
  onlyIf(canMount || (!isRoot && isLinux))(
    "because its folder is read-only fails the call as that (as root: needs the right to mount)",
    async () => {
      let tableFolder = "";
      const gateway = await open(async (folder) => {
        if (isRoot) await mountSmall(folder);
        tableFolder = await realpath(folder);
      });
      await expectRecovery(gateway, {
        hinder: () => (isRoot ? run("mount", ["-o", "remount,ro", tableFolder]) : chmod(tableFolder, 0o500)),
        unhinder: () =>
          isRoot ? run("mount", ["-o", "remount,rw", tableFolder]) : chmod(tableFolder, 0o700),
        code: Code.FailedPrecondition,
        reason: "IP_TABLE_READ_ONLY",
      });
    },
  );

  onlyIf(canMount)(
    "because the disk is full fails the call as that (needs root and the right to mount)",
    async () => {
      let filler = "";
      const gateway = await open(async (folder) => {
        await mountSmall(folder);
        filler = join(folder, "filler");
      });
      await expectRecovery(gateway, {
        hinder: () => writeFile(filler, Buffer.alloc(256 * 1024)).catch(() => undefined),
        unhinder: () => rm(filler),
        code: Code.ResourceExhausted,
        reason: "DISK_FULL",
      });
    },
  );

  onlyIf(canPin)("because it was made immutable fails the call as that (needs root and chattr)", async () => {
    const gateway = await open();
    const path = tablePathOf(gateway);
    bench.defer(() => run("chattr", ["-i", path]).catch(() => undefined));
    await expectRecovery(gateway, {
      hinder: () => run("chattr", ["+i", path]),
      unhinder: () => run("chattr", ["-i", path]),
      code: Code.FailedPrecondition,
      reason: "IP_TABLE_READ_ONLY",
    });
  });

  onlyIf(canLock)(
    "is written although another process holds a lock on it: locks bind nobody who asks for none (needs flock)",
    async () => {
      const gateway = await open();
      const flag = join(await mkdtemp(join(tmpdir(), "lock-")), "held");
      bench.defer(() => rm(dirname(flag), { recursive: true }));
      const holder = spawn("flock", [
        "--no-fork",
        "-x",
        tablePathOf(gateway),
        "sh",
        "-c",
        `echo held > ${flag}; exec sleep 60`,
      ]);
      const ended = new Promise((resolve) => holder.once("exit", resolve));
      bench.defer(async () => {
        holder.kill("SIGKILL");
        await ended;
      });
      await eventually(
        () =>
          readFile(flag).then(
            () => true,
            () => false,
          ),
        "the lock is held",
      );
      const { events } = await crawlAnd(gateway, () => undefined);
      expect(summaryOf(events).activeCount).toBe(nodeCount);
      expect(await tableRows(gateway)).toHaveLength(nodeCount);
    },
  );
});

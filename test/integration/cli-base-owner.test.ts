/** Who owns a base folder when several processes want it, some of them dead: real processes, for they race as such. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { afterEach, describe, expect, it } from "@jest/globals";
import { BaseFolderTakenError, takeBaseFolder } from "../../src/gateway/base-owner.js";
import { CliBench } from "../support/cli.js";

const bench = new CliBench();
afterEach(() => bench.release());

const taken = () => Promise.resolve("taken");
/** Less than the 3 s after which a lock is broken whose owner lives. */
const atOnceMs = 2_500;

/** A folder with a lock in it. */
async function lockedFolder(content: string, ageMs = 0): Promise<{ socketPath: string; lockPath: string }> {
  const socketPath = join(await bench.folder(), "gateway.sock");
  const lockPath = `${socketPath}.lock`;
  writeLock(lockPath, content, ageMs);
  return { socketPath, lockPath };
}

function writeLock(lockPath: string, content: string, ageMs = 0): void {
  mkdirSync(dirname(lockPath), { recursive: true });
  writeFileSync(lockPath, content);
  const at = new Date(Date.now() - ageMs);
  utimesSync(lockPath, at, at);
}

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["--version"], { stdio: "ignore" });
  await once(child, "exit");
  return child.pid!;
}

/** How long taking the folder took, in milliseconds. */
async function timeToTake(socketPath: string): Promise<number> {
  const startedMs = performance.now();
  expect(await takeBaseFolder(socketPath, taken)).toBe("taken");
  return performance.now() - startedMs;
}

/** A process that takes each folder it is told of, and says how that went. */
class Taker {
  readonly child: ChildProcess;
  readonly #lines: Interface;

  constructor() {
    const module = new URL("../../dist/gateway/base-owner.js", import.meta.url);
    const script = `
      import { rm } from "node:fs/promises";
      import { createServer } from "node:net";
      import { createInterface } from "node:readline";
      import { takeBaseFolder } from ${JSON.stringify(module.href)};
      const open = async (path) => {
        if (path.includes("forever")) { console.log("inside"); await new Promise(() => undefined); }
        await rm(path, { force: true });
        await new Promise((resolve) => createServer().listen(path, resolve));
        return "owner";
      };
      console.log("ready");
      for await (const path of createInterface({ input: process.stdin }))
        console.log(await takeBaseFolder(path, () => open(path)).catch((error) => error.name));
      process.exit();`;
    this.child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    bench.defer(() => this.child.kill("SIGKILL"));
    this.#lines = createInterface({ input: this.child.stdout! });
  }

  async said(): Promise<string> {
    const [line] = (await once(this.#lines, "line")) as [string];
    return line;
  }

  take(socketPath: string): Promise<string> {
    const said = this.said();
    this.child.stdin!.write(`${socketPath}\n`);
    return said;
  }
}

describe("a lock that was left behind", () => {
  it("is broken at once when its owner is dead", async () => {
    const { socketPath } = await lockedFolder(String(await deadPid()));
    expect(await timeToTake(socketPath)).toBeLessThan(atOnceMs);
    expect(readdirSync(dirname(socketPath))).toEqual([]);
  });

  it.each(["", String(process.ppid), "no number"])(
    "is broken at once when it is old, whatever it says: %j",
    async (content) => {
      const { socketPath } = await lockedFolder(content, 60_000);
      expect(await timeToTake(socketPath)).toBeLessThan(atOnceMs);
      expect(readdirSync(dirname(socketPath))).toEqual([]);
    },
  );

  it("is broken after the wait when it is empty and fresh", async () => {
    const { socketPath } = await lockedFolder("");
    expect(await timeToTake(socketPath)).toBeGreaterThan(2_000);
  });

  it("is broken after the wait when it comes from the future", async () => {
    const { socketPath } = await lockedFolder(String(process.ppid), -3_600_000);
    expect(await timeToTake(socketPath)).toBeGreaterThan(2_000);
  });

  it("is not waited for when its owner was killed while it held it", async () => {
    const socketPath = join(await bench.folder(), "forever.sock");
    const owner = new Taker();
    await owner.said();
    expect(await owner.take(socketPath)).toBe("inside");
    owner.child.kill("SIGKILL");
    await once(owner.child, "exit");
    expect(existsSync(`${socketPath}.lock`)).toBe(true);
    expect(await timeToTake(socketPath)).toBeLessThan(atOnceMs);
  });
});

describe("a lock that is held", () => {
  it("is waited for, and given back", async () => {
    const socketPath = join(await bench.folder(), "gateway.sock");
    const order: string[] = [];
    let letGo = (): void => undefined;
    const first = takeBaseFolder(socketPath, async () => {
      order.push("first in");
      await new Promise<void>((resolve) => (letGo = resolve));
      order.push("first out");
    });
    while (order.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const second = takeBaseFolder(socketPath, () => {
      order.push("second in");
      return Promise.resolve();
    });
    letGo();
    await Promise.all([first, second]);
    expect(order).toEqual(["first in", "first out", "second in"]);
  });

  it("that was taken away is not given back by the one who lost it", async () => {
    const { socketPath, lockPath } = await lockedFolder("", 60_000);
    await takeBaseFolder(socketPath, () => {
      writeLock(`${lockPath}.other`, String(process.ppid));
      renameSync(`${lockPath}.other`, lockPath);
      return Promise.resolve();
    });
    expect(readdirSync(dirname(lockPath))).toEqual(["gateway.sock.lock"]);
  });

  it("has exactly one owner when several take a stale one at once, in each of many rounds", async () => {
    const folder = await bench.folder();
    const pid = await deadPid();
    const takers = [new Taker(), new Taker(), new Taker(), new Taker()];
    await Promise.all(takers.map((taker) => taker.said()));
    for (let round = 0; round < 150; round += 1) {
      const socketPath = join(folder, String(round), "s");
      writeLock(`${socketPath}.lock`, String(pid));
      const ends = await Promise.all(takers.map((taker) => taker.take(socketPath)));
      expect([round, ...ends.sort()]).toEqual([
        round,
        ...takers.slice(1).map(() => "BaseFolderTakenError"),
        "owner",
      ]);
      expect(readdirSync(dirname(socketPath))).toEqual(["s"]);
    }
  }, 180_000);
});

it("names the socket of the owner that serves", async () => {
  const socketPath = join(await bench.folder(), "gateway.sock");
  const owner = new Taker();
  await owner.said();
  expect(await owner.take(socketPath)).toBe("owner");
  await expect(takeBaseFolder(socketPath, taken)).rejects.toThrow(BaseFolderTakenError);
  owner.child.kill("SIGKILL");
  await once(owner.child, "exit");
  expect(await timeToTake(socketPath)).toBeLessThan(atOnceMs);
});

/** A base folder that cannot keep where its state is. */
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { openStateStore } from "../../src/app/state.js";
import { loadConfig } from "../../src/config/config.js";
import { silentLogger } from "../../src/observability/logger.js";
import { eventually } from "../support/container-bench.js";
import { RedisServer } from "../support/redis-server.js";

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "p2prc-home-"));
});
afterEach(() => rm(base, { recursive: true, force: true }));

it("is refused, and leaves no connection to Redis behind", async () => {
  await using redis = await RedisServer.start();
  await mkdir(join(base, ".p2prc"));
  await symlink(join(base, "nowhere/home.json"), join(base, ".p2prc/state-home.json"));
  const config = loadConfig({ flags: { base, redis: redis.url }, env: {}, cwd: base });
  await expect(openStateStore(config, silentLogger)).rejects.toMatchObject({ name: "FileError" });
  await eventually(async () => {
    const clients = String(await redis.ask("CLIENT", "LIST", "TYPE", "normal"));
    // Who asks is one.
    expect(clients.match(/^id=/gm)).toHaveLength(1);
  });
});

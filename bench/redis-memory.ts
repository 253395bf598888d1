/** What Redis needs beside the records: a history that is full, by number and by bytes at once, which is where it costs most. */
import { silentLogger } from "../src/observability/logger.js";
import { storeLimits } from "../src/store/limits.js";
import { openRedisStore } from "../src/store/redis/redis-store.js";
import { RedisServer } from "../test/support/redis-server.js";
import { atOnce, keyOf } from "./store.js";
import { type BenchRow, rowOf } from "./table.js";

const mib = 1024 * 1024;

/** @param commits how many a full history has; its bytes are in the same proportion to the limit */
export async function benchRedisMemory(commits: number): Promise<BenchRow[]> {
  await using server = await RedisServer.start();
  const bytes = Math.round((storeLimits.historyBytes * commits) / storeLimits.historyCommits);
  const store = await openRedisStore({
    url: server.url,
    namespace: "memory",
    logger: silentLogger,
    history: { commits, bytes },
  });
  try {
    const before = await usedBytes(server);
    // Each commit's entry holds the value and the one before it. A little less than may be: else number would never bind.
    const text = "x".repeat(Math.floor(bytes / commits / 2) - 100);
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < commits * 1.1) {
        const n = next++;
        const put = [{ key: keyOf(n % 100), value: { n, text } }];
        await store.commit({ operationId: `memory/${n}`, expect: [], put, delete: [] });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const taken = ((await usedBytes(server)) - before) / mib;
    const name = `Redis: memory of a full history, ${commits} commits`;
    return [
      rowOf({ name, unit: "MiB", against: "its limit in bytes", target: "(told)" }, [taken], [bytes / mib]),
    ];
  } finally {
    await store.close();
  }
}

async function usedBytes(server: RedisServer): Promise<number> {
  const info = String(await server.ask("INFO", "memory"));
  return Number(/^used_memory:(\d+)/m.exec(info)?.[1]);
}

/** Many containers: the gateway goes on answering while its files are written and read. `TRACKING_ENTRIES=100000` for more. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { expect, it } from "@jest/globals";
import { TrackingFiles } from "../../src/containers/tracking-files/tracking-files.js";
import { silentLogger } from "../../src/observability/logger.js";
import { systemClock } from "../../src/system/clock.js";
import { anEntry, FakeTrackingState } from "../support/tracking-state.js";

const count = Number(process.env["TRACKING_ENTRIES"] ?? 20_000);

it(`writes and reads ${count} containers in slices`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "tracking-large-"));
  const containersPath = join(folder, "trackcontainers.json");
  const state = new FakeTrackingState();
  const padding = "x".repeat(400);
  for (let n = 0; n < count; n += 1) {
    const entry = anEntry(n, {
      Ports: { Port: [{ PortName: "SSH", InternalPort: 22 }] },
      SSHPublicKey: padding,
    });
    state.entries.set(entry.key, entry);
    if (n % 10 === 0) state.join(`grp${String(n % 100)}`, entry.key);
  }
  const files = new TrackingFiles({
    state,
    importChanges: state.importChanges,
    logger: silentLogger,
    clock: systemClock,
    containersPath,
    groups: { path: join(folder, "grouptrackcontainers.json") },
    ledgerPath: join(folder, ".p2prc/tracking.side"),
  });
  state.onCommit = () => files.noteCommit();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const phases: string[] = [];
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    delay.reset();
    delay.enable();
    const startMs = performance.now();
    await work();
    delay.disable();
    const text = `${(performance.now() - startMs).toFixed(0)} ms, longest stall ${(delay.max / 1e6).toFixed(0)} ms`;
    phases.push(`${name}: ${text}`);
  };
  const current = async (): Promise<void> => {
    while (!files.status.isCurrent) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await measure("first write", () => files.open());
  for (let n = 0; n < 3; n += 1) {
    await measure("one more", async () => {
      state.track(anEntry(count + n));
      await current();
    });
  }
  const text = await readFile(containersPath, "utf8");
  await measure("foreign rewrite", async () => {
    await writeFile(containersPath, text.replace("container-7", "container-x7"));
    while (state.imports.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  await measure("close", () => files.close());
  const sizeMib = (await stat(containersPath)).size / 1024 / 1024;
  console.log([`${count} containers, ${sizeMib.toFixed(0)} MiB`, ...phases].join("\n"));
  expect(JSON.parse(await readFile(containersPath, "utf8"))).toHaveProperty("TrackContainer");
  await rm(folder, { recursive: true });
}, 300_000);

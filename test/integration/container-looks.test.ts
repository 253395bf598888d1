/** Waits and liveness on real sockets and the real clock. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { WaitResult } from "../../src/containers/contract.js";
import { Liveness } from "../../src/containers/looking/liveness.js";
import { PortLooks } from "../../src/containers/looking/port-looks.js";
import { Waits } from "../../src/containers/looking/waits.js";
import { silentLogger } from "../../src/observability/logger.js";
import { lookAtPort } from "../../src/peer-api/port-look.js";
import { systemClock } from "../../src/system/clock.js";
import { aContainerRecord, openTracked, type Tracked } from "../support/tracked.js";

let tracked: Tracked;
let server: Server;
let connectionCount = 0;
let highestOpen = 0;
let isReady = false;
const open = new Set<Socket>();
const directory = { allowsConnected: () => true };

const portOf = (listener: Server): number => (listener.address() as AddressInfo).port;

/** One port that is both a node and an SSH server, as soon as it is ready. */
beforeEach(async () => {
  tracked = await openTracked();
  [connectionCount, highestOpen, isReady] = [0, 0, false];
  server = createServer((socket) => {
    connectionCount += 1;
    open.add(socket);
    highestOpen = Math.max(highestOpen, open.size);
    socket.on("error", () => undefined);
    socket.on("close", () => open.delete(socket));
    if (isReady) socket.write("SSH-2.0-test\r\n");
    else socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  for (const socket of open) socket.destroy();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
  await tracked.close();
});

async function aContainer(): Promise<string> {
  const record = aContainerRecord({ address: { host: "127.0.0.1", port: portOf(server) } });
  const [key = ""] = await tracked.track([record], portOf(server));
  return key;
}

/** The server hears a moment later that its callers have left. */
async function untilLeft(): Promise<void> {
  while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("on real sockets", () => {
  it("1,000 waits for one SSH server are one connection at a time, and met together", async () => {
    await aContainer();
    const looks = new PortLooks({ lookAtPort, directory, clock: systemClock });
    const waits = new Waits({ state: tracked.state, clock: systemClock, looks });
    const container = `nodes/127.0.0.1:${portOf(server)}/containers/abc`;
    const request = { container, condition: "SSH_READY", externalPort: 0, timeoutMs: 40_000 } as const;
    const { signal } = new AbortController();
    const one = (): Promise<WaitResult> =>
      waits.wait(request, { caller: "remote", signal: AbortSignal.any([signal]) });
    const running = Array.from({ length: 1_000 }, one);
    setTimeout(() => (isReady = true), 700);
    const results = await Promise.all(running);
    expect(results.every(({ isMet }) => isMet)).toBe(true);
    expect([highestOpen, connectionCount <= 4]).toEqual([1, true]);
    await untilLeft();
  });

  it("a container is seen, missed after a second look, and seen again", async () => {
    const key = await aContainer();
    isReady = true;
    const liveness = new Liveness({
      ...tracked,
      clock: systemClock,
      logger: silentLogger,
      lookAtPort,
      directory,
      random: () => 0,
      intervalMs: 100,
    });
    liveness.start();
    const until = async (isSo: () => boolean): Promise<void> => {
      for (let round = 0; round < 1_500 && !isSo(); round += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(isSo()).toBe(true);
    };
    await until(() => tracked.state.seenTimeMs(key) !== undefined);
    isReady = false;
    await until(() => tracked.state.get("container", key)?.isReachable === false);
    isReady = true;
    await until(() => tracked.state.get("container", key)?.isReachable === true);
    await liveness.close();
    await untilLeft();
    const { length } = tracked.store.commits;
    const counted = connectionCount;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([tracked.store.commits.length, connectionCount, open.size]).toEqual([length, counted, 0]);
    expect(length).toBe(3);
  });
});

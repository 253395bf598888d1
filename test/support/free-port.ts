import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that a system gives to whoever asks for any: else another program may be given it while nobody is on it. */
const lowestPort = 20_000;
const portCount = 12_000;

/** Those that were given and may not be in use yet. */
const given = new Set<number>();

/** A port of loopback that is free now, for a program that must be told its port, or that comes back on it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowestPort + randomInt(portCount);
    if (given.has(port)) continue;
    const server = createServer();
    try {
      server.listen(port, "127.0.0.1");
      await once(server, "listening");
      given.add(port);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { PeerAddress } from "../../src/peer-api/contract.js";

/** Listens with the shortest queue, and then sleeps for ever: nobody takes a connection out of it. */
const sleeper = `
  const { parentPort } = require("node:worker_threads");
  const server = require("node:net").createServer();
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;

/** An address of loopback where no connection comes about and none is refused: as behind a firewall that drops. */
export class FullListener {
  readonly address: PeerAddress;
  readonly #worker: Worker;
  readonly #queued: readonly Socket[];

  private constructor(worker: Worker, port: number, queued: readonly Socket[]) {
    this.#worker = worker;
    this.address = { host: "127.0.0.1", port };
    this.#queued = queued;
  }

  static async open(): Promise<FullListener> {
    const worker = new Worker(sleeper, { eval: true });
    const [port] = (await once(worker, "message")) as [number];
    const queued: Socket[] = [];
    let isFull = false;
    while (!isFull) {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      queued.push(socket);
      await Promise.race([once(socket, "connect"), delay(150)]);
      // A busy process hears of both in the same turn, of the time first.
      await nextTurn();
      isFull = socket.connecting;
    }
    return new FullListener(worker, port, queued);
  }

  async close(): Promise<void> {
    for (const socket of this.#queued) socket.destroy();
    await this.#worker.terminate();
  }
}

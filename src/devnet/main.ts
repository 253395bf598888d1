/**
 * A devnet in a process of its own, started by `devnet-process.ts`.
 *
 * Lives as long as the channel to its parent: it also ends when the parent is killed.
 */

import { rm } from "node:fs/promises";
import { openDevnet } from "./devnet.js";
import type { Devnet } from "./contract.js";
import type { FromDevnet, Request, ToDevnet } from "./process-messages.js";

function serveParent(): void {
  let opening: Promise<Devnet> | undefined;
  let tempFolder: string | undefined;
  process.on("message", (message: ToDevnet) => {
    switch (message.kind) {
      case "open":
        opening = openDevnet(message.options);
        tempFolder = message.tempFolder;
        void announce(opening);
        break;
      case "ask":
        void answer(opening, message.id, message.request);
        break;
    }
  });
  process.on("disconnect", () => void end(opening, tempFolder));
  // Ctrl-C reaches the whole terminal. The parent decides when the nodes go, so that its own crawl can end in order.
  process.on("SIGINT", () => undefined);
}

async function announce(opening: Promise<Devnet>): Promise<void> {
  try {
    const { port, ipv6Available, nodes, entryAddresses } = await opening;
    tell({ kind: "ready", view: { port, ipv6Available, nodes, entryAddresses } });
  } catch (error) {
    tell({ kind: "failed", message: textOf(error) });
  }
}

async function answer(opening: Promise<Devnet> | undefined, id: number, request: Request): Promise<void> {
  try {
    const devnet = await opening;
    if (devnet !== undefined) await fulfil(devnet, request);
    tell({ kind: "done", id });
  } catch (error) {
    tell({ kind: "done", id, error: textOf(error) });
  }
}

async function fulfil(devnet: Devnet, request: Request): Promise<void> {
  switch (request.kind) {
    case "flush":
      await devnet.ledger.flush();
      break;
    case "stop":
      await devnet.node(request.node).stop(request.options);
      break;
    case "start":
      await devnet.node(request.node).start();
      break;
    case "setFault":
      devnet.node(request.node).setFault(request.fault);
      break;
  }
}

/** Completes the ledger's file, or removes a temporary one, then goes. */
async function end(opening: Promise<Devnet> | undefined, tempFolder: string | undefined): Promise<void> {
  try {
    await (await opening)?.close();
    if (tempFolder !== undefined) await rm(tempFolder, { recursive: true, force: true });
  } finally {
    process.exit(0);
  }
}

const tell = (message: FromDevnet): void => {
  if (process.connected) process.send?.(message);
};

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

serveParent();

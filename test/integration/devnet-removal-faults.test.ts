import { afterEach, describe, expect, it } from "@jest/globals";
import type { removeFaults } from "../../src/devnet/container-faults.js";
import { type Devnet, openDevnet } from "../../src/devnet/devnet.js";
import {
  contentOf,
  isError,
  isOk,
  isReset,
  isSilent,
  removeOf,
  start,
  vmIn,
} from "../support/container-calls.js";
import { createTalker, type Heard } from "../support/talker.js";

const { talk, hangUpAll } = createTalker();

let opened: Devnet[] = [];
afterEach(async () => {
  hangUpAll();
  await Promise.all(opened.map((devnet) => devnet.close()));
  opened = [];
});

/** An entry node, and one node with the fault, whose containers take no sockets. */
async function aNodeWith(fault: keyof typeof removeFaults): Promise<{ devnet: Devnet; address: string }> {
  const devnet = await openDevnet({
    nodes: 2,
    faults: { [fault]: 1 },
    dialects: ["2026-01"],
    slowDelayMs: 300,
    containers: { listens: false },
  });
  opened.push(devnet);
  return { devnet, address: devnet.nodes.find((node) => node.fault === fault)!.address };
}

const removals: Record<
  keyof typeof removeFaults,
  { sign: (heard: Heard) => boolean; isGone: boolean; isAnswered: boolean }
> = {
  "cut-remove": {
    sign: ({ head, body, end }) => head === "" && body.length > 9 && end === "closed",
    isGone: true,
    isAnswered: false,
  },
  "crash-remove": { sign: ({ end }) => end === "closed", isGone: true, isAnswered: false },
  "hang-remove": { sign: isSilent, isGone: true, isAnswered: false },
  "reset-remove": { sign: isReset, isGone: true, isAnswered: false },
  "slow-remove": {
    sign: (heard) => contentOf(heard) === "success" && heard.elapsedMs >= 299,
    isGone: true,
    isAnswered: true,
  },
  "status500-remove": {
    sign: (heard) => isError(heard, "error: exit status 1success"),
    isGone: true,
    isAnswered: true,
  },
  "stuck-remove": {
    sign: (heard) => isError(heard, "error: exit status 1success"),
    isGone: false,
    isAnswered: true,
  },
  "ignore-remove": { sign: isSilent, isGone: false, isAnswered: false },
  "lying-remove": {
    sign: (heard) => isOk(heard) && contentOf(heard) === "success",
    isGone: false,
    isAnswered: true,
  },
};

describe("a node that fails its removals", () => {
  it.each(Object.keys(removals) as (keyof typeof removeFaults)[])("with %s", async (fault) => {
    const { devnet, address } = await aNodeWith(fault);
    const { sign, isGone, isAnswered } = removals[fault];
    const silenceMs = sign === isSilent ? 150 : 10_000;
    const { ID } = vmIn(await talk(address, start));
    expect(sign(await talk(address, removeOf(ID), Infinity, silenceMs))).toBe(true);
    hangUpAll();
    while (devnet.ledger.removals[0]?.status === undefined)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(devnet.ledger.removals).toMatchObject([{ id: ID, isRemoved: isGone, isAnswered }]);
    expect(devnet.node(address).containers).toHaveLength(isGone ? 0 : 1);
    expect(devnet.node(address).isListening).toBe(fault !== "crash-remove");
  });
});

import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { change } from "../../../../src/containers/change.js";
import { FleetKeys } from "../../../../src/containers/keys/fleet-keys.js";
import { makeKeyPair } from "../../../../src/containers/keys/openssh-key.js";
import { containerLimits } from "../../../../src/containers/limits.js";
import { silentLogger } from "../../../../src/observability/logger.js";
import { openTracked, type Tracked } from "../../../support/tracked.js";

let tracked: Tracked;
beforeEach(async () => {
  tracked = await openTracked();
});
afterEach(() => tracked.close());

const aLine = (): string => makeKeyPair("gateway").publicLine;
const linesOf = async (own: string, isShared = true): Promise<readonly string[]> =>
  await new FleetKeys({ ...tracked, logger: silentLogger, isShared, ownPublicKey: async () => own }).lines();

describe("the keys that a new container lets in", () => {
  it("are this gateway's own alone where no other uses the state", async () => {
    const own = aLine();
    expect(await linesOf(own, false)).toEqual([own]);
    expect(tracked.state.get("gatewayKeys", "all")).toBeUndefined();
  });

  it("are those of all gateways, its own first, each once", async () => {
    const [a, b] = [aLine(), aLine()];
    expect(await linesOf(a)).toEqual([a]);
    expect(await linesOf(b)).toEqual([b, a]);
    expect(await linesOf(a)).toEqual([a, b]);
    expect(await linesOf(a)).toEqual([a, b]);
  });

  it("are those that came last where there are too many, and the own one in any case", async () => {
    const all = Array.from({ length: containerLimits.maxGatewayKeys + 1 }, aLine);
    for (const line of all) await linesOf(line);
    expect(tracked.state.get("gatewayKeys", "all")?.lines).toEqual(all.slice(1).toReversed());
    expect(await linesOf(all[0]!)).toEqual([all[0], ...all.slice(2).toReversed()]);
  });

  it("are made known again where the state has lost them", async () => {
    const own = aLine();
    await linesOf(own);
    await change(tracked, (draft) => draft.delete("gatewayKeys", "all"));
    await linesOf(own);
    expect(tracked.state.get("gatewayKeys", "all")?.lines).toEqual([own]);
  });

  it("hold nothing that is no key, whoever wrote it into the state", async () => {
    const own = aLine();
    const lines = [own, 'command="reboot" ssh-ed25519 AAAA', "x\nssh-ed25519 AAAA"];
    await change(tracked, (draft) => draft.put("gatewayKeys", "all", { lines }));
    expect(await linesOf(own)).toEqual([own]);
  });
});

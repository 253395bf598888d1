import { expect, it } from "@jest/globals";
import { ownKeyOf } from "../../../src/app/own-key.js";
import type { GatewayKey } from "../../../src/containers/keys/gateway-key.js";
import { silentLogger } from "../../../src/observability/logger.js";

const key: GatewayKey = { publicKeyLine: "ssh-ed25519 A", privateKeyPath: "/k", passedOver: undefined };

it("fails who waits for a key on a disk that does not answer, and is there once the disk is", async () => {
  let answer = (_: GatewayKey): void => undefined;
  const opened = new Promise<GatewayKey>((resolve) => (answer = resolve));
  const ownKey = ownKeyOf(() => opened, silentLogger, 20);
  await expect(ownKey()).rejects.toMatchObject({ failure: "SILENT" });
  // The first work has not ended: no other thread is given to that disk.
  await expect(ownKey()).rejects.toMatchObject({ failure: "SILENT" });
  answer(key);
  await opened;
  expect(await ownKey()).toEqual(key);
});

it("is opened once for all who ask, and again only after a failure", async () => {
  const outcomes = [Promise.reject(new Error("damaged")), Promise.resolve(key)];
  let openCount = 0;
  const ownKey = ownKeyOf(() => outcomes[openCount++]!, silentLogger);
  await expect(ownKey()).rejects.toThrow("damaged");
  expect(await Promise.all([ownKey(), ownKey()])).toEqual([key, key]);
  expect(openCount).toBe(2);
});

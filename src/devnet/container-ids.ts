/** Ids as Docker and P2PRC make them. Not drawn from the seed: a devnet that starts again must not repeat them. */

import { randomBytes, randomInt, randomUUID } from "node:crypto";

/** What Docker calls a container. */
export const longId = (): string => randomBytes(32).toString("hex");

const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** A short UUID, as P2PRC names a container. */
export const shortId = (): string =>
  Array.from({ length: 22 }, () => alphabet.charAt(randomInt(alphabet.length))).join("");

export const imageTag = (name: string): string => `${randomUUID()}_${name}`;

/** One of the ports that Linux gives away. */
export const somePort = (): number => 32_768 + randomInt(28_232);

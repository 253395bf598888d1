/** What is asked of a node, and by what a repeated call is known to ask for the same. */
import { hash } from "node:crypto";
import { addressKey } from "../../peer-api/address.js";
import type { ContainerOrder } from "../../peer-api/contract.js";
import type { CreateRequest, Reach } from "../contract.js";
import type { IntentRecord } from "../records.js";

/** Each of the keys logs in: the caller's, and the gateways' for plugins. */
export function orderOf({ spec }: IntentRecord, keyLines: readonly string[]): ContainerOrder {
  const { portCount, gpu, image, baseImage, sshPublicKey } = spec;
  const lines = new Set(sshPublicKey === "" ? keyLines : [sshPublicKey, ...keyLines]);
  return { portCount, gpu, image, baseImage, sshPublicKey: [...lines].map((line) => `${line}\n`).join("") };
}

export function hashOf({ address }: Reach, { spec, keepOnNodeError }: CreateRequest, group: string): string {
  const { labels, ...plain } = spec;
  const what = ["create", addressKey(address), plain, [...labels].sort(), group, keepOnNodeError];
  return hash("sha256", JSON.stringify(what), "base64url");
}

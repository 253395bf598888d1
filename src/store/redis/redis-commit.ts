/** What redis-commit.lua takes and gives, spelled as the store speaks of it. */
import type { CommitResult } from "../contract.js";
import { type EncodedCommit, requireReplacedBytes } from "../encoding.js";
import { StoreError } from "../errors.js";
import { type HistoryLimits, storeLimits } from "../limits.js";
import type { RedisReply } from "./redis-connection.js";
import { ConnectionLostError } from "./redis-errors.js";

export interface AttemptParts {
  /** The same in each attempt at one commit. */
  readonly nonce: string;
  /** Counts from 1. */
  readonly attempt: number;
  readonly timeMs: number;
  /** Of `historyWords`. */
  readonly history: readonly string[];
}

/** What is the same in every commit of a store. */
export const historyWords = ({ commits, bytes }: HistoryLimits): readonly string[] =>
  [commits, bytes, storeLimits.maxReplacedBytes].map(String);

export function commitArguments(
  { operationId, expect, put, delete: deleted }: EncodedCommit,
  { nonce, attempt, timeMs, history }: AttemptParts,
): string[] {
  const args = [operationId, nonce, String(attempt), String(timeMs), ...history];
  args.push(String(expect.length), String(put.length));
  for (const { key, revision } of expect) args.push(key, revision ?? "");
  for (const { key, json } of put) args.push(key, json);
  args.push(...deleted);
  return args;
}

/**
 * @returns "gone": there is no state
 * @throws {ConnectionLostError} this attempt came too late to tell; {StoreError} STATE_TOO_LARGE, STATE_UNREADABLE
 */
export function readCommitReply(reply: RedisReply): CommitResult | "gone" {
  const [kind, first = "", second = "", third = ""] = Array.isArray(reply) ? reply.map(String) : [];
  if (kind === "committed") return { kind, revision: first };
  if (kind === "conflict") {
    return { kind, key: first, revision: second === "" ? undefined : second, storeRevision: third };
  }
  if (kind === "too_large") requireReplacedBytes(Number(first));
  if (kind === "void") throw new ConnectionLostError("a later attempt was answered", true);
  if (kind === "gone") return "gone";
  throw new StoreError("STATE_UNREADABLE", "Redis answers what the script does not say");
}

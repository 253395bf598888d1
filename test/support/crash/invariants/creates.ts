/** I1, I2: no creation that reached a node is forgotten, and none reaches one twice. */
import type { ContainerCreate } from "../../../../src/devnet/contract.js";
import { type Check, type Evidence, keyOfName, recordsOf, type Violation } from "../evidence.js";
import { answersOf, askedForgotten } from "./calls.js";

/** By which the ledger, the intent and the caller know one creation. */
const tokenOf = (create: ContainerCreate): string => create.query["BaseImage"] ?? "";

/** Errors that say for certain that there is no container. */
const definite = new Set([
  "CONNECTION_REFUSED",
  "NODE_UNREACHABLE",
  "IMAGE_NOT_OFFERED",
  "CREATE_ROLLED_BACK",
]);

/** I1: each creation in a ledger that is not removed is tracked or its intent is listed, or a caller gave it up. */
export const checkNoLostCreates: Check = (evidence) => [...lostByUs(evidence), ...lostForCallers(evidence)];

function* lostByUs(evidence: Evidence): Generator<Violation> {
  const { ledger, records } = evidence;
  const listed = new Set<unknown>();
  for (const [, intent] of recordsOf(records, "i/"))
    listed.add((intent["spec"] as { baseImage: string }).baseImage);
  const forgotten = askedForgotten(evidence);
  const closed = tokensOfClosedIntents(evidence, forgotten);
  for (const create of ledger.creates) {
    if (create.id === undefined || create.removedAt !== undefined) continue;
    const key = `${create.node}/${create.id}`;
    const token = tokenOf(create);
    if (records.has(`c/${key}`) || listed.has(token) || forgotten.has(key) || closed.has(token)) continue;
    yield { invariant: "I1", what: `${key} (${token}) runs, is not tracked, and no intent is left of it` };
  }
}

function tokensOfClosedIntents(
  { commits, lost = [] }: Evidence,
  forgotten: ReadonlySet<string>,
): ReadonlySet<string> {
  const tokens = new Set<string>();
  for (const { key, value, previous } of [...lost, ...commits.flatMap(({ changes }) => changes)]) {
    if (!key.startsWith("i/") || value !== undefined || previous === undefined) continue;
    const { host, port } = previous["address"] as { host: string; port: number };
    if (forgotten.has(`${host}:${String(port)}/~${key.slice(2)}`))
      tokens.add((previous["spec"] as { baseImage: string }).baseImage);
  }
  return tokens;
}

function* lostForCallers(evidence: Evidence): Generator<Violation> {
  const { records, ledger } = evidence;
  const forgotten = askedForgotten(evidence);
  const removed = new Set<string>();
  const living = new Map<string, string>();
  for (const create of ledger.creates) {
    if (create.id === undefined) continue;
    const key = `${create.node}/${create.id}`;
    if (create.removedAt !== undefined) removed.add(key);
    else living.set(tokenOf(create), key);
  }
  const answers = answersOf(evidence, "create");
  const askedOnce = new Set(answers.map(({ call }) => call.token));
  for (const { call } of answers.filter(
    ({ call }, at) => answers.findIndex((one) => one.call.token === call.token) < at,
  ))
    askedOnce.delete(call.token);
  for (const { call, outcome } of answers) {
    if (outcome.kind === "ok") {
      const key = keyOfName(outcome.name);
      const hasLeft = records.has(`t/${key}`) && (removed.has(key) || forgotten.has(key));
      if (!records.has(`c/${key}`) && !hasLeft)
        yield { invariant: "I1", what: `${key} was answered OK, is not tracked, and was not removed` };
    }
    const key = living.get(call.token);
    if (outcome.kind !== "error" || key === undefined || !askedOnce.has(call.token)) continue;
    if (definite.has(outcome.reason))
      yield { invariant: "I1", what: `${key} runs, and its caller was told ${outcome.reason}` };
  }
}

/** I2: at most one creation for each request id, and one answer. */
export const checkOneCreatePerRequest: Check = (evidence) => [
  ...askedTwice(evidence),
  ...answeredTwice(evidence),
];

/** In the moments after a loss a gateway that had not heard of the first call may ask again: docs/redis.md says so. */
const isOfLoss = ({ lossRounds }: Evidence, token: string): boolean =>
  lossRounds?.has(token.slice(1, token.indexOf("."))) === true;

function* askedTwice(evidence: Evidence): Generator<Violation> {
  const seen = new Set<string>();
  for (const create of evidence.ledger.creates) {
    const token = tokenOf(create);
    if (seen.has(token) && !isOfLoss(evidence, token))
      yield { invariant: "I2", what: `${token} reached ${create.node} more than once` };
    seen.add(token);
  }
}

function* answeredTwice(evidence: Evidence): Generator<Violation> {
  const names = new Map<string, string>();
  for (const { call, outcome } of answersOf(evidence, "create")) {
    if (outcome.kind !== "ok" || call.requestId === "" || isOfLoss(evidence, call.token)) continue;
    const before = names.get(call.requestId);
    if (before !== undefined && before !== outcome.name)
      yield { invariant: "I2", what: `${call.requestId} was answered ${before}, then ${outcome.name}` };
    names.set(call.requestId, outcome.name);
  }
}

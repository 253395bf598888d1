/** `validate_only`: what a crawl would begin with, told as a stream of its events. Nobody is contacted. */
import { isIpLiteral, nodeName } from "../../peer-api/address.js";
import type { CrawlEvent, CrawlEventBody, CrawlProgress, CrawlSummary } from "../contract.js";
import { type NodeRecord, toNode } from "../node-record.js";
import type { CrawlDeps, CrawlPlan } from "./crawl-plan.js";
import { startOrder } from "./start-order.js";

type PreviewDeps = Pick<CrawlDeps, "clock" | "ownAddress" | "own" | "policy">;

/** Tells of a crawl that would be started: the nodes of hop 0, in the order in which they would be visited. */
export function* previewStart(
  { start, maxHops }: Pick<CrawlPlan, "start" | "maxHops">,
  deps: PreviewDeps,
): Generator<CrawlEvent> {
  const startMs = deps.clock.monotonicMs();
  const known = deps.ownAddress.known;
  const own = { ...deps.own, publicIpAddress: known?.publicIpAddress ?? "" };
  const { atOnce, held } = startOrder(start, own, known !== undefined);
  const records = [...atOnce, ...held];
  const forbidden: string[] = [];
  const write = eventWriter(deps, () => ({
    ...standstill,
    maxHops,
    // As the crawl counts them: a visit that the address policy ends is one that was made, and failed.
    queuedCount: records.length - forbidden.length,
    doneCount: forbidden.length,
    failedCount: forbidden.length,
    knownCount: records.length,
  }));
  yield write({ kind: "started", crawl: "", knownCount: records.length });
  for (const record of records) {
    if (mayContact(record, deps)) {
      yield write({ kind: "nodeDiscovered", node: toNode(record, false), viaNode: "" });
      continue;
    }
    const node = nodeName(record.address);
    const message = "the address policy forbids to contact it";
    forbidden.push(node);
    yield write({ kind: "nodeFailed", node, step: "PROBE", failure: "ADDRESS_BLOCKED", message });
  }
  const elapsedMs = deps.clock.monotonicMs() - startMs;
  yield write({ kind: "completed", summary: { ...emptySummary, unreachable: forbidden.sort(), elapsedMs } });
}

/** Tells of a crawl that would be joined or continued: which one it is, and where it stands. */
export function* previewKept(
  { name, progress }: { readonly name: string; readonly progress: CrawlProgress },
  deps: Pick<CrawlDeps, "clock">,
): Generator<CrawlEvent> {
  const write = eventWriter(deps, () => progress);
  yield write({ kind: "started", crawl: name, knownCount: progress.knownCount });
  yield write({ kind: "completed", summary: emptySummary });
}

/** What a probe would come to before any socket exists. Where a name leads is only known on the connected one. */
function mayContact({ address, origin }: NodeRecord, { policy }: PreviewDeps): boolean {
  return origin === "operator" || !isIpLiteral(address) || policy.allows(address.host);
}

/** Numbers events. Without tokens: there is no crawl to come back to. */
function eventWriter(
  { clock }: Pick<CrawlDeps, "clock">,
  progressNow: () => CrawlProgress,
): (body: CrawlEventBody) => CrawlEvent {
  let sequence = 0;
  return (body) => {
    sequence += 1;
    return { sequence, resumeToken: "", timeMs: clock.nowMs(), progress: progressNow(), body };
  };
}

const standstill = { hop: 0, inFlightCount: 0, hopOpenCount: 0, hopDoneCount: 0 } as const;

const emptySummary: CrawlSummary = {
  activeCount: 0,
  addedCount: 0,
  removedCount: 0,
  unreachable: [],
  elapsedMs: 0,
  endReason: "VALIDATED",
};

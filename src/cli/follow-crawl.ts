import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CrawlCompleted,
  CrawlCompleted_EndReason,
  type NodeFailed,
  type UpdateIpTableRequestSchema,
  type UpdateIpTableResponse,
} from "../gen/p2prc/client/v1/ip_table_pb.js";
import { openBars } from "./crawl-bars.js";
import { openLines } from "./crawl-lines.js";
import type { CrawlProgressView } from "./crawl-progress.js";
import { endReasonText } from "./crawl-text.js";
import { OutcomeError } from "./errors.js";
import type { GatewayClient } from "./session.js";
import type { Output, Surroundings } from "./surroundings.js";

export interface CrawlReport {
  readonly completed: CrawlCompleted;
  readonly failures: readonly NodeFailed[];
}

/**
 * Crawls and shows live on stderr how it goes.
 *
 * @param onEvent is given every event as it comes
 * @throws {OutcomeError} the stream ended without its last event
 */
export async function followCrawl(
  client: GatewayClient,
  request: MessageInitShape<typeof UpdateIpTableRequestSchema>,
  surroundings: Surroundings,
  onEvent: (event: UpdateIpTableResponse) => void = () => undefined,
): Promise<CrawlReport> {
  // Where nothing moves, no bar does.
  const { output } = surroundings;
  const progress = request.validateOnly === true ? openLines(output.stderr) : openProgress(output);
  const failures: NodeFailed[] = [];
  let completed: CrawlCompleted | undefined;
  try {
    for await (const response of client.updateIpTable(request, { signal: surroundings.signal })) {
      progress.show(response);
      onEvent(response);
      if (response.event.case === "nodeFailed") failures.push(response.event.value);
      if (response.event.case === "completed") completed = response.event.value;
    }
  } finally {
    progress.end();
  }
  if (completed === undefined) throw new OutcomeError("the stream of the crawl ended before the crawl did");
  return { completed, failures };
}

/**
 * Asked after what was found has been printed: it is worth having, and it is not everything.
 *
 * @throws {OutcomeError} the crawl was cut short
 */
export function requireFinished({ completed: { endReason } }: CrawlReport): void {
  if (endReason !== CrawlCompleted_EndReason.FINISHED)
    throw new OutcomeError(`the crawl was cut short (${endReasonText(endReason)}): the table may lack nodes`);
}

/** @throws {OutcomeError} the gateway is older than the wish, and has crawled */
export function requireValidated({ completed: { endReason } }: CrawlReport): void {
  if (endReason !== CrawlCompleted_EndReason.VALIDATED)
    throw new OutcomeError("this gateway does not know --validate-only: it has crawled");
}

/** Bars that move on a terminal; elsewhere lines that can be read in a log. */
function openProgress({ terminal, stderr }: Output): CrawlProgressView {
  return terminal === undefined ? openLines(stderr) : openBars(terminal);
}

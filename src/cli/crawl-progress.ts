import type { UpdateIpTableResponse } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { openBars } from "./crawl-bars.js";
import { openLines } from "./crawl-lines.js";
import type { Output } from "./surroundings.js";

/** Shows a crawl while it runs. Every event carries where its hop stands: nothing is counted here. */
export interface CrawlProgressView {
  show(event: UpdateIpTableResponse): void;
  /** Leaves the terminal as it was found. Needed after a failure as well. */
  end(): void;
}

/** Bars that move on a terminal; elsewhere lines that can be read in a log. */
export function openProgress(output: Output): CrawlProgressView {
  return output.terminal === undefined ? openLines(output.stderr) : openBars(output.terminal);
}

import type { UpdateIpTableResponse } from "../gen/p2prc/client/v1/ip_table_pb.js";
import type { CrawlProgressView } from "./crawl-progress.js";
import { completedText, failedNodeText, hopText, isOfHop } from "./crawl-text.js";
import { plainText } from "./plain-text.js";
import type { TextSink } from "./surroundings.js";

/** One line for each hop that is over and for each node that failed. */
export function openLines(sink: TextSink): CrawlProgressView {
  return {
    show: (event) => {
      const line = lineOf(event);
      if (line !== "") sink.write(`${line}\n`);
    },
    end: () => undefined,
  };
}

/** What people read about an event; empty = nothing. */
export function lineOf({ event, progress }: UpdateIpTableResponse): string {
  if (event.case === "nodeFailed") {
    const hop = isOfHop(event.value) ? `hop ${progress?.hop ?? 0}: ` : "";
    return `${hop}${failedNodeText(event.value)}`;
  }
  if (event.case === "hopCompleted") return `hop ${event.value.hop}: ${hopText(event.value)}`;
  if (event.case === "completed") return completedText(event.value);
  if (event.case === "ownAddressFound") return plainText(event.value.warning);
  return "";
}

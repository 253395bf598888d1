import { MultiBar, type SingleBar } from "cli-progress";
import type { CrawlProgress, UpdateIpTableResponse } from "../gen/p2prc/client/v1/ip_table_pb.js";
import { lineOf } from "./crawl-lines.js";
import type { CrawlProgressView } from "./crawl-progress.js";
import { hopText } from "./crawl-text.js";

/** One bar for each hop, all moving at once where hops overlap. Failed nodes are named above the bars. */
export function openBars(terminal: NodeJS.WritableStream): CrawlProgressView {
  const bars = new MultiBar({
    stream: terminal,
    format: " hop {hop} {bar} {value}/{total} {note}",
    barCompleteChar: "\u2588",
    barIncompleteChar: "\u2591",
    barsize: 30,
    fps: 20,
    hideCursor: true,
    clearOnComplete: false,
    // The program ends in order by itself when a signal comes, and end() is called then.
    gracefulExit: false,
  });
  const barOfHop = new Map<number, SingleBar>();
  return {
    show: (response) => {
      const { progress, event } = response;
      if (progress !== undefined && event.case !== "started")
        move(bars, barOfHop, progress, noteOf(response));
      const line = event.case === "hopCompleted" ? "" : lineOf(response);
      // Clears the rest of the line: it is written over bars, and cli-progress clears the first line only.
      if (line !== "" && barOfHop.size > 0) bars.log(`${line}\u001b[K\n`);
      else if (line !== "") terminal.write(`${line}\n`);
    },
    end: () => {
      if (barOfHop.size === 0) return;
      // stop() alone would drop the lines that were logged since the last redraw.
      bars.update();
      bars.stop();
    },
  };
}

function move(bars: MultiBar, barOfHop: Map<number, SingleBar>, progress: CrawlProgress, note: string): void {
  const { hop, hopOpenCount, hopDoneCount } = progress;
  // A hop that has begun and knows of no step yet is not complete: without a step to come its bar would be full.
  const total = hopDoneCount + hopOpenCount === 0 && note === "" ? 1 : hopDoneCount + hopOpenCount;
  let bar = barOfHop.get(hop);
  if (bar === undefined) {
    bar = bars.create(total, hopDoneCount, { hop, note });
    barOfHop.set(hop, bar);
  }
  bar.setTotal(total);
  bar.update(hopDoneCount, note === "" ? {} : { note });
}

function noteOf({ event }: UpdateIpTableResponse): string {
  return event.case === "hopCompleted" ? hopText(event.value) : "";
}

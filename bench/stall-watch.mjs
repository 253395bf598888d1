/**
 * Preloaded into a gateway under measurement: answers every message of its parent with the longest that the event loop
 * stood still since the last one, in milliseconds. The time in which others had the processor is no stall of ours and
 * is taken off, where the system tells it.
 */
import { openSync, readSync } from "node:fs";

const resolutionMs = 1;
let longestMs = 0;
let lastMs = performance.now();
const waitedMs = openWaitedMs();
let lastWaitedMs = waitedMs();
setInterval(() => {
  const nowMs = performance.now();
  const nowWaitedMs = waitedMs();
  // A tick is late by its stall; the tick itself is none.
  longestMs = Math.max(longestMs, nowMs - lastMs - (nowWaitedMs - lastWaitedMs) - resolutionMs);
  lastMs = nowMs;
  lastWaitedMs = nowWaitedMs;
}, resolutionMs).unref();
process.on("message", () => {
  process.send(longestMs);
  longestMs = 0;
});
// The parent's channel must not keep a gateway alive that has ended.
process.channel.unref();

/** How long this thread was ready to run and had no processor: the second number of Linux's schedstat, in nanoseconds. */
function openWaitedMs() {
  try {
    const file = openSync("/proc/thread-self/schedstat");
    const bytes = Buffer.alloc(64);
    return () => {
      const text = bytes.latin1Slice(0, readSync(file, bytes, 0, bytes.length, 0));
      return Number(text.split(" ")[1]) / 1e6;
    };
  } catch {
    return () => 0;
  }
}

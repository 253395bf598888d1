/**
 * Preloaded into a gateway under measurement: answers every message of its parent with the longest that the event loop
 * stood still since the last one, in milliseconds.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

const resolutionMs = 1;
const delay = monitorEventLoopDelay({ resolution: resolutionMs });
delay.enable();
process.on("message", () => {
  // A sample is the time between two ticks of a timer; the tick itself is no stall.
  process.send(Math.max(0, delay.max / 1e6 - resolutionMs));
  delay.reset();
});
// The parent's channel must not keep a gateway alive that has ended.
process.channel.unref();

#!/usr/bin/env node
/** The program `p2prc`: the only place that knows the process it runs in. */
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { runProgram } from "./program.js";
import { exitCodeOfSignal, Interruption, type SignalName } from "./surroundings.js";

const leaving = new AbortController();
// Every call under way listens to it: no leak, as Node.js would say on stderr from eleven on.
setMaxListeners(0, leaving.signal);

/** An end that takes no longer needs no words. */
const quietEndMs = 1_000;

for (const name of ["SIGINT", "SIGTERM"] as const satisfies readonly SignalName[]) {
  process.on(name, () => {
    // Somebody who asks twice does not want to wait for an orderly end.
    if (leaving.signal.aborted) process.exit(exitCodeOfSignal[name]);
    leaving.abort(new Interruption(name));
    setTimeout(() => {
      process.stderr.write(
        "p2prc: ending; nodes that were asked for something have up to 30 s to answer. A second signal ends at once.\n",
      );
    }, quietEndMs).unref();
  });
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // `p2prc --ls | head`: whoever reads has seen enough.
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
}

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

let isDiskSilent = false;
const exitCode = await runProgram(process.argv.slice(2), manifest.version, {
  output: {
    stdout: process.stdout,
    stderr: process.stderr,
    terminal: process.stderr.isTTY ? process.stderr : undefined,
  },
  env: process.env,
  cwd: process.cwd(),
  signal: leaving.signal,
  onSilentDisk: () => (isDiskSilent = true),
});

// Not left to the event loop: a socket that lingers must not hold up a shell. What was written goes out first.
process.stdout.write("", () => process.stderr.write("", end));

function end(): void {
  // An orderly exit waits for the threads that Node has for files, and so for the disk.
  if (isDiskSilent) process.kill(process.pid, "SIGKILL");
  process.exit(exitCode);
}
